#!/usr/bin/env bash
# Pools of cluster ceph. One that exists is used as it is: never re-created, never changed.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 10.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster  ceph 3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10 192.168.8.11 192.168.8.12 192.168.8.13

pool     glance-images --pg_num 64
pool     cinder-volumes --pg_num 64
pool     nova-vms --pg_num 64
