#!/usr/bin/env bash
# Cinder stores volumes in pool volumes.hdd_1 as client.openstack.site_1. Backends that are enabled
# already stay enabled.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 80.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster            central_1 2d7c5e0a-6c1b-4f39-8b1e-94a0c7d3f582 172.18.0.103:6789 172.18.0.104:6789

install_keyring    openstack.site_1 glance:glance 0640 cinder
ceph_conf          files/central_1.conf
reach_pool         openstack.site_1 volumes.hdd_1 cinder
keep_volumes       /etc/cinder/cinder.conf files/cinder.conf tripleo_ceph
patch_ini          /etc/cinder/cinder.conf files/cinder.conf --include DEFAULT.enabled_backends=tripleo_ceph
name_unread        /etc/cinder/cinder.conf tripleo_ceph.glance_api_version
restart_on_change  openstack-cinder-volume.service
