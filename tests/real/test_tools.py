"""The tools that bundles carry, on what they are for."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
from typing import TYPE_CHECKING

import pytest

from compiling import ROOT, compiled
from real.bundles import BUNDLE, apply, run_bundle, statuses
from rig import Host, Rig, ceph
from rig.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rig.ceph import Ceph

pytestmark = pytest.mark.real

TOOL = "/root/rbd-locks"
OPEN = """
import sys, rados, rbd
cluster = rados.Rados(rados_id="admin", conffile="/etc/ceph/ceph.conf")
cluster.connect()
image = rbd.Image(cluster.open_ioctx("vms"), sys.argv[1])
if sys.argv[2] == "write":  # takes the exclusive lock, as a guest's first write does
    image.lock_acquire(rbd.RBD_LOCK_MODE_EXCLUSIVE)
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Ceph]:
    with Rig() as rig:
        host = rig.host("ceph1")
        cluster = ceph.start(host)
        for pool in ("vms", "objects"):
            cluster.run("osd", "pool", "create", pool, "8")
        cluster.run("config", "set", "osd", "osd_client_watch_timeout", "5")  # 30 are as good
        host.run("rbd", "pool", "init", "vms")
        for image in ("dead_disk", "live_disk", "taken_disk", "free_disk"):
            host.run("rbd", "create", "--size", "1M", f"vms/{image}")
        host.write(TOOL, (ROOT / "out/hosts/ceph1/tools/rbd-locks").read_text(), 0o755)
        yield cluster


@contextlib.contextmanager
def opened(host: Host, image: str, how: str) -> Iterator[None]:
    """Hold an image open as a client that ends without a word: by SIGKILL."""
    with host.popen("python3", "-c", OPEN, image, how) as process:
        assert process.stdout
        assert process.stdout.readline() == b"open\n"
        yield
        os.killpg(process.pid, signal.SIGKILL)


def test_locks_of_clients_that_are_gone_are_found_and_broken(cluster: Ceph) -> None:
    host = cluster.host

    def locks(*arguments: str, status: int) -> str:
        done = host.run(TOOL, *arguments, check=False)
        assert (done.returncode, done.stderr) == (status, "")
        return done.stdout

    def lockers(image: str) -> list[str]:
        listed = host.run("rbd", "lock", "ls", "--format", "json", f"vms/{image}").stdout
        return [lock["locker"] for lock in json.loads(listed)]

    with opened(host, "live_disk", "write"):
        for image in ("dead_disk", "taken_disk"):
            with opened(host, image, "write"):
                pass
        owners = {image: lockers(image)[0] for image in ("dead_disk", "live_disk", "taken_disk")}
        with opened(host, "taken_disk", "read"):
            # for a while the cluster holds a client that says nothing more for alive
            until(
                "the dead clients' watches end",
                lambda: "stale" in host.run(TOOL, check=False).stdout,
                60,
            )
            said = locks(status=1)
            assert f"held     vms/live_disk  {owners['live_disk']} at " in said
            assert f"refused  vms/taken_disk  {owners['taken_disk']} is gone, but client." in said
            assert "total: 4 images, 1 locks of clients that are gone, 1 not judged\n" in said
            # the command that it shows is the one that a person would have to find
            command = re.findall(r"(?m)^stale +vms/dead_disk  .* is gone: (rbd .*)$", said)[0]
            assert re.fullmatch(
                rf"rbd --cluster ceph lock rm vms/dead_disk 'auto \d+' {owners['dead_disk']}",
                command,
            )
            assert lockers("dead_disk") == [owners["dead_disk"]]

            assert "\nbroken   vms/dead_disk  " in "\n" + locks("--break", status=1)
            assert lockers("dead_disk") == []
            assert lockers("taken_disk") == [owners["taken_disk"]]
            assert lockers("live_disk") == [owners["live_disk"]]
    assert "total: 1 images, 0 locks" in locks("vms/dead_disk", status=0)


def test_what_cannot_be_judged_is_said(cluster: Ceph) -> None:
    done = cluster.host.run(TOOL, "vms/absent", check=False)
    assert (done.returncode, "1 not judged" in done.stdout) == (1, True)
    done = cluster.host.run(TOOL, "--cluster", "absent", check=False)
    assert (done.returncode, "cannot list the pools" in done.stderr) == (69, True)
    assert cluster.host.run(TOOL, "--brake", check=False).returncode == 64


SITE = """
version: 1
site: lab
openstack: {release: "2025.1", platform: debian}
clusters:
  ceph:
    release: pacific
    fsid: FSID
    mon_host: [192.168.8.11]
    min_compat_client: mimic
    pools: {volumes: {pg_num: 8, autoscale: "off"}}
services:
  cinder: {backends: {rbd: {pool: volumes, client: cinder, trash: schedule}}}
hosts:
  ceph1: {roles: [ceph-admin]}
  ctl1: {roles: [cinder]}
"""


def test_ceph_empties_the_trash_where_the_site_says_so(cluster: Ceph, tmp_path: Path) -> None:
    host = cluster.host
    fsid = cluster.run("fsid").strip()
    host.put(compiled(tmp_path, SITE.replace("FSID", fsid)) / "hosts/ceph1", BUNDLE)
    schedule = ("rbd", "trash", "purge", "schedule", "ls", "--pool", "volumes")
    assert statuses(apply(host))["10-pools trash of pool volumes of cluster ceph"] == "changed"
    assert host.run(*schedule).stdout == "every 15m\n"
    assert "0 changed" in apply(host)
    # another that a person has set is theirs
    host.run("rbd", "trash", "purge", "schedule", "rm", "--pool", "volumes", "15m")
    host.run("rbd", "trash", "purge", "schedule", "add", "--pool", "volumes", "1h")
    assert "0 changed" in apply(host)
    assert host.run(*schedule).stdout == "every 1h\n"


def test_older_clients_are_refused_where_the_site_says_so(cluster: Ceph, tmp_path: Path) -> None:
    """As the bundle of the test above did; Ceph's own refusal ends a run, and says why."""
    host = cluster.host

    def oldest() -> str:
        return str(cluster.json("osd", "dump")["require_min_compat_client"])

    assert oldest() == "mimic"
    said = apply(host, "--rollback")
    assert (
        "skipped       20-clients           oldest client of cluster ceph is of mimic: left" in said
    )
    for release, becomes in (("luminous", "mimic"), ("octopus", "octopus"), ("quincy", "octopus")):
        site = SITE.replace("pacific", "quincy").replace("mimic", release)
        out = compiled(tmp_path, site.replace("FSID", cluster.run("fsid").strip()))
        host.put(out / "hosts/ceph1", BUNDLE)
        if release == "quincy":  # of which this cluster has not heard yet
            said = run_bundle(host, status=1)
            assert "cannot refuse older clients: Error EINVAL: " in said
            assert "-> upgrade these clients" in said
        else:
            apply(host)
        assert oldest() == becomes
