#!/usr/bin/env bash
# Cinder stores volumes in pool guests as client.openstack. Backends that are enabled already stay
# enabled.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 80.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster            ceph c4b6f1aa-0f57-4e0f-b2c1-7d3f9b1e2c45 192.168.8.11:6789

install_keyring    openstack cinder:cinder 0640
ceph_conf          files/ceph.conf
reach_pool         openstack guests cinder
keep_volumes       /etc/cinder/cinder.conf files/cinder.conf rbd
patch_ini          /etc/cinder/cinder.conf files/cinder.conf --include DEFAULT.enabled_backends=rbd
name_unread        /etc/cinder/cinder.conf rbd.glance_api_version
restart_on_change  openstack-cinder-volume.service
