#!/usr/bin/env bash
# Proof with each user's own key: the cluster lets it in, shows it its pools, and refuses to let it
# write to the others.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 30.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster         ceph 3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10 192.168.8.11 192.168.8.12 192.168.8.13

client_reads    images glance-images
client_refused  images cinder-volumes nova-vms

client_reads    volumes cinder-volumes glance-images
client_refused  volumes glance-images nova-vms

client_reads    nova nova-vms glance-images
client_refused  nova glance-images cinder-volumes
