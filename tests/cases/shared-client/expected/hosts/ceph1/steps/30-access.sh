#!/usr/bin/env bash
# Proof with each user's own key: the cluster lets it in, shows it its pools, and refuses to let it
# write to the others.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 30.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster         ceph c4b6f1aa-0f57-4e0f-b2c1-7d3f9b1e2c45 192.168.8.11:6789

client_reads    glance images
client_refused  glance guests

client_reads    openstack guests images
client_refused  openstack images
