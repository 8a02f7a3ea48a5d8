#!/usr/bin/env bash
# libvirt holds the keys that guests open their disks with: Nova's for disks of guests, Cinder's for
# volumes. Without the second no guest starts from a volume.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 60.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster          ceph 3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10 192.168.8.11

install_keyring  nova nova:nova 0640
libvirt_secret   files/secret-ceph.client.nova.xml nova
install_keyring  volumes root:root 0600
libvirt_secret   files/secret-ceph.client.volumes.xml volumes

cluster          flash 0d9c8b7a-6f5e-4d3c-8b2a-190807f6e5d4 192.168.9.11

install_keyring  volumes root:root 0600
libvirt_secret   files/secret-flash.client.volumes.xml volumes
ceph_conf        files/flash.conf

tmpfiles         files/cephos-guests.conf /etc/tmpfiles.d/cephos-guests.conf
