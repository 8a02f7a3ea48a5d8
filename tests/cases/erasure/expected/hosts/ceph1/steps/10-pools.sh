#!/usr/bin/env bash
# Pools of cluster ceph. One that exists is used as it is: never re-created, never changed.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 10.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster          ceph 7c0f8b1e-94d2-4c8c-9a1c-3f5b0b7f6e35 10.0.0.5

pool             images
pool             volumes
erasure_profile  volumes-data k=4 m=2 crush-failure-domain=rack crush-device-class=hdd
data_pool        volumes-data volumes-data --pg_num 128 --autoscale_mode warn
pool             vms
pool             backups --size 3
data_pool        cold ec_8-3
