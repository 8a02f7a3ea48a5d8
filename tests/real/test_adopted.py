"""A site that exists: pools, one user for all, keyrings and a secret as another tool left them.

TripleO's form: client `openstack` for every service, its key readable by everybody, libvirt's
secret under the fsid with a usage name of that tool's own. All of it goes on in use, and guests
notice nothing. The controller runs two services that read one keyring. The tests build on each
other in file order.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from compiling import compiled
from real.bundles import BUNDLE, actions, apply, carry_out, statuses, strip_comments
from rig import Host, Rig, ceph
from rig.libvirt import Libvirt
from rig.openstack import Connection, OpenStack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rig.ceph import Ceph

pytestmark = pytest.mark.real

FSID = "3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10"
USER = "client.openstack"
KEYRING = f"/etc/ceph/ceph.{USER}.keyring"
NAMED = "\n[client]\nkeyring = /etc/ceph/my.$name.keyring\n"
"""What [client.NAME] of the bundle outranks."""
POOLS = ("images", "volumes.hdd_1", "vms", "backups")
SITE = f"""
version: 1
site: lab
openstack: {{release: zed, platform: debian}}
clusters:
  ceph:
    release: pacific
    fsid: {FSID}
    mon_host: [192.168.8.11]
    pools: {{images: {{}}, volumes.hdd_1: {{}}, vms: {{}}, backups: {{}}}}
    clients:
      openstack: {{secret_uuid: {FSID}}}
services:
  glance: {{pool: images, client: openstack}}
  cinder:
    backends: {{tripleo_ceph: {{pool: volumes.hdd_1, client: openstack}}}}
    backup: {{pool: backups, client: openstack}}
  nova: {{pool: vms, client: openstack}}
hosts:
  ceph1: {{roles: [ceph-admin]}}
  ctl1: {{roles: [glance, cinder, cinder-backup]}}
  cmp1: {{roles: [nova-compute]}}
"""
SECRET = f"""<secret ephemeral='no' private='no'>
  <uuid>{FSID}</uuid>
  <usage type='ceph'><name>{USER} secret</name></usage>
