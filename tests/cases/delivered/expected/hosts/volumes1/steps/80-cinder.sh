#!/usr/bin/env bash
# Cinder stores volumes in pool volumes as client.cinder. Backends that are enabled already stay
# enabled.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 80.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster            ceph 9c1b7a52-0e8f-4f57-8a44-6a1f0b8d2c33 10.9.0.1 10.9.0.2 10.9.0.3

install_keyring    cinder cinder:cinder 0640
ceph_conf          files/ceph.conf
reach_pool         cinder volumes cinder
keep_volumes       /etc/cinder/cinder.conf files/cinder.conf rbd
patch_ini          /etc/cinder/cinder.conf files/cinder.conf --include DEFAULT.enabled_backends=rbd
name_unread        /etc/cinder/cinder.conf rbd.glance_api_version
restart_on_change  cinder-volume.service
