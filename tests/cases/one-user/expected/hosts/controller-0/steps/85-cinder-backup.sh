#!/usr/bin/env bash
# cinder-backup stores backups in pool backups as client.openstack.site_1. It opens a volume as the
# volume's own client, so it holds that key, too.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 85.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster            central_1 2d7c5e0a-6c1b-4f39-8b1e-94a0c7d3f582 172.18.0.103:6789 172.18.0.104:6789

install_keyring    openstack.site_1 glance:glance 0640 cinder
ceph_conf          files/central_1.conf
reach_pool         openstack.site_1 backups cinder
reach_pool         openstack.site_1 volumes.hdd_1 cinder
patch_ini          /etc/cinder/cinder.conf files/cinder.conf --include DEFAULT.enabled_backends=tripleo_ceph
restart_on_change  openstack-cinder-backup.service
