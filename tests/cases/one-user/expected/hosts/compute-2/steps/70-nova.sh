#!/usr/bin/env bash
# Nova keeps disks of guests in pool vms as client.openstack.site_1. Snapshots of guests are uploaded,
# since this host may only read images.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 70.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

libvirt_at_least   6.0.0 4.2.0
cluster            central_1 2d7c5e0a-6c1b-4f39-8b1e-94a0c7d3f582 172.18.0.103:6789 172.18.0.104:6789

install_keyring    openstack.site_1 nova:nova 0640
ceph_conf          files/central_1.conf
reach_pool         openstack.site_1 vms nova
keep_disks         /etc/nova/nova.conf files/nova.conf
patch_ini          /etc/nova/nova.conf files/nova.conf
not_overridden     files/nova.conf /etc/nova/nova-compute.conf /etc/nova/nova.conf.d /etc/nova/nova-compute.conf.d
name_unread        /etc/nova/nova.conf DEFAULT.disk_cachemodes
restart_on_change  openstack-nova-compute.service
