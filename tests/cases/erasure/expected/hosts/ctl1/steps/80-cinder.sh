#!/usr/bin/env bash
# Cinder stores volumes in pool volumes as client.volumes. Backends that are enabled already stay
# enabled.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 80.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster            ceph 7c0f8b1e-94d2-4c8c-9a1c-3f5b0b7f6e35 10.0.0.5

install_keyring    volumes cinder:cinder 0640
ceph_conf          files/ceph.conf
reach_pool         volumes volumes cinder
keep_volumes       /etc/cinder/cinder.conf files/cinder.conf ceph
patch_ini          /etc/cinder/cinder.conf files/cinder.conf --include DEFAULT.enabled_backends=ceph
name_unread        /etc/cinder/cinder.conf ceph.glance_api_version
restart_on_change  cinder-volume.service
