#!/usr/bin/env bash
# Nova keeps disks of guests in pool vms of cluster ceph as client.nova. Snapshots of guests are
# uploaded, since this host may only read images.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 70.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

libvirt_at_least   8.0.0 6.2.0
cluster            ceph 3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10 192.168.8.11

install_keyring    nova nova:nova 0640
ceph_conf          files/ceph.conf
reach_pool         nova vms nova
keep_disks         /etc/nova/nova.conf files/nova.conf
patch_ini          /etc/nova/nova.conf files/nova.conf
not_overridden     files/nova.conf /etc/nova/nova-compute.conf
name_unread        /etc/nova/nova.conf DEFAULT.disk_cachemodes
restart_on_change  nova-compute.service
