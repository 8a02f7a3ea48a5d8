#!/usr/bin/env bash
# Proof with each user's own key: the cluster lets it in, shows it its pools, and refuses to let it
# write to the others.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 30.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster         flash 0d9c8b7a-6f5e-4d3c-8b2a-190807f6e5d4 192.168.9.11

client_reads    images images
client_refused  images volumes

client_reads    volumes volumes images
client_refused  volumes images
