#!/usr/bin/env bash
# Users of cluster west, each with what its service does and no more.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 20.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster            west 8f1d3c52-62a4-4be0-8f0e-6b5c4f0d9a11 mon1.west.example 10.4.0.12:6789 '[fd00:4::13]:3300'

min_compat_client  mimic

client             glance \
  mon 'profile rbd' \
  osd 'profile rbd pool=images, profile rbd-read-only pool=volumes, profile rbd-read-only pool=vms' \
  mgr 'profile rbd pool=images'

client             cinder \
  mon 'profile rbd' \
  osd 'profile rbd pool=volumes, profile rbd-read-only pool=images' \
  mgr 'profile rbd pool=volumes'

client             cinder-backup \
  mon 'profile rbd' \
  osd 'profile rbd pool=backups' \
  mgr 'profile rbd pool=backups'

client             nova \
  mon 'profile rbd' \
  osd 'profile rbd pool=vms, profile rbd pool=images' \
  mgr 'profile rbd pool=vms, profile rbd pool=images'