</secret>"""
IMAGE = bytes(range(256)) * 8192


@dataclass(frozen=True)
class World:
    """The site after the change, its guest, and the pools and the key from before it."""

    ceph: Ceph
    openstack: OpenStack
    compute: Libvirt
    pools: str
    key: str


def pools(cluster: Ceph) -> str:
    """Return name, id and settings of each pool, but not who stores in it."""
    found = json.loads(cluster.run("osd", "pool", "ls", "detail", "--format", "json"))
    told = ("pool_name", "pool_id", "pg_num", "size", "crush_rule", "pg_autoscale_mode")
    return json.dumps([[pool[each] for each in told] for pool in found])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Rig() as rig:
        ceph1, ctl1, cmp1 = rig.hosts("ceph1", "ctl1", "cmp1")
        openstack, compute = OpenStack(ctl1), Libvirt(cmp1)
        strip_comments(ctl1, cmp1)
        ctl1.run("systemctl", "start", "--no-block", "cinder-backup")
        with ThreadPoolExecutor() as pool:
            starting = pool.submit(ceph.start, ceph1, FSID)
            for start in [pool.submit(each.start) for each in (openstack, compute)]:
                start.result()
            cluster = starting.result()
        for name in POOLS:
            cluster.run("osd", "pool", "create", name, "16")
            ceph1.run("rbd", "pool", "init", name)
        all_pools = ", ".join(f"profile rbd pool={name}" for name in POOLS)
        caps = ("mgr", "allow *", "mon", "profile rbd", "osd", all_pools)
        keyring = cluster.run("auth", "get-or-create", USER, *caps)
        key = cluster.run("auth", "get-key", USER)
        for host in (ctl1, cmp1):
            host.write("/etc/ceph/ceph.conf", ceph1.read("/etc/ceph/ceph.conf") + NAMED)
            host.write(KEYRING, keyring)
        cmp1.write("/root/secret.xml", SECRET)
        cmp1.run("virsh", "-q", "secret-define", "/root/secret.xml")
        cmp1.run("virsh", "-q", "secret-set-value", FSID, "--file", "/dev/stdin", input=key)
        ceph1.run("rbd", "create", "--size", "16M", "vms/guest_disk")
        before = pools(cluster)
        compute.boot("guest", Connection("openstack", FSID, "vms/guest_disk", (("ceph1", 6789),)))

        out = compiled(tmp_path_factory.mktemp("adopted"), SITE)
        for host in rig.members.values():
            host.put(out / "hosts" / host.name, BUNDLE)
        carry_out((out / "RUNBOOK.md").read_text(), rig.members)
        openstack.await_glance()
        openstack.await_cinder("tripleo_ceph", "cinder-backup")
        yield World(cluster, openstack, compute, before, key)


def test_pools_key_and_secret_are_those_that_were_there(world: World) -> None:
    assert pools(world.ceph) == world.pools
    assert world.ceph.run("auth", "get-key", USER) == world.key
    host = world.compute.host
    assert host.run("virsh", "-q", "secret-list").stdout.split() == [FSID, "ceph", USER, "secret"]
    assert host.run("virsh", "-q", "secret-get-value", FSID).stdout.strip() == world.key


def test_the_guest_that_ran_before_still_writes(world: World) -> None:
    assert world.compute.state("guest") == "running"
    world.compute.write("guest")


def test_services_store_and_a_guest_starts_from_a_volume(world: World) -> None:
    image = world.openstack.upload(IMAGE)
    assert image in world.ceph.images("images")
    volume = world.openstack.create_volume(image)
    assert world.ceph.parent("volumes.hdd_1", f"volume-{volume}") == f"images/{image}@snap"
    connection = world.openstack.connect(volume)
    assert (connection.user, connection.secret) == ("openstack", FSID)
    world.compute.boot("from-volume", connection)
    world.compute.write("from-volume")
    world.compute.destroy("from-volume")


def test_both_services_read_the_one_keyring_and_nobody_else_does(world: World) -> None:
    controller = world.openstack.host
    readers = [
        user
        for user in ("glance", "cinder", "nova", "nobody")
        if controller.run("cat", KEYRING, user=user, check=False).returncode == 0
    ]
    assert readers == ["glance", "cinder"]
    assert controller.run("stat", "-c", "%U:%G %a", KEYRING).stdout == "glance:glance 640\n"
    # there nobody but Nova reads it
    compute = world.compute.host
    assert compute.run("stat", "-c", "%U:%G %a", KEYRING).stdout == "nova:nova 640\n"
    assert "user:" not in compute.run("getfacl", "-cp", KEYRING).stdout.replace("user::", "")


def test_a_second_apply_changes_nothing(world: World) -> None:
    for host in (world.ceph.host, world.compute.host, world.openstack.host):
        assert ", 0 changed" in apply(host)
        apply(host, "--verify")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (("setfacl", "-x", "u:cinder", KEYRING), "its ACL let in nobody"),
        (("setfacl", "-m", "g:users:r", KEYRING), "its ACL let in user:cinder:r-- group:users:r--"),
        (("chmod", "0600", KEYRING), "was glance:glance 0600"),
        (("rm", KEYRING), "is installed"),
    ],
    ids=["a reader is missing", "one too many", "the mask", "the file"],
)
def test_who_reads_the_keyring_is_noticed_and_mended(
    world: World, harm: tuple[str, ...], said: str
) -> None:
    host = world.openstack.host
    asked = ("rbd", "--id", "openstack", "ls", "--pool", "images")
    host.run(*harm)
    assert said in apply(host, "--verify", status=1)
    assert "changed" in statuses(apply(host)).values()
    assert host.run(*asked, user="cinder", check=False).returncode == 0
    assert ", 0 changed" in apply(host)


def test_another_key_in_the_keyring_is_never_lost(world: World) -> None:
    host = world.openstack.host
    other = "[client.backup]\n\tkey = AQDn9wJr5n7QGxAASwi39T0LPRm/EtfPuPsMgQ==\n"
    host.write("/etc/ceph/backup", other)
    host.run("sh", "-c", f"cat /etc/ceph/backup >>{KEYRING}; chmod 0600 {KEYRING}")
    said = apply(host)
    assert "was glance:glance 0600" in said
    assert "keys of this site stand" not in said
    assert other in host.read(KEYRING)
    host.run("sed", "-i", "2s/= A/= B/", KEYRING)
    said = apply(host, status=1)
    assert (
        "its key is to be replaced, and it holds others that would be lost: client.backup" in said
    )
    host.run("rm", KEYRING, "/etc/ceph/backup")
    apply(host)


def test_a_new_key_reaches_the_secret_that_was_there(world: World) -> None:
    """It is the client's by now, whatever it is named and holds."""
    host = world.compute.host
    other = "QVFCb3RoZXIga2V5IGluIHRoZSBvbGQgc2VjcmV0"
    host.run("virsh", "-q", "secret-set-value", FSID, "--file", "/dev/stdin", input=other)
    assert "its value is replaced (content hidden)" in apply(host)
    assert host.run("virsh", "-q", "secret-get-value", FSID).stdout.strip() == world.key
    host.run("rm", "-r", "/var/lib/cephos/lab/adopted")
    host.run("virsh", "-q", "secret-set-value", FSID, "--file", "/dev/stdin", input=other)
    said = apply(host, status=1)
    assert f"libvirt already uses this UUID for 'ceph {USER} secret'" in said


DROP_IN = "/etc/systemd/system/{}.service.d/stub.conf"
STUB = """[Unit]
StartLimitIntervalSec=0
[Service]
Type=simple
Restart=no
ExecStart=
ExecStart={}
"""


def stub(host: Host, program: str, *units: str) -> None:
    """Let these units run something else: what they do is proven by now."""
    for unit in units:
        host.write(DROP_IN.format(unit), STUB.format(program))
    host.run("systemctl", "daemon-reload")


def test_a_restart_that_only_leaves_to_other_steps_is_named(world: World) -> None:
    """One keyring is read by the services of three steps."""
    host = world.openstack.host
    units = ("glance-api", "cinder-volume", "cinder-backup")
    stub(host, "/bin/sleep infinity", *units)
    host.run("rm", KEYRING)
    said = apply(host, "--only", "50")
    assert len(actions("changed", said)) == 2
    assert (
        "files that these read have changed: cinder-backup.service, cinder-volume.service\n" in said
    )
    assert "-> their own steps do that: ./apply\n" in said
    said = apply(host)
    assert len(actions("changed", said)) == 2
    assert "owed" not in said


def test_rollback_restarts_the_others_when_one_service_does_not_start(world: World) -> None:
    host = world.openstack.host
    others = {"cinder-volume", "cinder-backup"}
    stub(host, "/bin/sleep infinity", *others)
    stub(host, "/bin/false", "glance-api")
    said = apply(host, "--rollback", status=1)
    assert "restart glance-api.service: it does not stay up (failed)" in said
    assert said.count("it does not stay up") == 1
    restarted = {x.rpartition(" restart ")[2] for x in actions("changed", said) if " restart " in x}
    assert restarted == {f"{unit}.service" for unit in others}
    assert "files that these read have changed: glance-api.service\n" in said
    stub(host, "/bin/sleep infinity", "glance-api")
    said = apply(host, "--rollback")
    assert actions("changed", said) == ["50-glance            restart glance-api.service"]
    assert "owed" not in said
