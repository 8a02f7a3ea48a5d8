#!/usr/bin/env bash
# libvirt holds the keys that guests open their disks with: Nova's for disks of guests, Cinder's for
# volumes. Without the second no guest starts from a volume.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 60.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster          ceph c4b6f1aa-0f57-4e0f-b2c1-7d3f9b1e2c45 192.168.8.11:6789

install_keyring  openstack nova:nova 0640
libvirt_secret   files/secret-ceph.client.openstack.xml openstack
tmpfiles         files/cephos-guests.conf /etc/tmpfiles.d/cephos-guests.conf
