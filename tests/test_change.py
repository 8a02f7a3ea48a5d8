"""`--plan`: what a change of the site means.

`tests/changes/NAME/` holds a site before and after, and the plan in its three forms;
`CEPHOS_UPDATE=1` rewrites the forms.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID, uuid5

import jsonschema
import pytest

from cephos import knowledge
from compiling import ROOT, Ran, compiled, edited, run

if TYPE_CHECKING:
    from collections.abc import Sequence

CHANGES = sorted(path for path in Path(__file__).parent.glob("changes/*") if path.is_dir())
FORMS = {"plan.txt": "--plan", "plan.md": "--plan=markdown", "plan.json": "--plan=json"}


def planned(folder: Path, after: str, form: str = "--plan=json", out: Path | None = None) -> Ran:
    """Plan the way from what lies in `out` to a site."""
    return run(folder, "site.yaml", "-o", str(out or folder / "out"), form, site=after)


def meaning(ran: Ran) -> dict[str, Any]:
    """Return the plan that was printed as JSON, once its form and the exit status are right."""
    assert ran.stderr == ""
    found: dict[str, Any] = json.loads(ran.stdout)
    jsonschema.validate(found, json.loads((ROOT / "schema/plan.schema.json").read_text()))
    assert found["dangerous"] == bool(found["dangers"])
    assert ran.status == (3 if found["dangerous"] else 1 if found["changes"] else 0)
    return found


@pytest.mark.parametrize("case", CHANGES, ids=lambda case: case.name)
def test_is_what_was_reviewed(case: Path, tmp_path: Path) -> None:
    if (case / "before.yaml").exists():
        compiled(tmp_path, (case / "before.yaml").read_text())
    for name, form in FORMS.items():
        ran = planned(tmp_path, (case / "after.yaml").read_text(), form)
        if os.environ.get("CEPHOS_UPDATE"):
            (case / name).write_text(ran.stdout)
        assert ran.stdout == (case / name).read_text()
        if form == "--plan=json":
            meaning(ran)


# --- dangers


class Row(NamedTuple):
    """Dangers, edits of a site that hold just these, and edits near by that hold none."""

    codes: list[str]
    holds: list[tuple[str, str]]
    holds_not: list[tuple[str, str]]
    before: Sequence[tuple[str, str]] = ()


KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIPtSt8cCaIEORbiljBJbulyqDYmk0E3+Z9xusSNvkO94"
BEFORE = edited(
    ("client: glance}", "client: glance, options: {rbd_store_chunk_size: 4}}"),
    ("client: cinder}", "client: cinder, options: {rbd_max_clone_depth: 3}}"),
    ("client: nova}", "client: nova, options: {hw_disk_discard: ignore}}"),
    ("hosts:\n", f"signers: [ada ssh-ed25519 {KEY}, bob ssh-ed25519 {KEY[:-1]}5]\nhosts:\n"),
)
COW = ("client: nova", "cow_snapshots: true, client: nova")
GLANCE = "  glance: {pool: images, client: glance, options: {rbd_store_chunk_size: 4}}\n", ""
IMAGES = "      images: {pg_num: 64}\n", ""
OTHER = "0d5f6a52-79c5-4b5e-9d44-2f8f0e3b6a11"
FSID = "3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10"


def secret(value: object) -> tuple[str, str]:
    return "services:\n", f"    clients: {{cinder: {{secret_uuid: {value}}}}}\nservices:\n"


ROWS = [
    Row(["secret-uuid"], [secret(OTHER)], [secret(uuid5(UUID(FSID), "client.cinder"))]),
    Row(["secret-uuid", "fsid"], [(FSID, OTHER)], []),
    Row(["cluster-name"], [("  ceph:\n", "  west:\n")], []),
    Row(["mon-host"], [('192.168.8.11, "', '"')], [('"[fd', '192.168.8.13, "[fd')]),
    Row(["client"], [("client: glance", "client: images")], []),
    Row(["client"], [("client: cinder", "client: volumes")], []),
    Row(["client"], [("client: nova", "client: guests")], []),
    Row(["pool", "caps"], [("vms", "disks")], [("vms: {}", "vms: {pg_num: 32}")]),
    Row(["pool", "caps"], [("volumes", "disks")], []),
    Row(["pool", "caps"], [("images", "pictures")], []),
    Row(["backend"], [("      rbd:", "      ssd:")], []),
    Row(
        ["volume-backend-name"],
        [("client: cinder", "client: cinder, volume_backend_name: fast")],
        [("client: cinder", "client: cinder, volume_backend_name: rbd")],
    ),
    Row(["service", "caps", "role"], [GLANCE, ("[glance, cinder]", "[cinder]"), IMAGES], []),
    Row(["cow-snapshots-on"], [COW], [("client: nova", "client: nova, cow_snapshots: false")]),
    Row(["caps", "cow-snapshots-off"], [COW[::-1]], [], before=[COW]),
    Row(["option"], [("rbd_store_chunk_size: 4", "")], [("chunk_size: 4", "chunk_size: 8")]),
    Row(["option"], [("rbd_max_clone_depth: 3", "")], [("depth: 3", "depth: 5")]),
    Row(["option"], [("hw_disk_discard: ignore", "")], [("ignore", "unmap")]),
    Row(["release"], [("squid", "tentacle")], []),
    Row(["release"], [('"2025.1"', "zed")], [('"2025.1"', "epoxy")]),
    Row(["platform"], [("platform: rdo", "platform: debian")], []),
    Row(["host"], [("[01-02]", "[02-03]")], [("[01-02]", "[01-03]")]),
    Row(["role"], [("[glance, cinder]", "[glance]}\n  os2: {roles: [cinder]")], []),
    Row([], [], [("roles: [glance, cinder]", "roles: [glance, cinder, nova-compute]")]),
    Row(["signer"], [("signers: [ada", "signers: [eve")], [("hosts:", "  #\nhosts:")]),
    Row(["site"], [("site: lon1", "site: lon2")], []),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("base"), BEFORE)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(row.codes) or "none")
def test_dangers_are_named_and_only_those(row: Row, base: Path, tmp_path: Path) -> None:
    before = edited(*row.before, site=BEFORE)
    out = compiled(tmp_path, before) if row.before else base
    found = meaning(planned(tmp_path, edited(*row.holds, site=before), out=out))
    assert [danger["code"] for danger in found["dangers"]] == row.codes
    assert all(danger["cases"] for danger in found["dangers"])
    if row.holds_not:
        found = meaning(planned(tmp_path, edited(*row.holds_not, site=before), out=out))
        assert found["dangers"] == []


def test_every_danger_is_shown_here() -> None:
    shown = {code for row in ROWS for code in row.codes}
    assert shown == knowledge.dangers().keys() - {"unknown"}
