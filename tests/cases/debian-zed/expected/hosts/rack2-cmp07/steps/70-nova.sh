#!/usr/bin/env bash
# Nova keeps disks of guests in pool vms as client.nova. Snapshots of guests are made within Ceph, so
# this host may write to all images.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 70.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

libvirt_at_least   6.0.0 4.2.0
cluster            west 8f1d3c52-62a4-4be0-8f0e-6b5c4f0d9a11 mon1.west.example 10.4.0.12:6789 '[fd00:4::13]:3300'

install_keyring    nova nova:nova 0640
ceph_conf          files/west.conf
reach_pool         nova vms nova
keep_disks         /etc/nova/nova.conf files/nova.conf
patch_ini          /etc/nova/nova.conf files/nova.conf
not_overridden     files/nova.conf /etc/nova/nova-compute.conf
name_unread        /etc/nova/nova.conf DEFAULT.disk_cachemodes
restart_on_change  nova-compute.service
