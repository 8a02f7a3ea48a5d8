#!/usr/bin/env bash
# libvirt holds the keys that guests open their disks with: Nova's for disks of guests, Cinder's for
# volumes. Without the second no guest starts from a volume.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 60.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster          ceph 7c0f8b1e-94d2-4c8c-9a1c-3f5b0b7f6e35 10.0.0.5

install_keyring  vms nova:nova 0640
libvirt_secret   files/secret-ceph.client.vms.xml vms
install_keyring  volumes root:root 0600
libvirt_secret   files/secret-ceph.client.volumes.xml volumes
tmpfiles         files/cephos-guests.conf /etc/tmpfiles.d/cephos-guests.conf
