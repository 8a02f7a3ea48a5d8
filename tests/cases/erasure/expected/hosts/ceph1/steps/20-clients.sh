#!/usr/bin/env bash
# Users of cluster ceph, each with what its service does and no more.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 20.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster  ceph 7c0f8b1e-94d2-4c8c-9a1c-3f5b0b7f6e35 10.0.0.5

client   images \
  mon 'profile rbd' \
  osd 'profile rbd pool=images' \
  mgr 'profile rbd pool=images'

client   volumes \
  mon 'profile rbd' \
  osd 'profile rbd pool=volumes, profile rbd pool=volumes-data, profile rbd-read-only pool=images' \
  mgr 'profile rbd pool=volumes, profile rbd pool=volumes-data'

client   backups \
  mon 'profile rbd' \
  osd 'profile rbd pool=backups, profile rbd pool=cold' \
  mgr 'profile rbd pool=backups, profile rbd pool=cold'

client   vms \
  mon 'profile rbd' \
  osd 'profile rbd pool=vms, profile rbd pool=cold, profile rbd-read-only pool=images' \
  mgr 'profile rbd pool=vms, profile rbd pool=cold'
