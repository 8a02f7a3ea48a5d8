"""What a bundle promises of a production host, on hosts that are not as it expects.

A refusal comes before the first change, with its own exit status, and says what to do.
"""

from __future__ import annotations

import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from compiling import compiled
from real.bundles import HANDOFFS, apply, carry
from rig import Host, Rig, ceph
from rig.libvirt import Libvirt
from rig.openstack import OpenStack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rig.ceph import Ceph

pytestmark = pytest.mark.real

FSID = "3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10"
BUNDLE = "/root/cephos"
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
      nova: {{secret_uuid: 0d5f6a52-79c5-4b5e-9d44-2f8f0e3b6a11}}
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
    out: Path
    ceph: Ceph
    controller: Host
    compute: Host


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Keys are made and carried; neither the controller nor the compute has been applied yet."""
    with Rig() as rig:
        ceph1, ctl1, cmp1 = rig.hosts("ceph1", "ctl1", "cmp1")
        out = compiled(tmp_path_factory.mktemp("careful"), SITE)
        ctl1.run("systemctl", "start", "--no-block", "glance-api")
        with ThreadPoolExecutor() as pool:
            cluster = pool.submit(ceph.start, ceph1, FSID)
            pool.submit(Libvirt(cmp1).start).result()
            cluster.result()
        # a pool that somebody made before, with other settings
        cluster.result().run("osd", "pool", "create", "images", "16")
        for host in (ceph1, ctl1, cmp1):
            host.put(out / "hosts" / host.name, BUNDLE)
        apply(ceph1)
        for host in (ctl1, cmp1):
            carry(ceph1, host)
        OpenStack(ctl1).await_glance()
        yield World(out, cluster.result(), ctl1, cmp1)


def traces(host: Host) -> str:
    """Return all that a run could have changed: files with content and attributes, secrets."""
    files = host.run(
        "find", "/etc", "/var/lib/cephos", "/run/ceph-guests", "-type", "f",
        "-printf", "%p %m %u:%g %i %T@\n", check=False,
    )  # fmt: skip
    secrets = host.run("sh", "-c", "virsh -q secret-list 2>/dev/null || true")
    return files.stdout + secrets.stdout


def refused(host: Host, status: int, message: str, *arguments: str) -> None:
    """The bundle refuses, in apply and in --check, with this message, and changes nothing."""
    before = traces(host)
    for mode in ((), ("--check",)):
        said = apply(host, *mode, *arguments, status=status)
        assert message in said, said
        assert "->" in said
    assert traces(host) == before


@dataclass(frozen=True)
class Strange:
    """Something done to the compute, how it is undone, and what the bundle says of it."""

    do: str
    undo: str
    status: int
    message: str


KEEP = f"cp -a {BUNDLE} /root/kept"
RESTORE = f"rm -rf {BUNDLE}; mv /root/kept {BUNDLE}"
STRANGE = {
    "a byte changed": Strange(
        f"{KEEP}; sed -i s/rbd/rbx/ {BUNDLE}/files/nova.conf", RESTORE,
        65, "the bundle is damaged: files/nova.conf: FAILED",
    ),
    "a file missing": Strange(
        f"{KEEP}; rm {BUNDLE}/steps/70-nova.sh", RESTORE, 65, "the bundle is damaged: sha256sum:"
    ),
    "a file added": Strange(
        f"{KEEP}; touch {BUNDLE}/steps/99-more.sh", RESTORE,
        65, "a file that it was not compiled with: steps/99-more.sh",
    ),
    "another host": Strange(
        "hostname other", "hostname cmp1", 65, "this bundle is for host cmp1, but this host calls"
    ),
    "no hand-off": Strange(
        f"mv {HANDOFFS} /root/handoffs", f"mv /root/handoffs {HANDOFFS}",
        65, "no hand-off has its key, and it is not here yet",
    ),
    "a hand-off cut short": Strange(
        f"cp -a {HANDOFFS}/cmp1.tar /root; truncate -s 700 {HANDOFFS}/cmp1.tar",
        f"mv /root/cmp1.tar {HANDOFFS}", 65, "is refused: ",
    ),
    "a byte of the hand-off changed": Strange(
        f"cp -a {HANDOFFS}/cmp1.tar /root; sed -i 's/key = A/key = B/' {HANDOFFS}/cmp1.tar",
        f"mv /root/cmp1.tar {HANDOFFS}", 65, "a checksum in it does not match",
    ),
    "a command missing": Strange(
        "mv /usr/bin/rbd /root", "mv /root/rbd /usr/bin", 69, "the command 'rbd' is missing"
    ),
    "a user missing": Strange(
        "sed -i s/^nova:/avon:/ /etc/passwd", "sed -i s/^avon:/nova:/ /etc/passwd",
        69, "there is no user 'nova' on this host",
    ),
    "a unit missing": Strange(
        "mv /lib/systemd/system/nova-compute.service /root; mv /etc/init.d/nova-compute /root;"
        " systemctl daemon-reload",
        "mv /root/nova-compute.service /lib/systemd/system; mv /root/nova-compute /etc/init.d;"
        " systemctl daemon-reload",
        69, "there is no unit nova-compute.service",
    ),
    "a configuration file missing": Strange(
        "mv /etc/nova/nova.conf /root", "mv /root/nova.conf /etc/nova",
        69, "the file does not exist",
    ),
    "a configuration file that Nova cannot read": Strange(
        "cp -a /etc/nova/nova.conf /root; echo nonsense >>/etc/nova/nova.conf",
        "mv /root/nova.conf /etc/nova", 65, "/etc/nova/nova.conf:",
    ),
    "a file that Nova reads later says otherwise": Strange(
        "cp -a /etc/nova/nova-compute.conf /root;"
        " echo images_type = qcow2 >>/etc/nova/nova-compute.conf",
        "mv /root/nova-compute.conf /etc/nova", 69, "it sets [libvirt] images_type otherwise",
    ),
    "another cluster": Strange(
        "echo '[global]\nfsid = 11111111-2222-3333-4444-555555555555' >/etc/ceph/ceph.conf",
        "rm /etc/ceph/ceph.conf", 65, "this host is bound to another cluster",
    ),
    "libvirt stopped": Strange(
        "systemctl stop libvirtd.service libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket",
        "systemctl start libvirtd.service", 69, "libvirt does not answer",
    ),
    "a secret of that name with another UUID": Strange(
        "echo '<secret><uuid>99999999-79c5-4b5e-9d44-2f8f0e3b6a11</uuid><usage type=\"ceph\">"
        "<name>ceph.client.nova secret</name></usage></secret>' >/root/s.xml;"
        " virsh -q secret-define /root/s.xml",
        "virsh -q secret-undefine 99999999-79c5-4b5e-9d44-2f8f0e3b6a11",
        1, "a secret of this name with UUID 99999999-79c5-4b5e-9d44-2f8f0e3b6a11",
    ),
    "a private secret": Strange(
        "echo '<secret private=\"yes\"><uuid>0d5f6a52-79c5-4b5e-9d44-2f8f0e3b6a11</uuid>"
        "<usage type=\"ceph\"><name>ceph.client.nova secret</name></usage></secret>' >/root/s.xml;"
        " virsh -q secret-define /root/s.xml",
        "virsh -q secret-undefine 0d5f6a52-79c5-4b5e-9d44-2f8f0e3b6a11",
        1, "libvirt holds it as private",
    ),
    "that UUID for something else": Strange(
        "echo '<secret><uuid>0d5f6a52-79c5-4b5e-9d44-2f8f0e3b6a11</uuid><usage type=\"ceph\">"
        "<name>mine</name></usage></secret>' >/root/s.xml; virsh -q secret-define /root/s.xml",
        "virsh -q secret-undefine 0d5f6a52-79c5-4b5e-9d44-2f8f0e3b6a11",
        1, "libvirt already uses this UUID for 'ceph mine'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE.keys())
def test_a_strange_host_is_refused_before_the_first_change(world: World, strange: Strange) -> None:
    world.compute.run("sh", "-ec", strange.do)
    try:
        refused(world.compute, strange.status, strange.message)
    finally:
        world.compute.run("sh", "-ec", strange.undo)


def test_another_hosts_handoff_is_refused(world: World) -> None:
    sealed = world.ceph.host.run_bytes("cat", f"{HANDOFFS}/ctl1.tar").stdout
    world.compute.run_bytes("install", "-m", "0600", "/dev/stdin", "/root/ctl1.tar", input=sealed)
    refused(
        world.compute,
        65,
        "it is for site=lab, host=ctl1, this host is",
        "--handoff",
        "/root/ctl1.tar",
    )


def test_only_root_may_apply(world: World) -> None:
    world.compute.run("cp", "-r", BUNDLE, "/var/tmp/cephos")  # noqa: S108  # on a host of the test
    done = world.compute.run("/var/tmp/cephos/apply", user="glance", check=False)  # noqa: S108
    assert (done.returncode, "this must run as root" in done.stdout) == (69, True)


def test_one_apply_at_a_time(world: World) -> None:
    world.compute.run("mkdir", "-p", "/run/cephos")
    with world.compute.popen("flock", "/run/cephos/lock", "sleep", "60") as holder:
        while (
            world.compute.run("flock", "-n", "/run/cephos/lock", "true", check=False).returncode
            == 0
        ):
            time.sleep(0.05)
        refused(world.compute, 75, "another apply is running on this host")
        os.killpg(holder.pid, signal.SIGKILL)


def test_images_in_a_store_that_would_be_lost_from_view_are_refused(world: World) -> None:
    host = world.controller
    conf = host.read("/etc/glance/glance-api.conf")
    for line, message in {
        "stores = file,swift": "images in its store 'swift' would be lost from view",
        "filesystem_store_datadir = /srv/images": "its images lie in /srv/images",
    }.items():
        changed = re.sub(r"(?m)^\[glance_store\]$", rf"[glance_store]\n{line}", conf)
        host.write("/root/glance.conf", changed)
        host.run("sed", "-i", "/^filesystem_store_datadir = .var/d", "/root/glance.conf")
        host.run("cp", "/root/glance.conf", "/etc/glance/glance-api.conf")
        refused(host, 1, message)
    host.write("/root/glance.conf", conf)
    host.run("cp", "/root/glance.conf", "/etc/glance/glance-api.conf")


def test_a_pool_with_other_settings_is_said_and_left_alone(world: World) -> None:
    said = apply(world.ceph.host, "--only", "10")
    assert "pool images: size is 1, site.yaml says 2; left alone" in said
    assert "to change it: ceph osd pool set images size 2" in said
    assert world.ceph.json("osd", "pool", "get", "images", "size")["size"] == 1


def test_no_key_is_in_an_argument_or_environment(world: World) -> None:
    """All that the run executes, by strace; then it runs from a medium mounted noexec."""
    host = world.compute
    trace = ("strace", "-f", "-v", "-s", "65536", "-e", "trace=execve", "-o", "/root/trace")
    host.run(*trace, f"{BUNDLE}/apply", timeout=300)
    executed = host.read("/root/trace")
    assert len(re.findall("execve\\(", executed)) > 100
    for client in ("nova", "cinder"):
        assert world.ceph.run("auth", "get-key", f"client.{client}") not in executed
    assert host.run("find", "/etc/ceph", "-perm", "/o=r", "-name", "*.keyring").stdout == ""

    host.run("sh", "-ec", f"mount --bind {BUNDLE} {BUNDLE}; mount -o remount,bind,noexec {BUNDLE}")
    assert host.run(f"{BUNDLE}/apply", check=False).returncode == 126
    assert "0 changed" in host.run("bash", f"{BUNDLE}/apply").stdout
    assert "0 changed" in host.run("sh", "-c", f"cd {BUNDLE}; bash apply").stdout
    host.run("umount", BUNDLE)


def test_a_later_run_needs_no_handoff(world: World) -> None:
    apply(world.compute)
    world.compute.run("rm", "-r", HANDOFFS)
    assert "0 changed" in apply(world.compute)
    apply(world.compute, "--verify")


def undone(host: Host) -> None:
    """Take the host back to before its first apply."""
    apply(host, "--rollback")
    host.run(
        "sh",
        "-c",
        "for u in $(virsh -q secret-list | cut -d' ' -f2); do virsh -q secret-undefine $u; done",
    )
    host.run("rm", "-rf", "/run/ceph-guests", "/var/log/ceph-guests")


def test_a_handoff_is_found_where_it_was_named_or_beside_apply(world: World) -> None:
    host = world.compute
    sealed = world.ceph.host.run_bytes("cat", f"{HANDOFFS}/cmp1.tar").stdout
    undone(host)
    host.run_bytes("install", "-m", "0600", "/dev/stdin", "/root/mine.tar", input=sealed)
    assert "changed" in apply(host, "--handoff", "/root/mine.tar")
    undone(host)
    host.run("install", "-D", "-m", "0600", "/root/mine.tar", f"{BUNDLE}/handoff/cmp1.tar")
    assert "changed" in apply(host)
    host.run("rm", "-r", f"{BUNDLE}/handoff")


def test_an_option_that_the_site_no_longer_names_goes_back(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The bundle of the changed site alone converges; what somebody else added stays."""
    host = world.controller
    apply(host)
    before = host.read("/etc/glance/glance-api.conf")
    more = SITE.replace(
        "client: glance}", "client: glance, options: {rbd_store_chunk_size: 4, image_size_cap: 9}}"
    )
    out = compiled(tmp_path_factory.mktemp("more"), more)
    host.put(out / "hosts/ctl1", "/root/more")
    assert host.run("/root/more/apply").returncode == 0
    assert "rbd_store_chunk_size = 4\n" in host.read("/etc/glance/glance-api.conf")
    assert "\nimage_size_cap = 9\n" in host.read("/etc/glance/glance-api.conf")
    host.run("sed", "-i", r"s/^\[glance_store\]$/&\nmine = 1/", "/etc/glance/glance-api.conf")
    announced = apply(host, "--check", status=10)
    assert "would-change  50-glance            /etc/glance/glance-api.conf" in announced
    apply(host)
    after = host.read("/etc/glance/glance-api.conf")
    assert "\nmine = 1\n" in after
    assert after.replace("mine = 1\n", "") == before
    assert "0 changed" in apply(host)
    undone(host)
    assert "mine = 1" not in host.read("/etc/glance/glance-api.conf")


