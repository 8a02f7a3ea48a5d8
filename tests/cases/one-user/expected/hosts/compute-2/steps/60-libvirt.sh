#!/usr/bin/env bash
# libvirt holds the keys that guests open their disks with: Nova's for disks of guests, Cinder's for
# volumes. Without the second no guest starts from a volume.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 60.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster          central_1 2d7c5e0a-6c1b-4f39-8b1e-94a0c7d3f582 172.18.0.103:6789 172.18.0.104:6789

install_keyring  openstack.site_1 nova:nova 0640
libvirt_secret   files/secret-central_1.client.openstack.site_1.xml openstack.site_1
patch_ini        /etc/ceph/ceph.conf files/ceph.conf --create
tmpfiles         files/cephos-guests.conf /etc/tmpfiles.d/cephos-guests.conf
