#!/usr/bin/env bash
# Hand-offs: one sealed archive per host, with the keys that this host needs and no others. Carry each
# to its host, to the same place (RUNBOOK.md).
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 40.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster   flash 0d9c8b7a-6f5e-4d3c-8b2a-190807f6e5d4 192.168.9.11

handoffs  files/handoffs-flash flash
