#!/usr/bin/env bash
# Glance stores images in pool images as client.glance. Images in the file and HTTP stores stay
# reachable.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 50.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster            west 8f1d3c52-62a4-4be0-8f0e-6b5c4f0d9a11 mon1.west.example 10.4.0.12:6789 '[fd00:4::13]:3300'

install_keyring    glance glance:glance 0640
ceph_conf          files/west.conf
reach_pool         glance images glance
keep_image_stores  /etc/glance/glance-api.conf files/glance-api.conf rbd:rbd file:file http:http
patch_ini          /etc/glance/glance-api.conf files/glance-api.conf --include DEFAULT.enabled_backends=rbd:rbd,file:file,http:http
name_unread        /etc/glance/glance-api.conf glance_store.stores glance_store.default_store
restart_on_change  glance-api.service
