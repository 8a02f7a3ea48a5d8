#!/bin/bash
# boot.sh BASE DISK NAME ADDRESS CGROUP...  -- become systemd-nspawn, which boots the host NAME from BASE with DISK/upper over it
set -euo pipefail
base=$1 disk=$2 name=$3 address=$4
shift 4
# each host in cgroups of its own, or the hosts' systemds would share one tree and stop each other's units
for group in "$@"; do
  mkdir -p "${group}"
  echo 0 >"${group}/cgroup.procs"
done
chroot "${base}" ip address replace "${address}/32" dev lo
mount -t overlay "rig-${name}" -o "lowerdir=${base},upperdir=${disk}/upper,workdir=${disk}/work" "${disk}/root"
exec systemd-nspawn --quiet --directory="${disk}/root" --machine="${name}" --register=no --keep-unit \
  --resolv-conf=off --timezone=off --link-journal=no \
  --boot systemd.unit=rig.target systemd.show_status=0
