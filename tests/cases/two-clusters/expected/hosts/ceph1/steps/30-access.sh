#!/usr/bin/env bash
# Proof with each user's own key: the cluster lets it in, shows it its pools, and refuses to let it
# write to the others.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 30.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster         ceph 6f0b6f9e-1f0e-4c0b-9d47-7a3b1c2d3e4f 10.1.0.1 10.1.0.2

client_reads    images images
client_refused  images volumes vms

client_reads    volumes volumes images
client_refused  volumes images vms

client_reads    nova vms images
client_refused  nova images volumes
