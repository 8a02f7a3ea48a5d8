#!/usr/bin/env bash
# Nova keeps disks of guests in pool vms as client.vms. Snapshots of guests are uploaded, since this
# host may only read images.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 70.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

libvirt_at_least   8.0.0 6.2.0
cluster            ceph 7c0f8b1e-94d2-4c8c-9a1c-3f5b0b7f6e35 10.0.0.5

install_keyring    vms nova:nova 0640
ceph_conf          files/ceph.conf
reach_pool         vms vms nova
keep_disks         /etc/nova/nova.conf files/nova.conf
patch_ini          /etc/nova/nova.conf files/nova.conf
not_overridden     files/nova.conf /etc/nova/nova-compute.conf
name_unread        /etc/nova/nova.conf DEFAULT.disk_cachemodes
restart_on_change  nova-compute.service
