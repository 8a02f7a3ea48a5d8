#!/usr/bin/env bash
# Glance stores images in pool images of cluster ceph as client.images. Images in the file and HTTP
# stores stay reachable.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 50.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster            ceph 6f0b6f9e-1f0e-4c0b-9d47-7a3b1c2d3e4f 10.1.0.1 10.1.0.2

install_keyring    images glance:glance 0640
ceph_conf          files/ceph.conf
reach_pool         images images glance
keep_image_stores  /etc/glance/glance-api.conf files/glance-api.conf rbd:rbd file:file http:http
patch_ini          /etc/glance/glance-api.conf files/glance-api.conf --include DEFAULT.enabled_backends=rbd:rbd,file:file,http:http
not_overridden     files/glance-api.conf /etc/glance/glance.conf.d /etc/glance/glance-api.conf.d
name_unread        /etc/glance/glance-api.conf glance_store.stores glance_store.default_store
restart_on_change  openstack-glance-api.service
