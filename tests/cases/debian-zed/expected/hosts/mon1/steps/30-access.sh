#!/usr/bin/env bash
# Proof with each user's own key: the cluster lets it in, shows it its pools, and refuses to let it
# write to the others.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 30.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster         west 8f1d3c52-62a4-4be0-8f0e-6b5c4f0d9a11 mon1.west.example 10.4.0.12:6789 '[fd00:4::13]:3300'

client_reads    glance images volumes vms
client_refused  glance volumes backups vms

client_reads    cinder volumes images
client_refused  cinder images backups vms

client_reads    cinder-backup backups
client_refused  cinder-backup images volumes vms

client_reads    nova vms images
client_refused  nova volumes backups
