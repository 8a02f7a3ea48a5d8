"""One site with everything, on real hosts: two clusters with administrators of their own.

A store of Glance and a backend of Cinder in each, erasure-coded pools, and backups of one cluster's
volumes in the other. The second cluster calls itself `ceph` on its own host, as every cluster does
today; only the site knows it by another name. Two out of three OSDs of the first hold all data of
coded pools. The tests build on each other in file order.
"""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from compiling import compiled, edited
from real.bundles import (
    BUNDLE,
    GLANCE_CLIENT,
    apply,
    carry_out,
    run_bundle,
    statuses,
    strip_comments,
)
from rig import Host, Rig, RigError, ceph
from rig.libvirt import Libvirt
from rig.openstack import CINDER, OpenStack, nova_disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rig.ceph import Ceph

pytestmark = pytest.mark.real

FSID = "3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10"
FLASH_FSID = "0d9c8b7a-6f5e-4d3c-8b2a-190807f6e5d4"
TOOL = f"{BUNDLE}/tools/glance-images-to-rbd"
IMAGE = bytes(range(256)) * 8192
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
      vms: {{}}
  flash:
    release: pacific
    fsid: {FLASH_FSID}
    mon_host: [192.168.8.12]
    pools: {{images: {{}}, volumes: {{}}, backups: {{}}}}
services:
  glance:
    stores:
      main: {{cluster: ceph, pool: images, client: images}}
      flash: {{cluster: flash, pool: images, client: images}}
    default: main
    all_locations: true
  cinder:
    backends:
      rbd: {{cluster: ceph, pool: volumes, client: volumes, volume_type: capacity}}
      flash: {{cluster: flash, pool: volumes, client: fast, volume_type: fast}}
    backup: {{cluster: flash, pool: backups, client: backups}}
  nova: {{cluster: ceph, pool: vms, client: nova}}
hosts:
  ceph1: {{roles: [ceph-admin], clusters: [ceph]}}
  flash1: {{roles: [ceph-admin], clusters: [flash]}}
  ctl1: {{roles: [glance, cinder, cinder-backup]}}
  cmp1: {{roles: [nova-compute]}}
"""
CINDER_CLIENT = {
    "OS_AUTH_TYPE": "admin_token",
    "OS_ENDPOINT": CINDER,
    "OS_TOKEN": "rig:fa1e",
    "OS_VOLUME_API_VERSION": "3",
}


@dataclass(frozen=True)
class World:
    """The site after the change, and the way to another description of it."""

    out: Path
    ceph: Ceph
    flash: Ceph
    openstack: OpenStack
    compute: Libvirt

    @property
    def hosts(self) -> list[Host]:
        """All hosts in the runbook's order."""
        return [self.ceph.host, self.flash.host, self.compute.host, self.openstack.host]

    def rebundle(self, site: str) -> None:
        """Give the first cluster's host the bundle of another description."""
        out = compiled(self.out.parent, site)
        self.ceph.host.run("rm", "-rf", BUNDLE)
        self.ceph.host.put(out / "hosts/ceph1", BUNDLE)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Rig() as rig:
        ceph1, flash1, ctl1, cmp1 = rig.hosts("ceph1", "flash1", "ctl1", "cmp1")
        openstack, compute = OpenStack(ctl1), Libvirt(cmp1)
        strip_comments(ctl1, cmp1)
        openstack.start_backup()
        openstack.begin()
        with ThreadPoolExecutor() as pool:
            clusters = [
                pool.submit(ceph.start, ceph1, FSID, osds=3),
                pool.submit(ceph.start, flash1, FLASH_FSID),
            ]
            compute.start()
            first, second = (cluster.result() for cluster in clusters)
        out = compiled(tmp_path_factory.mktemp("clusters"), SITE)
        for host in rig.members.values():
            host.put(out / "hosts" / host.name, BUNDLE)
        said = apply(ceph1, status=1)
        assert "the cluster has no erasure code profile there-is" in said
        profile = ("k=2", "m=1", "crush-failure-domain=osd")
        first.run("osd", "erasure-code-profile", "set", "there-is", *profile)
        carry_out((out / "RUNBOOK.md").read_text(), rig.members)
        openstack.await_glance()
        openstack.await_cinder("rbd", "cinder-volume@flash", "cinder-backup")
        yield World(out, first, second, openstack, compute)


def data_pool(cluster: Ceph, image: str) -> str | None:
    """Return the pool that an image keeps its data in, if that is another than its own."""
    info = cluster.host.run("rbd", "info", "--format", "json", image).stdout
    found: str | None = json.loads(info).get("data_pool")
    return found


