#!/usr/bin/env bash
# Cinder stores volumes in pool volumes of cluster ceph as client.volumes. Backends that are enabled
# already stay enabled.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 80.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster            ceph 6f0b6f9e-1f0e-4c0b-9d47-7a3b1c2d3e4f 10.1.0.1 10.1.0.2

install_keyring    volumes cinder:cinder 0640
ceph_conf          files/ceph.conf
reach_pool         volumes volumes cinder
keep_volumes       /etc/cinder/cinder.conf files/cinder.conf rbd
patch_ini          /etc/cinder/cinder.conf files/cinder.conf --include DEFAULT.enabled_backends=rbd
name_unread        /etc/cinder/cinder.conf rbd.glance_api_version
restart_on_change  openstack-cinder-volume.service
