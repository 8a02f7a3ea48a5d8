"""Two clusters with administrators of their own, and a backend of Cinder on each, on real hosts.

The second cluster calls itself `ceph` on its own host, as every cluster does today; only the site
knows it by another name. The tests build on each other in file order.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from compiling import compiled
from real.bundles import BUNDLE, apply, carry_out, statuses
from rig import Host, Rig, ceph
from rig.libvirt import Libvirt
from rig.openstack import OpenStack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rig.ceph import Ceph

pytestmark = pytest.mark.real

FSID = "3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10"
FLASH_FSID = "0d9c8b7a-6f5e-4d3c-8b2a-190807f6e5d4"
IMAGE = bytes(range(256)) * 4096
SITE = f"""
version: 1
site: lab
openstack: {{release: zed, platform: debian}}
clusters:
  ceph:
    release: pacific
    fsid: {FSID}
    mon_host: [192.168.8.11]
    pools: {{images: {{}}, volumes: {{}}, vms: {{}}}}
  flash:
    release: pacific
    fsid: {FLASH_FSID}
    mon_host: [192.168.8.12]
    pools: {{volumes: {{}}}}
services:
  glance: {{cluster: ceph, pool: images, client: images}}
  cinder:
    backends:
      rbd: {{cluster: ceph, pool: volumes, client: volumes}}
      flash: {{cluster: flash, pool: volumes, client: volumes}}
  nova: {{cluster: ceph, pool: vms, client: nova}}
hosts:
  ceph1: {{roles: [ceph-admin], clusters: [ceph]}}
  flash1: {{roles: [ceph-admin], clusters: [flash]}}
  ctl1: {{roles: [glance, cinder]}}
  cmp1: {{roles: [nova-compute]}}
"""


@dataclass(frozen=True)
class World:
    """The site after the change."""

    ceph: Ceph
    flash: Ceph
    openstack: OpenStack
    compute: Libvirt

    @property
    def hosts(self) -> list[Host]:
        """All hosts in the runbook's order."""
        return [self.ceph.host, self.flash.host, self.compute.host, self.openstack.host]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Rig() as rig:
        ceph1, flash1, ctl1, cmp1 = rig.hosts("ceph1", "flash1", "ctl1", "cmp1")
        openstack, compute = OpenStack(ctl1), Libvirt(cmp1)
        with ThreadPoolExecutor() as pool:
            clusters = [
                pool.submit(ceph.start, ceph1, FSID),
                pool.submit(ceph.start, flash1, FLASH_FSID),
            ]
            for start in [pool.submit(each.start) for each in (openstack, compute)]:
                start.result()
            first, second = (cluster.result() for cluster in clusters)
        out = compiled(tmp_path_factory.mktemp("clusters"), SITE)
        for host in rig.members.values():
            host.put(out / "hosts" / host.name, BUNDLE)
        carry_out((out / "RUNBOOK.md").read_text(), rig.members)
        openstack.await_glance()
        for backend in ("rbd", "flash"):
            openstack.await_cinder(backend)
        yield World(first, second, openstack, compute)


def test_every_cluster_has_its_own_pools_and_users(world: World) -> None:
    assert set(world.ceph.run("osd", "pool", "ls").split()) >= {"images", "volumes", "vms"}
    assert "vms" not in world.flash.run("osd", "pool", "ls").split()
    keys = {each.run("auth", "get-key", "client.volumes") for each in (world.ceph, world.flash)}
    assert len(keys) == 2
    assert world.flash.run("auth", "get-key", "client.nova", check=False) == ""


def test_a_volume_of_each_type_lies_in_its_own_cluster(world: World) -> None:
    image = world.openstack.upload(IMAGE)
    for backend, cluster in (("rbd", world.ceph), ("flash", world.flash)):
        world.openstack.create_type(backend, backend)
        volume = world.openstack.create_volume(
            image if backend == "rbd" else None, volume_type=backend
        )
        assert f"volume-{volume}" in cluster.images("volumes")
        if backend == "rbd":
            assert cluster.parent("volumes", f"volume-{volume}") == f"images/{image}@snap"
        # with the key of that cluster, which libvirt holds under a UUID of its own
        world.compute.boot(backend, world.openstack.connect(volume))
        world.compute.write(backend)
        world.compute.destroy(backend)


def test_the_backend_that_was_enabled_before_still_is(world: World) -> None:
    conf = world.openstack.host.read("/etc/cinder/cinder.conf")
    assert "\nenabled_backends = rbd,flash,lvm\n" in conf


def test_every_verify_passes_and_a_second_apply_changes_nothing(world: World) -> None:
    for host in world.hosts:
        apply(host, "--verify")
        assert set(statuses(apply(host)).values()) <= {"ok", "skipped"}


def test_a_hand_off_opens_wherever_it_is_said_to_be(world: World) -> None:
    """Keys that are gone come back from two hand-offs, each named on the command line."""
    host = world.compute.host
    host.run("sh", "-c", "mv /var/lib/cephos/handoff /root; rm /etc/ceph/*.keyring")
    said = apply(host, status=65)
    assert "no hand-off has its key" in said
    said = apply(host, "--handoff", "/root/handoff/cmp1.ceph.tar", status=65)
    assert "carry cmp1.tar, or cmp1.flash.tar, to /var/lib/cephos/handoff/" in said
    both = [f"--handoff=/root/handoff/cmp1.{name}.tar".split("=") for name in ("ceph", "flash")]
    said = apply(host, *(word for each in both for word in each))
    assert "changed" in statuses(said).values()
