#!/usr/bin/env bash
# Users of cluster ceph, each with what its service does and no more.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 20.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster  ceph 3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10 192.168.8.11

client   images \
  mon 'profile rbd' \
  osd 'profile rbd pool=images' \
  mgr 'profile rbd pool=images'

client   archive \
  mon 'profile rbd' \
  osd 'profile rbd pool=archive, profile rbd pool=archive-data' \
  mgr 'profile rbd pool=archive, profile rbd pool=archive-data'

client   volumes \
  mon 'profile rbd' \
  osd 'profile rbd pool=volumes, profile rbd-read-only pool=images, profile rbd-read-only pool=archive, profile rbd-read-only pool=archive-data' \
  mgr 'profile rbd pool=volumes'

client   nova \
  mon 'profile rbd' \
  osd 'profile rbd pool=vms, profile rbd-read-only pool=images, profile rbd-read-only pool=archive, profile rbd-read-only pool=archive-data' \
  mgr 'profile rbd pool=vms'
