#!/usr/bin/env bash
# Users of cluster central_1, each with what its service does and no more.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 20.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

cluster  central_1 2d7c5e0a-6c1b-4f39-8b1e-94a0c7d3f582 172.18.0.103:6789 172.18.0.104:6789

client   openstack.site_1 \
  mon 'profile rbd' \
  osd 'profile rbd pool=images, profile rbd pool=volumes.hdd_1, profile rbd pool=backups, profile rbd pool=vms' \
  mgr 'profile rbd pool=images, profile rbd pool=volumes.hdd_1, profile rbd pool=backups, profile rbd pool=vms'
