"""Erasure-coded data pools: indexes of images in replicated pools, their data in coded ones.

Two out of three OSDs of one host hold everything; the tests build on each other in file order.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from compiling import compiled, edited
from real.bundles import BUNDLE, apply, carry, run_bundle, statuses
from rig import Rig, ceph
from rig.openstack import OpenStack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rig.ceph import Ceph

pytestmark = pytest.mark.real

FSID = "3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10"
SITE = f"""
version: 1
site: lab
openstack: {{release: zed, platform: debian}}
clusters:
  ceph:
    release: pacific
    fsid: {FSID}
    mon_host: [192.168.8.11]
    pools:
      images: {{data_pool: cold}}
      cold: {{erasure: {{profile: there-is}}, pg_num: 8}}
      volumes: {{data_pool: volumes-data}}
      volumes-data: {{erasure: {{k: 2, m: 1, failure_domain: osd}}, pg_num: 8}}
services:
  glance: {{pool: images, client: images}}
  cinder: {{backends: {{rbd: {{pool: volumes, client: volumes}}}}}}
hosts:
  ceph1: {{roles: [ceph-admin]}}
  ctl1: {{roles: [glance, cinder]}}
"""
IMAGE = bytes(range(256)) * 8192


@dataclass(frozen=True)
class World:
    """The site after the change, and the way to another description of it."""

    ceph: Ceph
    openstack: OpenStack
    folder: Path

    def rebundle(self, site: str) -> None:
        """Give the `ceph-admin` host the bundle of another description."""
        out = compiled(self.folder, site)
        self.ceph.host.run("rm", "-rf", BUNDLE)
        self.ceph.host.put(out / "hosts/ceph1", BUNDLE)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Rig() as rig:
        ceph1, ctl1 = rig.hosts("ceph1", "ctl1")
        openstack = OpenStack(ctl1)
        with ThreadPoolExecutor() as pool:
            starting = pool.submit(ceph.start, ceph1, FSID, osds=3)
            openstack.start()
            cluster = starting.result()
        folder = tmp_path_factory.mktemp("erasure")
        world = World(cluster, openstack, folder)
        world.rebundle(SITE)
        ctl1.put(folder / "out/hosts/ctl1", BUNDLE)
        said = apply(ceph1, status=1)
        assert "the cluster has no erasure code profile there-is" in said
        profile = ("k=2", "m=1", "crush-failure-domain=osd")
        cluster.run("osd", "erasure-code-profile", "set", "there-is", *profile)
        for host in (ceph1, ctl1):
            if host is ctl1:
                carry(ceph1, ctl1)
            apply(host)
            apply(host, "--verify")
        openstack.await_glance()
        openstack.await_cinder("rbd")
        yield world


def data_pool(cluster: Ceph, image: str) -> str:
    """Return the pool that an image keeps its data in."""
    info = cluster.host.run("rbd", "info", "--format", "json", image).stdout
    return str(json.loads(info)["data_pool"])


def test_pools_are_made_as_described(world: World) -> None:
    assert "k=2\n" in world.ceph.run("osd", "erasure-code-profile", "get", "volumes-data")
    pools = {pool["pool_name"]: pool for pool in world.ceph.json("osd", "pool", "ls", "detail")}
    profiles = {name: pool["erasure_code_profile"] for name, pool in pools.items()}
    assert (profiles["cold"], profiles["volumes-data"]) == ("there-is", "volumes-data")
    for name in ("cold", "volumes-data"):
        assert "ec_overwrites" in pools[name]["flags_names"]
        assert list(pools[name]["application_metadata"]) == ["rbd"]
    assert "POOL_APP_NOT_ENABLED" not in world.ceph.health()


def test_services_keep_data_in_the_coded_pools(world: World) -> None:
    image = world.openstack.upload(IMAGE)
    assert data_pool(world.ceph, f"images/{image}") == "cold"
    assert world.openstack.download(image) == IMAGE
    volume = world.openstack.create_volume(image)
    name = f"volumes/volume-{volume}"
    assert data_pool(world.ceph, name) == "volumes-data"
    assert world.ceph.parent("volumes", f"volume-{volume}") == f"images/{image}@snap"
    # as the service does: over data of the parent, which lies in another coded pool
    write = ("rbd", "--id", "volumes", "bench", "--io-type", "write", "--io-size", "4K")
    limits = ("--io-total", "64K", "--io-pattern", "seq", name)
    world.openstack.host.run(*write, *limits, user="cinder")


def test_a_second_apply_changes_nothing(world: World) -> None:
    for host in (world.ceph.host, world.openstack.host):
        assert ", 0 changed" in apply(host)


def test_a_pool_that_a_killed_run_left_is_finished(world: World) -> None:
    more = "more: {erasure: {profile: there-is}}\n      volumes-data: {"
    site = edited(("volumes-data: {", more), site=SITE)
    create = ("osd", "pool", "create", "more", "8", "8", "erasure", "there-is")
    world.ceph.run(*create)
    world.rebundle(site)
    said = apply(world.ceph.host)
    assert statuses(said)["10-pools data pool more of cluster ceph"] == "changed"
    overwrites = world.ceph.run("osd", "pool", "get", "more", "allow_ec_overwrites")
    assert overwrites == "allow_ec_overwrites: true\n"
    assert ", 0 changed" in apply(world.ceph.host)


@pytest.mark.parametrize(
    ("edit", "said", "status"),
    [
        (("k: 2, m: 1", "k: 3, m: 1"), "it is there already, without k=3", 1),
        (("cold: {erasure: {profile: there-is}", "cold: {erasure: {profile: none}"), "there-is", 0),
        (("data_pool: cold", "data_pool: rbd"), "it is there already, replicated", 1),
    ],
)
def test_what_exists_is_compared_and_never_changed(
    world: World, edit: tuple[str, str], said: str, status: int
) -> None:
    site = edited(edit, site=SITE)
    if "rbd" in edit[1]:
        site = edited(("cold: {", "rbd: {"), site=site)
        world.ceph.run("osd", "pool", "create", "rbd", "8")
    world.rebundle(site)
    assert said in run_bundle(world.ceph.host, "--check", status=status or None)
