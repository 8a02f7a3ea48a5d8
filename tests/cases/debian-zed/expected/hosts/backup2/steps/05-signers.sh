#!/usr/bin/env bash
# From now on this host runs only bundles that one of the site's signers signed.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 05.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

trust_signers  files/allowed_signers
