#!/usr/bin/env bash
# Pools of cluster ceph. One that exists is used as it is: never re-created, never changed.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 10.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster  ceph c4b6f1aa-0f57-4e0f-b2c1-7d3f9b1e2c45 192.168.8.11:6789

pool     images
pool     guests
