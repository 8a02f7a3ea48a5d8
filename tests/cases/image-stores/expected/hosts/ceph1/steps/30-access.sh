#!/usr/bin/env bash
# Proof with each user's own key: the cluster lets it in, shows it its pools, and refuses to let it
# write to the others.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 30.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster         ceph 3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10 192.168.8.11

client_reads    images images
client_refused  images archive volumes vms

client_reads    archive archive
client_refused  archive images volumes vms

client_reads    volumes volumes images archive
client_refused  volumes images archive vms

client_reads    nova vms images archive
client_refused  nova images archive volumes