def test_every_cluster_has_its_own_pools_and_users(world: World) -> None:
    assert set(world.ceph.run("osd", "pool", "ls").split()) >= {"images", "volumes", "vms"}
    assert not {"vms", "cold"}.intersection(world.flash.run("osd", "pool", "ls").split())
    keys = {each.run("auth", "get-key", "client.images") for each in (world.ceph, world.flash)}
    assert len(keys) == 2
    for cluster, stranger in ((world.flash, "client.nova"), (world.ceph, "client.backups")):
        assert cluster.run("auth", "get-key", stranger, check=False) == ""


def test_coded_pools_are_made_as_described(world: World) -> None:
    assert "k=2\n" in world.ceph.run("osd", "erasure-code-profile", "get", "volumes-data")
    pools = {pool["pool_name"]: pool for pool in world.ceph.json("osd", "pool", "ls", "detail")}
    profiles = {name: pool["erasure_code_profile"] for name, pool in pools.items()}
    assert (profiles["cold"], profiles["volumes-data"]) == ("there-is", "volumes-data")
    for name in ("cold", "volumes-data"):
        assert "ec_overwrites" in pools[name]["flags_names"]
        assert list(pools[name]["application_metadata"]) == ["rbd"]
    assert "POOL_APP_NOT_ENABLED" not in world.ceph.health()


def test_the_volume_types_of_the_runbook_lead_to_the_backends(world: World) -> None:
    """Its commands may be run again: a type that is there already is only set right."""
    runbook = (world.out / "RUNBOOK.md").read_text()
    commands = re.findall(r"(?m)^  \$ (openstack volume type .*)$", runbook)
    for given, backends in ((commands, ["rbd", "flash"]), (commands[:3], ["rbd"])):
        done = world.openstack.host.run("bash", "-ec", "\n".join(given), env=CINDER_CLIENT)
        assert re.findall("volume_backend_name='(.+)'", done.stdout) == backends


@pytest.fixture(scope="module")
def image(world: World) -> str:
    return world.openstack.upload(IMAGE)


@pytest.fixture(scope="module")
def volume(world: World, image: str) -> str:
    return world.openstack.create_volume(image, volume_type="capacity")


def test_services_keep_data_in_the_coded_pools(world: World, image: str, volume: str) -> None:
    assert data_pool(world.ceph, f"images/{image}") == "cold"
    assert world.openstack.download(image) == IMAGE
    assert data_pool(world.ceph, f"volumes/volume-{volume}") == "volumes-data"
    # its parent's data lies in another coded pool
    assert world.ceph.parent("volumes", f"volume-{volume}") == f"images/{image}@snap"


def test_each_cluster_clones_its_own_copy_of_an_image(world: World, image: str) -> None:
    openstack, ctl1 = world.openstack, world.openstack.host
    other = openstack.upload(IMAGE, store="flash")
    assert world.flash.images("images") == [other]
    assert other not in world.ceph.images("images")
    # as the runbook says, and as Nova asks Glance for what lies in the other cluster alone
    for arguments in (("--store", "flash", "--copy", image), ("--copy", other)):
        copied = ctl1.run(TOOL, *arguments, env=GLANCE_CLIENT).stdout
        assert copied.startswith(f"copied     {arguments[-1]}")
    for each in (image, other):
        for volume_type, cluster in (("capacity", world.ceph), ("fast", world.flash)):
            volume = openstack.create_volume(each, volume_type=volume_type)
            assert cluster.parent("volumes", f"volume-{volume}") == f"images/{each}@snap"
    conf = world.compute.host.read("/etc/nova/nova.conf")
    assert "\nimages_rbd_glance_store_name = main\n" in conf
    disk = nova_disk(world.compute.host, f"images/{other}")
    assert disk.parent == f"images/{other}@snap"


def test_a_guest_writes_to_a_volume_of_each_cluster(world: World, volume: str) -> None:
    other = world.openstack.create_volume(volume_type="fast")
    for cluster, its in ((world.ceph, volume), (world.flash, other)):
        assert f"volume-{its}" in cluster.images("volumes")
        # with the key of that cluster, which libvirt holds under a UUID of its own
        world.compute.boot("guest", world.openstack.connect(its))
        world.compute.write("guest")
        world.compute.destroy("guest")
    # QEMU reads ceph.conf alone, whatever the cluster
    logs = world.compute.host.run("ls", "/var/log/ceph-guests").stdout
    assert set(re.findall("client.([a-z]+)", logs)) >= {"volumes", "fast"}


