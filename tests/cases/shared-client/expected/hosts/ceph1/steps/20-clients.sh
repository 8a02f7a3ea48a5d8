#!/usr/bin/env bash
# Users of cluster ceph, each with what its service does and no more.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 20.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster  ceph c4b6f1aa-0f57-4e0f-b2c1-7d3f9b1e2c45 192.168.8.11:6789

client   glance \
  mon 'profile rbd' \
  osd 'profile rbd pool=images' \
  mgr 'profile rbd pool=images'

client   openstack \
  mon 'profile rbd' \
  osd 'profile rbd pool=guests, profile rbd-read-only pool=images' \
  mgr 'profile rbd pool=guests'
