#!/usr/bin/env bash
# Hand-offs: one sealed archive per host, with the keys that this host needs and no others. Carry each
# to its host, to the same place (RUNBOOK.md).
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 40.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster   ceph 7c0f8b1e-94d2-4c8c-9a1c-3f5b0b7f6e35 10.0.0.5

handoffs  files/handoffs
