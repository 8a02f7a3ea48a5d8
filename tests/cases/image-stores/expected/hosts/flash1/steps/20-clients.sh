#!/usr/bin/env bash
# Users of cluster flash, each with what its service does and no more.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 20.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster  flash 0d9c8b7a-6f5e-4d3c-8b2a-190807f6e5d4 192.168.9.11

client   images \
  mon 'profile rbd' \
  osd 'profile rbd pool=images' \
  mgr 'profile rbd pool=images'

client   volumes \
  mon 'profile rbd' \
  osd 'profile rbd pool=volumes, profile rbd-read-only pool=images' \
  mgr 'profile rbd pool=volumes'
