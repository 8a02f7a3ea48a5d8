#!/usr/bin/env bash
# Glance stores images in pool images of cluster ceph as client.images and pool archive of cluster
# ceph as client.archive and pool images of cluster flash as client.images. Images in the file and
# HTTP stores stay reachable.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 50.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster            ceph 3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10 192.168.8.11

install_keyring    images glance:glance 0640
install_keyring    archive glance:glance 0640
ceph_conf          files/ceph.conf
reach_pool         images images glance
reach_pool         archive archive glance

cluster            flash 0d9c8b7a-6f5e-4d3c-8b2a-190807f6e5d4 192.168.9.11

install_keyring    images glance:glance 0640
ceph_conf          files/flash.conf
reach_pool         images images glance

keep_image_stores  /etc/glance/glance-api.conf files/glance-api.conf slow:rbd archive:rbd fast:rbd file:file http:http
patch_ini          /etc/glance/glance-api.conf files/glance-api.conf --include DEFAULT.enabled_backends=slow:rbd,archive:rbd,fast:rbd,file:file,http:http
name_unread        /etc/glance/glance-api.conf glance_store.stores glance_store.default_store
restart_on_change  glance-api.service
