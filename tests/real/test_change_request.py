"""A change request, from the edit over the gate to the hosts: what is announced is what happens."""

from __future__ import annotations

import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from cephos import ranges
from compiling import PROGRAM, edited
from real.bundles import apply, carry, started
from rig import Host, Rig, ceph
from rig.openstack import OpenStack, unit

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real

SITE = """
version: 1
site: lab
openstack: {release: zed, platform: debian}
clusters:
  ceph:
    release: pacific
    fsid: 3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10
    mon_host: [192.168.8.11]
    pools: {images: {pg_num: 8}, vms: {pg_num: 8}}
services:
  glance: {pool: images, client: glance, options: {image_size_cap: 9999999999}}
  nova: {pool: vms, client: nova}
hosts:
  ceph1: {roles: [ceph-admin]}
  ctl1: {roles: [glance]}
  cmp[1-4]: {roles: [nova-compute]}
"""
RIGHT = edited(
    ("image_size_cap: 9999999999", "image_size_cap: 8888888888, rbd_store_chunk_size: 4"),
    ("client: nova", "cow_snapshots: true, client: nova"),
    ("cmp[1-4]", "cmp[1-6]"),
    site=SITE,
)
WRONG = edited(("pool: images", "pool: pictures"), ("{images:", "{pictures:"), site=RIGHT)
"""A site whose images would stay behind in the pool of before."""


class Repository:
    """Where the site is kept: what is on `main` has been reviewed, and is what hosts have."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "ada")
        self.git("config", "user.email", "ada@example.net")

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", "-C", self.folder, *arguments], check=True)

    def compiled(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(PROGRAM), "site.yaml", "-o", "out", *arguments]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)

    def propose(self, site: str) -> tuple[int, dict[str, Any]]:
        """Edit the description, and return the gate's verdict: its exit status and the plan."""
        (self.folder / "site.yaml").write_text(site)
        ran = self.compiled("--plan=json")
        return ran.returncode, json.loads(ran.stdout)

    def land(self) -> None:
        assert self.compiled("--strict").returncode == 0
        self.git("add", ".")
        self.git("commit", "-q", "-m", "as reviewed")


def announced(plan: dict[str, Any], host: str) -> list[str]:
    """Return what the plan says that `apply` changes on a host, in the words of `apply`."""
    found = []
    for turn in plan["apply"]:
        if host not in expanded(turn["hosts"]):
            continue
        for action in turn["actions"]:
            head, handoff, hosts = action["what"].rpartition("hand-off for ")
            names = expanded([hosts]) if handoff else [hosts]
            found += [f"{action['step']} {head}{handoff}{name}" for name in names]
        found += [f"{each['step']} restart {each['unit']}" for each in turn["restarts"]]
    return sorted(found)


def expanded(hosts: list[str]) -> list[str]:
    return [name for each in hosts for name in ranges.expand(each)]


def done(said: str) -> list[str]:
    """Return what `apply` says that it changed, without the details after its name."""
    lines = re.findall(r"(?m)^changed +(\S+) +(.*?)(?: \(.*\)| as in files/\S+)?(?:: .*)?$", said)
    return sorted(f"{step} {what}" for step, what in lines)


def test_what_a_change_announces_is_what_happens(tmp_path: Path) -> None:
    with Rig() as rig:
        admin, controller = rig.hosts("ceph1", "ctl1")
        openstack, glance = OpenStack(controller), unit(controller, "glance-api")
        controller.run("systemctl", "start", "--no-block", "glance-api")
        ceph.start(admin, "3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10")
        repository = Repository(tmp_path / "site")

        # the first compilation: everything is new, nothing is a danger
        status, plan = repository.propose(SITE)
        assert (status, plan["compared"], plan["dangers"]) == (1, "nothing", [])
        repository.land()
        openstack.await_glance()
        for host in (admin, controller):
            assert done(carried(repository, admin, host)) == announced(plan, host.name)
        openstack.await_glance()
        image = openstack.upload(b"an image")

        # the gate stops a change that would lose sight of it
        status, plan = repository.propose(WRONG)
        assert status == 3
        assert "pool" in [danger["code"] for danger in plan["dangers"]]

        # another one is held against the same main, and lands with what it costs in plain sight
        status, plan = repository.propose(RIGHT)
        assert (status, [danger["code"] for danger in plan["dangers"]]) == (3, ["cow-snapshots-on"])
        assert plan["added"] == [{"count": 2, "hosts": ["cmp[5-6]"], "roles": ["nova-compute"]}]
        repository.land()
        before = started(controller, glance)
        with ThreadPoolExecutor() as pool:
            said = pool.map(lambda host: carried(repository, admin, host), (admin, controller))
            for host, text in zip((admin, controller), said, strict=True):
                assert done(text) == announced(plan, host.name)
        assert started(controller, glance) != before
        openstack.await_glance()
        assert openstack.download(image) == b"an image"

        # and what has landed leaves nothing to do
        status, plan = repository.propose(RIGHT)
        assert (status, plan["changes"], plan["apply"]) == (0, False, [])
        for host in (admin, controller):
            assert done(carried(repository, admin, host)) == []


def carried(repository: Repository, admin: Host, host: Host) -> str:
    """Carry the bundle that has landed to its host, with its keys, and apply it there."""
    host.run("rm", "-rf", "/root/cephos")
    host.put(repository.folder / "out/hosts" / host.name, "/root/cephos")
    if host is not admin:
        carry(admin, host)
    return apply(host)
