#!/usr/bin/env bash
# libvirt holds the keys that guests open their disks with: Nova's for disks of guests, Cinder's for
# volumes. Without the second no guest starts from a volume.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 60.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster          west 8f1d3c52-62a4-4be0-8f0e-6b5c4f0d9a11 mon1.west.example 10.4.0.12:6789 '[fd00:4::13]:3300'

install_keyring  nova nova:nova 0640
libvirt_secret   files/secret-west.client.nova.xml nova
install_keyring  cinder root:root 0600
libvirt_secret   files/secret-west.client.cinder.xml cinder
patch_ini        /etc/ceph/ceph.conf files/ceph.conf --create
tmpfiles         files/cephos-guests.conf /etc/tmpfiles.d/cephos-guests.conf
