"""The INI patcher's idea of ceph.conf, held against Ceph itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from test_ini_patch import CEPH_FILES

if TYPE_CHECKING:
    from rig import Rig

pytestmark = pytest.mark.real


def test_ceph_reads_what_the_patcher_accepts_and_nothing_else(rig: Rig) -> None:
    host = rig.host("ceph1")
    for content, fine in CEPH_FILES:
        host.run_bytes("install", "/dev/stdin", "/root/ceph.conf", input=content)
        asked = host.run("ceph-conf", "-c", "/root/ceph.conf", "--lookup", "x", check=False)
        assert ("parse error" not in asked.stderr) is fine, content