def test_the_backend_that_was_enabled_before_still_is(world: World) -> None:
    conf = world.openstack.host.read("/etc/cinder/cinder.conf")
    assert "\nenabled_backends = rbd,flash,lvm\n" in conf


def test_backups_of_a_volume_lie_in_the_other_cluster_and_can_be_restored(world: World) -> None:
    """By cinder-backup itself, whose keys are those that its bundle gives it."""
    openstack = world.openstack
    volume = openstack.create_volume(openstack.upload(IMAGE), volume_type="capacity")
    full = openstack.create_backup(volume)
    write = ("bench", "--io-type", "write", "--io-size", "4K", "--io-total", "64K")
    source = f"volumes/volume-{volume}"
    openstack.host.run("rbd", "--id", "volumes", *write, source, user="cinder")
    rest = openstack.create_backup(volume, incremental=True)

    base = f"volume-{volume}.backup.{full}"
    assert world.flash.images("backups") == [base]
    listed = world.flash.host.run("rbd", "snap", "ls", "--format", "json", f"backups/{base}")
    snapshots = [snapshot["name"].partition(".snap.")[0] for snapshot in json.loads(listed.stdout)]
    assert snapshots == [f"backup.{full}", f"backup.{rest}"]

    before, now = (
        openstack.create_volume(volume_type=volume_type) for volume_type in ("fast", "capacity")
    )
    openstack.restore_backup(full, before)
    openstack.restore_backup(rest, now)
    export = f"rbd export --no-progress volumes/volume-{before} - | head -c {len(IMAGE)}"
    assert world.flash.host.run_bytes("sh", "-c", export).stdout == IMAGE
    both = (f"<(rbd export --no-progress {it} -)" for it in (source, f"volumes/volume-{now}"))
    world.ceph.host.run("bash", "-c", f"cmp {' '.join(both)}")
    exported = world.ceph.host.run_bytes("sh", "-c", export.replace(before, now)).stdout
    assert exported != IMAGE


def test_the_user_of_backups_may_touch_backups_and_nothing_else(world: World) -> None:
    (granted,) = world.flash.json("auth", "get", "client.backups")
    on_pool = "profile rbd pool=backups"
    assert granted["caps"] == {"mon": "profile rbd", "osd": on_pool, "mgr": on_pool}
    rbd = ("rbd", "--cluster", "flash", "--id", "backups")
    for does, may in (
        (("ls", "backups"), True),
        (("ls", "volumes"), False),
        (("create", "--size", "1M", "volumes/stray"), False),
    ):
        done = world.openstack.host.run(*rbd, *does, user="cinder", check=False)
        assert (done.returncode == 0) == may
        assert may or "Operation not permitted" in done.stderr


def test_a_missing_right_to_backups_is_noticed_and_mended(world: World) -> None:
    """The test of backups can fail: with less than what the compiler derives there are none."""
    volume = world.openstack.create_volume(volume_type="fast")
    world.flash.run("auth", "caps", "client.backups", "mon", "profile rbd")
    with pytest.raises(RigError, match="became 'error'"):
        world.openstack.create_backup(volume)
    said = apply(world.openstack.host, "--verify", status=69)
    assert "user cinder reaches pool backups as client.backups: rbd: listing images failed" in said
    apply(world.flash.host, "--verify", status=1)
    apply(world.flash.host, "--only", "20")
    world.openstack.create_backup(volume)


def test_a_second_apply_changes_nothing(world: World) -> None:
    for host in world.hosts:
        said = apply(host)
        assert set(statuses(said).values()) <= {"ok", "skipped"}
        assert "site.yaml says" not in said


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


# --- pools that are there already


def test_a_pool_that_a_killed_run_left_is_finished(world: World) -> None:
    more = "more: {erasure: {profile: there-is}}\n      volumes-data: {"
    world.ceph.run("osd", "pool", "create", "more", "8", "8", "erasure", "there-is")
    world.rebundle(edited(("volumes-data: {", more), site=SITE))
    said = apply(world.ceph.host, "--only", "10")
    assert statuses(said)["10-pools data pool more of cluster ceph"] == "changed"
    overwrites = world.ceph.run("osd", "pool", "get", "more", "allow_ec_overwrites")
    assert overwrites == "allow_ec_overwrites: true\n"
    assert ", 0 changed" in apply(world.ceph.host, "--only", "10")


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
    assert said in run_bundle(world.ceph.host, "--check", "--only", "10", status=status or None)
