#!/usr/bin/env bash
# Hand-offs: one sealed archive per host, with the keys that this host needs and no others. Carry each
# to its host, to the same place (RUNBOOK.md).
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 40.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster   ceph c4b6f1aa-0f57-4e0f-b2c1-7d3f9b1e2c45 192.168.8.11:6789

handoffs  files/handoffs
