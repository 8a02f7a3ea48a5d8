#!/usr/bin/env bash
# cinder-backup stores backups in pool backups as client.backups. It opens a volume as the volume's
# own client, so it holds that key, too.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 85.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster            ceph 7c0f8b1e-94d2-4c8c-9a1c-3f5b0b7f6e35 10.0.0.5

install_keyring    backups cinder:cinder 0640
install_keyring    volumes cinder:cinder 0640
ceph_conf          files/ceph.conf
reach_pool         backups backups cinder
reach_pool         volumes volumes cinder
patch_ini          /etc/cinder/cinder.conf files/cinder.conf --include DEFAULT.enabled_backends=ceph
restart_on_change  cinder-backup.service
