#!/usr/bin/env bash
# Cinder stores volumes in pool volumes of cluster flash as client.volumes. Backends that are enabled
# already stay enabled.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 80.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster            flash 0d9c8b7a-6f5e-4d3c-8b2a-190807f6e5d4 10.2.0.1

install_keyring    volumes cinder:cinder 0640
ceph_conf          files/flash.conf
reach_pool         volumes volumes cinder
keep_volumes       /etc/cinder/cinder.conf files/cinder.conf flash
patch_ini          /etc/cinder/cinder.conf files/cinder.conf --include DEFAULT.enabled_backends=flash
name_unread        /etc/cinder/cinder.conf flash.glance_api_version
restart_on_change  openstack-cinder-volume.service
