"""What older releases need, where newer ones can show it: OpenStack Stein, Ceph Nautilus and an old
virsh are told in commands and options that Zed, Pacific and libvirt 9 still understand.
"""

from __future__ import annotations

import base64
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from compiling import compiled, edited
from real.bundles import BUNDLE, apply, carry, strip_comments
from real.lab import FSID, SITE, undone
from rig import Host, Rig, ceph
from rig.libvirt import Libvirt
from rig.openstack import OpenStack
from rig.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rig.ceph import Ceph

pytestmark = pytest.mark.real

OLD_SITE = edited(
    ("release: zed", "release: stein"),
    ("release: pacific", "release: nautilus\n    caps: classic"),
    (
        "{images: {pg_num: 8, size: 2}, volumes: {}, vms: {}}",
        """{images: {pg_num: 8, size: 2, autoscale: warn},
      volumes: {pg_num: 4, target_size_ratio: 0.5},
      vms: {pg_num: 4, size: 2, crush_rule: replicated_rule}}""",
    ),
    site=SITE,
)
OLD_IMAGE = b"in the file store before the change" * 1000
NEW_IMAGE = bytes(range(256)) * 512
OLD_VIRSH = """#!/bin/sh
# as virsh was before it could read a value from a file: no such option, and none in its help
case " $* " in
  *' secret-set-value '*' --file '*) echo "error: unsupported option --file" >&2; exit 1 ;;
  *' help secret-set-value '*) /usr/bin/virsh "$@" | grep -v -- --file ;;
  *) exec /usr/bin/virsh "$@" ;;
esac
"""


@dataclass(frozen=True)
class World:
    """The hosts of the site; each has its bundle, and nothing has been applied."""

    ceph: Ceph
    openstack: OpenStack
    compute: Host
    old_image: str


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Rig() as rig:
        ceph1, ctl1, cmp1 = rig.hosts("ceph1", "ctl1", "cmp1")
        out = compiled(tmp_path_factory.mktemp("site"), OLD_SITE)
        strip_comments(ctl1, cmp1)
        ctl1.run("systemctl", "start", "--no-block", "glance-api")
        with ThreadPoolExecutor() as pool:
            starting = pool.submit(ceph.start, ceph1, FSID)
            pool.submit(Libvirt(cmp1).start).result()
            cluster = starting.result()
        for host in (ceph1, ctl1, cmp1):
            host.put(out / "hosts" / host.name, BUNDLE)
        openstack = OpenStack(ctl1)
        openstack.await_glance()
        yield World(cluster, openstack, cmp1, openstack.upload(OLD_IMAGE))


def settings(world: World, pool: str) -> dict[str, str]:
    lines = world.ceph.run("osd", "pool", "get", pool, "all").splitlines()
    return dict(line.split(": ") for line in lines)


def test_pools_are_made_step_by_step_with_all_their_settings(world: World) -> None:
    said = apply(world.ceph.host)
    assert "pool images of cluster ceph: is created" in said
    images, volumes, vms = (settings(world, name) for name in ("images", "volumes", "vms"))
    assert (images["size"], images["pg_autoscale_mode"]) == ("2", "warn")
    assert float(volumes["target_size_ratio"]) == 0.5
    assert (vms["size"], vms["crush_rule"]) == ("2", "replicated_rule")
    granted = world.ceph.run("auth", "get", "client.nova")
    assert 'mon = "allow r"' in granted
    assert "allow rwx pool=vms, allow rx pool=images" in granted
    assert "mgr" not in granted
    said = apply(world.ceph.host)
    assert " changed" not in said.replace("0 changed", "")
    assert "left alone" not in said


def test_settings_that_differ_are_said_and_left_alone(world: World) -> None:
    world.ceph.run("osd", "crush", "rule", "create-replicated", "other", "default", "osd")
    differing = (
        ("images", "size", "2", "3"),
        ("images", "pg_autoscale_mode", "warn", "off"),
        ("images", "pg_num", "8", "16"),
        ("volumes", "target_size_ratio", "0.5", "0.25"),
        ("vms", "crush_rule", "replicated_rule", "other"),
    )
    for pool, setting, _, other in differing:
        world.ceph.run("osd", "pool", "set", pool, setting, other)
    until("images is split", lambda: settings(world, "images")["pg_num"] == "16", 60)
    told = re.findall(r"pool \w+: .* left alone", apply(world.ceph.host, "--only", "10"))
    assert sorted(told) == sorted(
        f"pool {pool}: {setting} is {other}, site.yaml says {wanted}; left alone"
        for pool, setting, wanted, other in differing
    )
    for pool, setting, wanted, _ in differing:
        if setting != "pg_num":
            world.ceph.run("osd", "pool", "set", pool, setting, wanted)
    # the autoscaler moves pg_num
    assert "left alone" not in apply(world.ceph.host, "--only", "10")


