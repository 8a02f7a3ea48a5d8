#!/usr/bin/env bash
# cinder-backup stores backups in pool backups as client.cinder-backup. It opens a volume as the
# volume's own client, so it holds that key, too.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 85.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster            west 8f1d3c52-62a4-4be0-8f0e-6b5c4f0d9a11 mon1.west.example 10.4.0.12:6789 '[fd00:4::13]:3300'

install_keyring    cinder-backup cinder:cinder 0640
install_keyring    cinder cinder:cinder 0640
ceph_conf          files/west.conf
reach_pool         cinder-backup backups cinder
reach_pool         cinder volumes cinder
patch_ini          /etc/cinder/cinder.conf files/cinder.conf
restart_on_change  cinder-backup.service
