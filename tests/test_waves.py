"""Hosts have their turn in an order in which nothing is asked of a host before it can do it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from compiling import edited, run

if TYPE_CHECKING:
    from pathlib import Path

BACKUP = (
    ("      vms: {}\n", "      vms: {}\n      backups: {}\n"),
    ("  nova: {", "    backup: {pool: backups, client: backup}\n  nova: {"),
)
FAST = (
    ("client: cinder}", "client: cinder}\n      fast: {pool: quick, client: cinder}"),
    ("      vms: {}\n", "      vms: {}\n      quick: {}\n"),
)
ADMIN, COMPUTE = "a: {roles: [ceph-admin]}", "c: {roles: [nova-compute]}"
HYPER = "b: {roles: [nova-compute, cinder], backends: [fast]}"


@pytest.mark.parametrize(
    ("hosts", "edits", "waves"),
    [
        (
            f"{ADMIN}, b: {{roles: [glance, cinder]}}, {COMPUTE}",
            (),
            ["1: ceph-admin: a", "2: nova-compute: c", "3: glance, cinder: b"],
        ),
        (
            "a: {roles: [ceph-admin, glance, nova-compute, cinder]}",
            (),
            ["1: ceph-admin, glance, nova-compute, cinder: a"],
        ),
        (
            f"a: {{roles: [ceph-admin, glance, cinder]}}, {COMPUTE}",
            (),
            ["1: ceph-admin, glance: a 10,20,30,40,50", "2: nova-compute: c", "3: cinder: a"],
        ),
        (
            f"a: {{roles: [ceph-admin, nova-compute, cinder]}}, {COMPUTE}",
            (),
            [
                "1: ceph-admin, nova-compute: a 10,20,30,40,60,70",
                "2: nova-compute: c",
                "3: cinder: a",
            ],
        ),
        (
            "a: {roles: [ceph-admin, glance, nova-compute]}, b: {roles: [cinder]}",
            (),
            ["1: ceph-admin, glance, nova-compute: a", "2: cinder: b"],
        ),
        (
            "a: {roles: [ceph-admin, cinder]}, b: {roles: [glance]}",
            (),
            ["1: ceph-admin, cinder: a", "2: glance: b"],
        ),
        (
            f"a: {{roles: [ceph-admin, cinder-backup]}}, b: {{roles: [cinder]}}, {COMPUTE}",
            BACKUP,
            ["1: ceph-admin, cinder-backup: a", "2: nova-compute: c", "3: cinder: b"],
        ),
        (
            f"{ADMIN}, b: {{roles: [cinder]}}, c: {{roles: [nova-compute, cinder-backup]}}",
            BACKUP,
            ["1: ceph-admin: a", "2: nova-compute, cinder-backup: c", "3: cinder: b"],
        ),
        (
            f"{ADMIN}, b: {{roles: [nova-compute, cinder]}}, {COMPUTE}",
            (),
            ["1: ceph-admin: a", "2: nova-compute: c", "3: nova-compute, cinder: b"],
        ),
        (
            f"{ADMIN}, {HYPER}, d: {{roles: [cinder], backends: [rbd]}}",
            FAST,
            ["1: ceph-admin: a", "2: nova-compute: b 60,70", "3: cinder: b, d"],
        ),
        (
            f"a: {{roles: [ceph-admin, cinder], backends: [rbd]}}, {HYPER}",
            FAST,
            ["1: ceph-admin: a 10,20,30,40", "2: nova-compute: b 60,70", "3: cinder: a, b"],
        ),
    ],
)
def test_keys_come_first_and_every_cinder_waits_for_all_computes(
    tmp_path: Path, hosts: str, edits: tuple[tuple[str, str], ...], waves: list[str]
) -> None:
    site = re.sub(r"(?s)hosts:.*", f"hosts: {{{hosts}}}\n", edited(*edits))
    assert run(tmp_path, "site.yaml", "-o", "out", site=site).status == 0
    runbook = (tmp_path / "out/RUNBOOK.md").read_text()
    found = []
    for wave in re.findall(r"(?ms)^## Wave (\d.*?)(?=^## )", runbook):
        (first,) = re.findall(r"(?m)^  # ./apply( --only \S+)? && ", wave)
        there = re.findall(r"(?m)^- \[ \] On (`.+`), as root", wave)
        found.append(f"{wave.splitlines()[0]}: {there[0].replace('`', '')}{first}")
    assert found == [re.sub(r"(\d\d,)", r"--only \1", wave, count=1) for wave in waves]
    # the page shows the same
    page = (tmp_path / "out/review.html").read_text()
    shown = re.findall(r"<h4>Wave (\d)</h4>(.+?)</li>", page, re.DOTALL)
    assert [number for number, _ in shown] == [wave[0] for wave in waves]
    for (_, text), wave in zip(shown, waves, strict=True):
        there = re.findall(r"\b\w\b", wave.split(": ")[2])
        assert re.findall(r"<br><code>(\w)</code>", text) == there


def test_a_plan_has_the_order_of_the_runbook(tmp_path: Path) -> None:
    hosts = f"hosts: {{a: {{roles: [ceph-admin, glance, cinder]}}, {COMPUTE}}}\n"
    site = re.sub(r"(?s)hosts:.*", hosts, edited())
    assert run(tmp_path, "site.yaml", "-o", "out", site=site).status == 0
    change = site.replace(" c: {", " 'c[1-2]': {").replace("client: cinder}", "client: vols}")
    ran = run(tmp_path, "site.yaml", "-o", "out", "--plan=json", site=change)
    assert ran.status == 3
    # a host that has two turns is one
    text = run(tmp_path, "site.yaml", "-o", "out", "--plan").stdout
    assert ", apply changes 3 hosts, restarts services on 3\n" in text
    turns = [
        (turn["wave"], turn["hosts"], sorted({action["step"] for action in turn["actions"]}))
        for turn in json.loads(ran.stdout)["apply"]
    ]
    assert turns == [
        (1, ["a"], ["20-clients", "40-handoff", "50-glance"]),
        (2, ["c[1-2]"], ["60-libvirt", "70-nova"]),
        (3, ["a"], ["80-cinder"]),
    ]