def test_a_pool_that_a_killed_run_left_half_made_gets_its_settings(world: World) -> None:
    host = world.ceph.host
    world.ceph.run("osd", "pool", "set", "vms", "size", "3")
    host.write("/var/lib/cephos/lab/unfinished-pools/ceph.vms", "")
    assert "changed       10-pools             pool vms of cluster ceph: is created" in apply(host)
    assert settings(world, "vms")["size"] == "2"
    assert host.run("ls", "/var/lib/cephos/lab/unfinished-pools").stdout == ""


def test_glance_stores_in_ceph_in_its_old_form(world: World) -> None:
    host = world.openstack.host
    carry(world.ceph.host, host)
    apply(host)
    world.openstack.await_glance()
    image = world.openstack.upload(NEW_IMAGE)
    assert image in world.ceph.images("images")
    assert world.openstack.download(image) == NEW_IMAGE
    assert world.openstack.download(world.old_image) == OLD_IMAGE
    assert "stores" not in world.openstack.show_image(image)  # no multi-store
    apply(host, "--verify")


def test_multi_store_glance_is_not_set_up_in_the_old_form(world: World) -> None:
    host = world.openstack.host
    before = host.read("/etc/glance/glance-api.conf")
    host.write("/etc/glance/glance-api.conf", f"[DEFAULT]\nenabled_backends = a:rbd\n{before}")
    assert "it sets enabled_backends" in apply(host, "--check", status=1)
    host.write("/etc/glance/glance-api.conf", before)


def test_an_old_virsh_gets_the_key_by_its_standard_input(world: World) -> None:
    host = world.compute
    carry(world.ceph.host, host)
    host.write("/usr/sbin/virsh", OLD_VIRSH, 0o755)
    try:
        assert "libvirt secret" in apply(host)
        apply(host, "--verify")
    finally:
        host.run("rm", "/usr/sbin/virsh")
    key = world.ceph.run("auth", "get-key", "client.nova")
    uuids = [line.split()[0] for line in host.run("virsh", "-q", "secret-list").stdout.splitlines()]
    values = {host.run("virsh", "-q", "secret-get-value", uuid).stdout.strip() for uuid in uuids}
    assert key in values
    assert not host.run("grep", "-rlF", key, "/root", "/var/log", "/var/cache", check=False).stdout


def test_a_libvirt_that_does_not_answer_is_named_as_this_host_has_it(world: World) -> None:
    host = world.compute
    undone(host)
    sockets = ("libvirtd.service", "libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket")
    host.run("systemctl", "stop", *sockets)
    try:
        assert "-> start it: systemctl enable --now libvirtd.service" in apply(host, status=69)
        unit = "[Socket]\nListenStream=/run/virtqemud-none\n[Install]\nWantedBy=sockets.target\n"
        host.write("/etc/systemd/system/virtqemud.socket", unit)
        host.run("systemctl", "enable", "virtqemud.socket")
        wanted = "-> start it: systemctl enable --now virtqemud.socket virtsecretd.socket"
        assert wanted in apply(host, status=69)
    finally:
        host.run("systemctl", "disable", "virtqemud.socket")
        host.run("rm", "/etc/systemd/system/virtqemud.socket")
        host.run("systemctl", "start", "libvirtd.socket", "libvirtd.service")


def test_a_key_that_this_hosts_ceph_cannot_read_is_refused(world: World) -> None:
    host = world.compute
    file = "/etc/ceph/ceph.client.nova.keyring"
    # type 2, no time of creation, 32 bytes: as CryptoKey::encode writes them
    key = base64.b64encode(b"\2\0" + bytes(8) + b"\40\0" + bytes(range(32))).decode()
    host.run("rm", "-f", f"/var/lib/cephos/handoff/{host.name}.tar")
    for client in ("nova", "cinder"):
        host.write(file.replace("nova", client), f"[client.{client}]\n\tkey = {key}\n", 0o600)
    refused = host.run("ceph", "--id", "nova", "--keyring", file, "fsid", check=False)
    assert refused.returncode
    said = apply(host, status=69)
    assert "cannot read the key of client.nova: it is of the type aes256k" in said
