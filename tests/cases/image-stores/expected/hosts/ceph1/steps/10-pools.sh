#!/usr/bin/env bash
# Pools of cluster ceph. One that exists is used as it is: never re-created, never changed.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 10.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster          ceph 3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10 192.168.8.11

pool             images
pool             archive
erasure_profile  archive-data k=4 m=2
data_pool        archive-data archive-data
pool             volumes
pool             vms
