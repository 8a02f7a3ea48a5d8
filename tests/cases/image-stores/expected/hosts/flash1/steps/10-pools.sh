#!/usr/bin/env bash
# Pools of cluster flash. One that exists is used as it is: never re-created, never changed.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 10.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster  flash 0d9c8b7a-6f5e-4d3c-8b2a-190807f6e5d4 192.168.9.11

pool     images
pool     volumes
