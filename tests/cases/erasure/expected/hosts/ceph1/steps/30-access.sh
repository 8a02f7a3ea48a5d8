#!/usr/bin/env bash
# Proof with each user's own key: the cluster lets it in, shows it its pools, and refuses to let it
# write to the others.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 30.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster         ceph 7c0f8b1e-94d2-4c8c-9a1c-3f5b0b7f6e35 10.0.0.5

client_reads    images images
client_refused  images volumes vms backups

client_reads    volumes volumes images
client_refused  volumes images vms backups

client_reads    backups backups
client_refused  backups images volumes vms

client_reads    vms vms images
client_refused  vms images volumes backups
