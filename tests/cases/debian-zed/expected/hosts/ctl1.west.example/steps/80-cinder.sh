#!/usr/bin/env bash
# Cinder stores volumes in pool volumes as client.cinder. Backends that are enabled already stay
# enabled.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 80.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster            west 8f1d3c52-62a4-4be0-8f0e-6b5c4f0d9a11 mon1.west.example 10.4.0.12:6789 '[fd00:4::13]:3300'

install_keyring    cinder cinder:cinder 0640
ceph_conf          files/west.conf
reach_pool         cinder volumes cinder
keep_volumes       /etc/cinder/cinder.conf files/cinder.conf ceph-ssd
patch_ini          /etc/cinder/cinder.conf files/cinder.conf --include DEFAULT.enabled_backends=ceph-ssd
name_unread        /etc/cinder/cinder.conf ceph-ssd.glance_api_version
restart_on_change  cinder-volume.service
