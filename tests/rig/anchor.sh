#!/bin/bash
# anchor.sh BASE  -- pid 1 of the rig's own process, mount and network namespaces. When its standard input closes, because
# the test that holds the other end is over in whatever way, it ends, and with it every process and mount of the rig.
set -euo pipefail
# the base tree's `ip`, since a small machine may have none
chroot "$1" ip link set lo up
echo up
exec cat >/dev/null
