#!/usr/bin/env bash
# Hand-offs: one sealed archive per host, with the keys that this host needs and no others. Carry each
# to its host, to the same place (RUNBOOK.md).
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 40.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster   central_1 2d7c5e0a-6c1b-4f39-8b1e-94a0c7d3f582 172.18.0.103:6789 172.18.0.104:6789

handoffs  files/handoffs
