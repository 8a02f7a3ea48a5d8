#!/usr/bin/env bash
# Nova keeps disks of guests in pool guests as client.openstack. Snapshots of guests are uploaded,
# since this host may only read images.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 70.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

libvirt_at_least   8.0.0 6.2.0
cluster            ceph c4b6f1aa-0f57-4e0f-b2c1-7d3f9b1e2c45 192.168.8.11:6789

install_keyring    openstack nova:nova 0640
ceph_conf          files/ceph.conf
reach_pool         openstack guests nova
keep_disks         /etc/nova/nova.conf files/nova.conf
patch_ini          /etc/nova/nova.conf files/nova.conf
not_overridden     files/nova.conf /etc/nova/nova-compute.conf /etc/nova/nova.conf.d /etc/nova/nova-compute.conf.d
name_unread        /etc/nova/nova.conf DEFAULT.disk_cachemodes
restart_on_change  openstack-nova-compute.service
