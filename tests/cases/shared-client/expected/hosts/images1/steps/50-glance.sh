#!/usr/bin/env bash
# Glance stores images in pool images as client.glance. Images in the file and HTTP stores stay
# reachable.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 50.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster            ceph c4b6f1aa-0f57-4e0f-b2c1-7d3f9b1e2c45 192.168.8.11:6789

install_keyring    glance glance:glance 0640
ceph_conf          files/ceph.conf
reach_pool         glance images glance
keep_image_stores  /etc/glance/glance-api.conf files/glance-api.conf rbd:rbd file:file http:http
patch_ini          /etc/glance/glance-api.conf files/glance-api.conf --include DEFAULT.enabled_backends=rbd:rbd,file:file,http:http
not_overridden     files/glance-api.conf /etc/glance/glance.conf.d /etc/glance/glance-api.conf.d
name_unread        /etc/glance/glance-api.conf glance_store.stores glance_store.default_store
restart_on_change  openstack-glance-api.service
