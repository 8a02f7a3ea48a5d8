#!/usr/bin/env bash
# Cinder stores volumes in pool cinder-volumes as client.volumes. Backends that are enabled already
# stay enabled.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 80.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster            ceph 3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10 192.168.8.11 192.168.8.12 192.168.8.13

install_keyring    volumes cinder:cinder 0640
ceph_conf          files/ceph.conf
reach_pool         volumes cinder-volumes cinder
keep_volumes       /etc/cinder/cinder.conf files/cinder.conf rbd
patch_ini          /etc/cinder/cinder.conf files/cinder.conf --include DEFAULT.enabled_backends=rbd
name_unread        /etc/cinder/cinder.conf rbd.glance_api_version
restart_on_change  openstack-cinder-volume.service
