#!/usr/bin/env bash
# Hand-offs: one sealed archive per host, with the keys that this host needs and no others, copied to
# its host by SSH.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 40.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster        west 8f1d3c52-62a4-4be0-8f0e-6b5c4f0d9a11 mon1.west.example 10.4.0.12:6789 '[fd00:4::13]:3300'

handoffs       files/handoffs
send_handoffs  files/handoffs
