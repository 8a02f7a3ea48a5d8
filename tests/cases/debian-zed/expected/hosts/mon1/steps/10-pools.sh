#!/usr/bin/env bash
# Pools of cluster west. One that exists is used as it is: never re-created, never changed.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 10.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster  west 8f1d3c52-62a4-4be0-8f0e-6b5c4f0d9a11 mon1.west.example 10.4.0.12:6789 '[fd00:4::13]:3300'

pool     images --pg_num 32 --autoscale_mode off --size 3 --rule replicated_ssd
pool     volumes --autoscale_mode on --target_size_ratio 0.6 --size 2
pool     backups
pool     vms --pg_num 128 --autoscale_mode warn --target_size_ratio 1.5 --rule replicated_ssd
