#!/usr/bin/env bash
# Hand-offs: one sealed archive per host, with the keys that this host needs and no others. Carry each
# to its host, to the same place (RUNBOOK.md).
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 40.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster   ceph 3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10 192.168.8.11

handoffs  files/handoffs-ceph ceph
