#!/usr/bin/env bash
# Glance stores images in pool images as client.openstack.site_1. Images in the file and HTTP stores
# stay reachable.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 50.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster            central_1 2d7c5e0a-6c1b-4f39-8b1e-94a0c7d3f582 172.18.0.103:6789 172.18.0.104:6789

install_keyring    openstack.site_1 glance:glance 0640 cinder
ceph_conf          files/central_1.conf
reach_pool         openstack.site_1 images glance
keep_image_stores  /etc/glance/glance-api.conf files/glance-api.conf rbd:rbd file:file http:http
patch_ini          /etc/glance/glance-api.conf files/glance-api.conf --include DEFAULT.enabled_backends=rbd:rbd,file:file,http:http
not_overridden     files/glance-api.conf /etc/glance/glance.conf.d /etc/glance/glance-api.conf.d
name_unread        /etc/glance/glance-api.conf glance_store.stores glance_store.default_store
restart_on_change  openstack-glance-api.service
