"""`transport: scp`: the `ceph-admin` host copies hand-offs to their hosts by SSH."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from compiling import compiled
from real.bundles import BUNDLE, HANDOFFS, actions, apply
from real.lab import FSID, SITE
from rig import Rig, ceph

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real


def test_handoffs_reach_their_hosts_and_one_that_does_not_answer_harms_none(tmp_path: Path) -> None:
    site = re.sub(r"(?m)^  cmp1: .*\n|^  (nova|cinder): .*\n", "", SITE)
    site = site.replace(", volumes: {}, vms: {}", "").replace(", size: 2", "")
    site = re.sub(r"(?m)^    clients:\n.*\n", "", site)
    site = site.replace("  ctl1:", "  away: {roles: [glance]}\n  ctl1:")
    out = compiled(tmp_path, site.replace("hosts:", "transport: scp\nhosts:"))
    with Rig() as rig:
        admin, ctl1 = rig.hosts("ceph1", "ctl1")
        cluster = ceph.start(admin, FSID)
        admin.put(out / "hosts/ceph1", BUNDLE)
        there = f"{HANDOFFS}/ctl1.tar"
        sent = f"40-handoff           {there} on ctl1: is copied"

        def state() -> list[str]:
            return ctl1.run("stat", "-c", "%a %U:%G %i %Y", there).stdout.split()

        said = apply(admin)
        assert sent in actions("changed", said)
        assert f"{HANDOFFS}/away.tar on away: cannot be copied: ssh: Could not resolve" in said
        before = state()
        assert before[:2] == ["600", "root:root"]
        assert ctl1.run_bytes("cat", there).stdout == admin.run_bytes("cat", there).stdout
        assert ctl1.run("stat", "-c", "%a", HANDOFFS).stdout == "700\n"

        # the same digest is there, whatever that host says besides: nothing is sent
        ctl1.write("/root/.bashrc", "echo Welcome to ctl1\n")
        assert "0 changed" in apply(admin)
        assert state() == before
        apply(admin, "--verify")

        # a new key is sent, and one that broke off on its way is no hand-off
        cluster.run("auth", "rm", "client.glance")
        ctl1.write(f"{HANDOFFS}/.ctl1.tar.cephos-new", "half")
        assert sent in actions("changed", apply(admin))
        assert ctl1.run_bytes("cat", there).stdout == admin.run_bytes("cat", there).stdout
        assert ctl1.run("ls", "-A", HANDOFFS).stdout == "ctl1.tar\n"

        # a host that is not the one it was is not trusted
        ctl1.run("rm", there)
        admin.run("mv", "/root/.ssh/known_hosts", "/root/known")
        assert "Host key verification failed." in apply(admin)
        assert ctl1.run("ls", "-A", HANDOFFS).stdout == ""
        admin.run("mv", "/root/known", "/root/.ssh/known_hosts")
        assert sent in actions("changed", apply(admin))
