#!/usr/bin/env bash
# Cinder stores volumes in pool volumes of cluster ceph as client.volumes and pool volumes of cluster
# flash as client.volumes. Backends that are enabled already stay enabled.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 80.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster            ceph 3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10 192.168.8.11

install_keyring    volumes cinder:cinder 0640
ceph_conf          files/ceph.conf
reach_pool         volumes volumes cinder

cluster            flash 0d9c8b7a-6f5e-4d3c-8b2a-190807f6e5d4 192.168.9.11

install_keyring    volumes cinder:cinder 0640
ceph_conf          files/flash.conf
reach_pool         volumes volumes cinder

keep_volumes       /etc/cinder/cinder.conf files/cinder.conf slow fast
patch_ini          /etc/cinder/cinder.conf files/cinder.conf --include DEFAULT.enabled_backends=slow,fast
name_unread        /etc/cinder/cinder.conf slow.glance_api_version fast.glance_api_version
restart_on_change  cinder-volume.service
