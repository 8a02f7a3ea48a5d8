"""Hosts have their turn in an order in which nothing is asked of a host before it can do it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from compiling import SITE, run

if TYPE_CHECKING:
    from pathlib import Path

TURN = re.compile(r"(?m)^- \[ \] On `(\S+)`, as root(?:, the first steps alone.*)?:$")
FIRST = "--only 10,20,30,40"


@pytest.mark.parametrize(
    ("hosts", "waves"),
    [
        (
            "a: {roles: [ceph-admin]}, b: {roles: [glance, cinder]}, c: {roles: [nova-compute]}",
            ["1: ceph-admin: a", "2: nova-compute: c", "3: glance, cinder: b"],
        ),
        (
            "a: {roles: [ceph-admin, glance, nova-compute, cinder]}",
            ["1: ceph-admin, glance, nova-compute, cinder: a"],
        ),
        (
            "a: {roles: [ceph-admin, glance, cinder]}, c: {roles: [nova-compute]}",
            [f"1: ceph-admin: a {FIRST}", "2: nova-compute: c", "3: glance, cinder: a"],
        ),
        (
            "a: {roles: [ceph-admin, nova-compute, cinder]}, c: {roles: [nova-compute]}",
            [f"1: ceph-admin: a {FIRST}", "2: nova-compute: c", "3: nova-compute, cinder: a"],
        ),
        (
            "a: {roles: [ceph-admin, glance, nova-compute]}, b: {roles: [cinder]}",
            ["1: ceph-admin, glance, nova-compute: a", "2: cinder: b"],
        ),
        (
            "a: {roles: [ceph-admin, cinder]}, b: {roles: [glance]}",
            ["1: ceph-admin, cinder: a", "2: glance: b"],
        ),
    ],
)
def test_keys_come_first_and_cinder_waits_for_computes(
    tmp_path: Path, hosts: str, waves: list[str]
) -> None:
    site = re.sub(r"(?s)hosts:.*", f"hosts: {{{hosts}}}\n", SITE)
    assert run(tmp_path, "site.yaml", "-o", "out", site=site).status == 0
    runbook = (tmp_path / "out/RUNBOOK.md").read_text()
    found = []
    for wave in re.findall(r"(?ms)^## Wave (\d.*?)(?=^## )", runbook):
        (host,) = TURN.findall(wave)
        first = f" {FIRST}" if f"./apply {FIRST} && ./apply {FIRST} --verify\n" in wave else ""
        found.append(f"{wave.splitlines()[0]}: {host}{first}")
    assert found == waves
    # the page shows the same
    page = (tmp_path / "out/review.html").read_text()
    shown = re.findall(
        r'<h4>Wave (\d)</h4>\s*<p><a href="#kind-\d+">(.+?)</a><br><code>(.+?)<', page
    )
    assert [": ".join(wave) for wave in shown] == [wave.removesuffix(f" {FIRST}") for wave in waves]