def test_a_cluster_that_does_not_answer_is_said_within_bounds(world: World) -> None:
    """Last, since it takes the cluster away."""
    world.ceph.host.run("systemctl", "stop", "rig-ceph-mon")
    carry(world.ceph.host, world.compute)
    undone(world.compute)
    start = time.monotonic()
    refused(world.compute, 69, "no monitor of cluster ceph answers on 192.168.8.11")
    before = traces(world.ceph.host)
    said = apply(world.ceph.host, status=69)
    assert "cluster ceph does not answer: " in said
    assert traces(world.ceph.host) == before
    assert time.monotonic() - start < 60


def test_a_site_can_be_one_host(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The `ceph-admin` host may have every other role too: it hands off to itself."""
    site = re.sub(
        r"(?s)hosts:.*", "hosts: {aio: {roles: [ceph-admin, glance, cinder, nova-compute]}}", SITE
    )
    with Rig() as rig:
        host = rig.host("aio")
        cluster = ceph.start(host, FSID)
        Libvirt(host).start()
        out = compiled(
            tmp_path_factory.mktemp("aio"), site.replace("192.168.8.11", cluster.mon_host)
        )
        host.put(out / "hosts/aio", BUNDLE)
        announced = re.findall(r"(?m)^would-change +(.*)", apply(host, "--check", status=10))
        done = re.findall(r"(?m)^changed +(.*)", apply(host))
        assert announced == done
        apply(host, "--verify")
        assert "0 changed" in apply(host)
