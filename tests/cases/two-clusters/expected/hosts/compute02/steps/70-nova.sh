#!/usr/bin/env bash
# Nova keeps disks of guests in pool vms of cluster ceph as client.nova. Snapshots of guests are
# uploaded, since this host may only read images.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 70.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

libvirt_at_least   8.0.0 6.2.0
cluster            ceph 6f0b6f9e-1f0e-4c0b-9d47-7a3b1c2d3e4f 10.1.0.1 10.1.0.2

install_keyring    nova nova:nova 0640
ceph_conf          files/ceph.conf
reach_pool         nova vms nova
keep_disks         /etc/nova/nova.conf files/nova.conf
patch_ini          /etc/nova/nova.conf files/nova.conf
not_overridden     files/nova.conf /etc/nova/nova-compute.conf /etc/nova/nova.conf.d /etc/nova/nova-compute.conf.d
name_unread        /etc/nova/nova.conf DEFAULT.disk_cachemodes
restart_on_change  openstack-nova-compute.service
