"""The small site that most real-host tests work on: keys made and carried, nothing else applied."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiling import compiled
from real.bundles import BUNDLE, apply, carry, strip_comments
from rig import Host, Rig, ceph
from rig.libvirt import Libvirt
from rig.openstack import OpenStack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rig.ceph import Ceph

FSID = "3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10"
UUID = "0d5f6a52-79c5-4b5e-9d44-2f8f0e3b6a11"
SITE = f"""
version: 1
site: lab
openstack: {{release: zed, platform: debian}}
clusters:
  ceph:
    release: pacific
    fsid: {FSID}
    mon_host: [192.168.8.11]
    pools: {{images: {{pg_num: 8, size: 2}}, volumes: {{}}, vms: {{}}}}
    clients:
      nova: {{secret_uuid: {UUID}}}
services:
  glance: {{pool: images, client: glance}}
  cinder: {{backends: {{rbd: {{pool: volumes, client: cinder}}}}}}
  nova: {{pool: vms, client: nova}}
hosts:
  ceph1: {{roles: [ceph-admin]}}
  ctl1: {{roles: [glance]}}
  cmp1: {{roles: [nova-compute]}}
"""


@dataclass(frozen=True)
class World:
    """The hosts; each has its bundle in `BUNDLE` and its hand-off where `apply` looks for it."""

    ceph: Ceph
    controller: Host
    compute: Host

    @property
    def admin(self) -> Host:
        """The host of the cluster."""
        return self.ceph.host


@contextlib.contextmanager
def world(folder: Path) -> Iterator[World]:
    """Bring up the site; only the `ceph-admin` host has been applied."""
    with Rig() as rig:
        ceph1, ctl1, cmp1 = rig.hosts("ceph1", "ctl1", "cmp1")
        out = compiled(folder, SITE)
        strip_comments(ctl1, cmp1)
        ctl1.run("systemctl", "start", "--no-block", "glance-api")
        with ThreadPoolExecutor() as pool:
            starting = pool.submit(ceph.start, ceph1, FSID)
            pool.submit(Libvirt(cmp1).start).result()
            cluster = starting.result()
        # a pool that somebody made before, with other settings
        cluster.run("osd", "pool", "create", "images", "16")
        for host in (ceph1, ctl1, cmp1):
            host.put(out / "hosts" / host.name, BUNDLE)
        apply(ceph1)
        for host in (ctl1, cmp1):
            carry(ceph1, host)
        OpenStack(ctl1).await_glance()
        yield World(cluster, ctl1, cmp1)


def rebundle(world: World, folder: Path, site: str) -> None:
    """Compile another site description, and replace every host's bundle."""
    out = compiled(folder, site)
    for host in (world.admin, world.controller, world.compute):
        host.run("rm", "-rf", BUNDLE)
        host.put(out / "hosts" / host.name, BUNDLE)


def undone(host: Host) -> None:
    """Take a host back to before its first apply."""
    apply(host, "--rollback")
    host.run(
        "sh",
        "-c",
        "for u in $(virsh -q secret-list | cut -d' ' -f2); do virsh -q secret-undefine $u; done",
    )
    host.run("rm", "-rf", "/run/ceph-guests", "/var/log/ceph-guests")
