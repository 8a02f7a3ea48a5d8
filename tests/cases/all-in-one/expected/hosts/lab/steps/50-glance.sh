#!/usr/bin/env bash
# Glance stores images in pool images as client.images. Images in the file and HTTP stores stay
# reachable.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 50.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster            ceph 5a0f8b1e-94d2-4c8c-9a1c-3f5b0b7f6e21 10.0.0.5

install_keyring    images glance:glance 0640
ceph_conf          files/ceph.conf
reach_pool         images images glance
keep_image_stores  /etc/glance/glance-api.conf files/glance-api.conf rbd:rbd file:file http:http
patch_ini          /etc/glance/glance-api.conf files/glance-api.conf --include DEFAULT.enabled_backends=rbd:rbd,file:file,http:http
name_unread        /etc/glance/glance-api.conf glance_store.stores glance_store.default_store
restart_on_change  glance-api.service
