"""A site whose Ceph another team runs: what it is asked for suffices, its keys reach the host."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from compiling import compiled
from real.bundles import BUNDLE, HANDOFFS, apply
from real.lab import FSID, SITE
from rig import Rig, ceph
from rig.openstack import OpenStack

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real

THEIRS = "/root/their keyrings"


def test_what_the_other_team_is_asked_for_suffices(tmp_path: Path) -> None:
    site = re.sub(r"(?m)^  (ceph1|cmp1): .*\n|^  (nova|cinder): .*\n", "", SITE)
    site = site.replace(", volumes: {}, vms: {}", "").replace("size: 2", "size: 1")
    site = re.sub(r"(?m)^    clients:\n.*\n", "    keys: delivered\n", site)
    out = compiled(tmp_path, site.replace("size: 1", 'autoscale: "off"'))
    with Rig() as rig:
        theirs, ctl1 = rig.hosts("ceph1", "ctl1")
        openstack = OpenStack(ctl1)
        ctl1.run("systemctl", "start", "--no-block", "glance-api")
        cluster = ceph.start(theirs, FSID)
        ctl1.put(out / "hosts/ctl1", BUNDLE)
        said = apply(ctl1, status=65)
        assert "no hand-off has its key, and it is not here yet" in said
        assert f"carry ctl1.tar, or ctl1.ceph.tar, to {HANDOFFS}/ here, as RUNBOOK.md says" in said

        # the other team follows the page, twice
        page = (out / "CEPH-TEAM.md").read_text()
        asked = re.findall(r"(?m)^# (ceph .*|rbd .*|umask .*)$", page)
        theirs.run("mkdir", THEIRS)
        for _ in range(2):
            theirs.run("bash", "-ec", "\n".join([f"cd '{THEIRS}'", *asked]))
        key = cluster.run("auth", "get-key", "client.glance").strip()

        # the tool needs nothing of Ceph, and shows the key to no program
        theirs.put(out / "hosts", "/root/hosts")
        done = theirs.run(
            *("strace", "-f", "-e", "execve", "-s", "9999", "-o", "/root/trace", "bash", "-c"),
            "for bundle in /root/hosts/*;"
            f" do $bundle/tools/make-handoff /root/handoffs '{THEIRS}'/*; done",
        )
        assert done.stdout == "written  /root/handoffs/ctl1.tar  ceph.client.glance\n"
        trace = theirs.read("/root/trace")
        assert "tar" in trace
        assert key not in trace

        sealed = theirs.run_bytes("cat", "/root/handoffs/ctl1.tar").stdout
        ctl1.run("install", "-d", "-m", "0700", HANDOFFS)
        ctl1.run_bytes("install", "-m", "0600", "/dev/stdin", f"{HANDOFFS}/ctl1.tar", input=sealed)
        openstack.await_glance()
        apply(ctl1)
        apply(ctl1, "--verify")
        openstack.await_glance()
        assert openstack.upload(b"theirs" * 1000) in cluster.images("images")
