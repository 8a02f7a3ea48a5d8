#!/usr/bin/env bash
# Users of cluster ceph, each with what its service does and no more.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 20.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster  ceph 6f0b6f9e-1f0e-4c0b-9d47-7a3b1c2d3e4f 10.1.0.1 10.1.0.2

client   images \
  mon 'profile rbd' \
  osd 'profile rbd pool=images' \
  mgr 'profile rbd pool=images'

client   volumes \
  mon 'profile rbd' \
  osd 'profile rbd pool=volumes, profile rbd-read-only pool=images' \
  mgr 'profile rbd pool=volumes'

client   nova \
  mon 'profile rbd' \
  osd 'profile rbd pool=vms, profile rbd-read-only pool=images' \
  mgr 'profile rbd pool=vms'
