"""`--plan`: what a change of the site means.

`tests/changes/NAME/` holds a site before and after, and the plan in its three forms;
`CEPHOS_UPDATE=1` rewrites the forms.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID, uuid5

import jsonschema
import pytest

from cephos import knowledge
from cephos.effects import effects
from cephos.tree import File
from compiling import ROOT, SITE, Ran, compiled, contents, edited, run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
DATA = [
    ("      volumes: {}\n", "      volumes: {data_pool: data}\n"),
    ("images: {pg_num: 64}", "images: {data_pool: data}"),
    ("      vms: {}\n", "      vms: {data_pool: more}\n      data: {erasure: {k: 4, m: 2}}\n"),
    ("      data: {", "      more: {erasure: {profile: slow}}\n      data: {"),
]
BACKUP = [
    ("      vms: {}\n", "      vms: {}\n      backups: {}\n"),
    ("  nova: {", "    backup: {pool: backups, client: backup}\n  nova: {"),
    ("[glance, cinder]", "[glance, cinder, cinder-backup]"),
]
BACKUP_OPTION = "client: backup}", "client: backup, options: {backup_ceph_chunk_size: 1048576}}"
OTHER = "0d5f6a52-79c5-4b5e-9d44-2f8f0e3b6a11"
FSID = "3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10"


def secret(value: object) -> tuple[str, str]:
    return "services:\n", f"    clients: {{cinder: {{secret_uuid: {value}}}}}\nservices:\n"


TWO = f"  two: {{release: squid, fsid: {OTHER}, mon_host: [a], pools: {{images: {{}}}}}}\n"
STORES = [
    ("services:\n", f"{TWO}services:\n"),
    (
        "glance: {pool: images, client: glance, options: {rbd_store_chunk_size: 4}}",
        (
            "glance: {stores: {rbd: {cluster: ceph, pool: images, client: glance, options:"
            " {rbd_store_chunk_size: 4}}, two: {cluster: two, pool: images, client: glance}},"
            " default: rbd, all_locations: false}"
        ),
    ),
    ("rbd: {pool: volumes", "rbd: {cluster: ceph, pool: volumes"),
    ("nova: {pool: vms", "nova: {cluster: ceph, pool: vms"),
    ("ignore}", "ignore, never_download_image_if_on_rbd: true}"),
]


def to_the_second(service: str, pool: str) -> list[tuple[str, str]]:
    """Return the edits that move a service, which takes its pool along."""
    moved = "pools: {images: {}", f"pools: {{images: {{}}, {pool}: {{}}"
    return [(service, service.replace("ceph", "two")), (f"      {pool}: {{}}\n", ""), moved]


ROWS = [
    Row(["secret-uuid"], [secret(OTHER)], [secret(uuid5(UUID(FSID), "client.cinder"))]),
    Row(["secret-uuid", "fsid"], [(FSID, OTHER)], []),
    Row(["cluster-name", "cluster"], [("  ceph:\n", "  west:\n")], []),
    Row(["mon-host"], [('192.168.8.11, "', '"')], [('"[fd', '192.168.8.13, "[fd')]),
    Row(["client"], [("client: glance", "client: images")], []),
    Row(["client"], [("client: cinder", "client: volumes")], []),
    Row(["client"], [("client: nova", "client: guests")], []),
    Row(
        ["data-pool", "caps"],
        [("volumes: {data_pool: data", "volumes: {data_pool: more")],
        [],
        before=DATA,
    ),
    Row(["data-pool", "caps"], [("volumes: {data_pool: data", "volumes: {")], [], before=DATA),
    Row(["pool", "caps"], [("vms", "disks")], [("vms: {}", "vms: {pg_num: 32}")]),
    Row(["pool", "caps"], [("volumes", "disks")], []),
    Row(["pool", "caps"], [("images", "pictures")], []),
    Row(["backend"], [("      rbd:", "      ssd:")], []),
    # a store that is described alone is short for a map of one, so none is lost between the two
    Row([], [], STORES),
    Row(
        ["cluster"],
        [
            ("rbd: {cluster: ceph, pool: images", "rbd: {cluster: two, pool: images"),
            ("two: {cluster: two", "two: {cluster: ceph"),
        ],
        [("default: rbd", "default: two")],
        before=STORES,
    ),
    Row(
        ["cluster"],
        to_the_second("rbd: {cluster: ceph, pool: volumes", "volumes"),
        [],
        before=STORES,
    ),
    Row(["cluster"], to_the_second("nova: {cluster: ceph", "vms"), [], before=STORES),
    Row(["image-store"], [("two: {cluster", "new: {cluster")], [], before=STORES),
    Row(["all-locations"], [("all_locations: false", "all_locations: true")], [], before=STORES),
    Row(
        ["volume-backend-name"],
        [("client: cinder", "client: cinder, volume_backend_name: fast")],
        [("client: cinder", "client: cinder, volume_backend_name: rbd")],
    ),
    Row(
        ["pool", "caps"],
        [("backups", "archive")],
        [("backups: {}", "backups: {size: 2}")],
        before=BACKUP,
    ),
    Row(["service", "role"], [edit[::-1] for edit in BACKUP], [], before=BACKUP),
    Row(["option"], [BACKUP_OPTION[::-1]], [], before=[*BACKUP, BACKUP_OPTION]),
    Row(["service", "caps", "role"], [GLANCE, ("[glance, cinder]", "[cinder]"), IMAGES], []),
    Row(["cow-snapshots-on"], [COW], [("client: nova", "client: nova, cow_snapshots: false")]),
    Row(["caps", "cow-snapshots-off"], [COW[::-1]], [], before=[COW]),
    Row(["option"], [("rbd_store_chunk_size: 4", "")], [("chunk_size: 4", "chunk_size: 8")]),
    Row(["option"], [("rbd_max_clone_depth: 3", "")], [("depth: 3", "depth: 5")]),
    Row(
        ["option"],
        [("rbd_connect_timeout: 9", "")],
        # what the site leaves out, the compiler still writes
        [("hw_disk_discard: ignore, ", "")],
        before=[("ignore", "ignore, rbd_connect_timeout: 9")],
    ),
    Row([], [("hw_disk_discard: ignore", "")], [("ignore", "unmap")]),
    Row([], [("hw_disk_discard: unmap", "")], [], before=[("ignore", "unmap")]),
    # another spelling is the same option
    Row(
        [],
        [("hw_disk_discard", "libvirt.hw_disk_discard")],
        [("rbd_max_clone_depth", "<backend>.rbd_max_clone_depth")],
    ),
    # a host that runs another backend has nothing to lose
    Row(
        [],
        [(", report_discard_supported: true", "")],
        [],
        before=[
            ("depth: 3}}", "depth: 3, report_discard_supported: true}}\n      two: {TWO}"),
            ("{TWO}", "{pool: more, client: more}"),
            ("      vms: {}\n", "      vms: {}\n      more: {}\n"),
            ("cinder]}", "cinder], backends: [rbd]}\n  os2: {roles: [cinder], backends: [two]}"),
        ],
    ),
    Row(["release"], [("squid", "tentacle")], []),
    Row(["release"], [('"2025.1"', "zed")], [('"2025.1"', "epoxy")]),
    Row(["platform"], [("platform: rdo", "platform: debian")], []),
    Row(["host"], [("[01-02]", "[02-03]")], [("[01-02]", "[01-03]")]),
    Row(
        ["backend-host", "role"],
        [("[glance, cinder]", "[glance]}\n  os2: {roles: [cinder]")],
        [("max_clone_depth: 3", "max_clone_depth: 3, backend_host: os1")],
    ),
    Row(
        ["role"],
        [("[glance, cinder]", "[glance]}\n  os2: {roles: [cinder]")],
        [],
        before=[("max_clone_depth: 3", "max_clone_depth: 3, backend_host: anywhere")],
    ),
    # the name that all backends of a host's file have in common, whatever names it
    Row(
        ["backend-host"],
        [("host: c1", "host: c2")],
        [
            ("DEFAULT.host: c1", "host: c1"),
            ("[glance, cinder]", "[glance, cinder]}\n  os2: {roles: [nova-compute]"),
        ],
        before=[("depth: 3", "depth: 3, DEFAULT.host: c1")],
    ),
    Row(
        ["role"],
        [("[glance, cinder]", "[glance]}\n  os2: {roles: [cinder]")],
        [],
        before=[("depth: 3", "depth: 3, host: vol")],
    ),
    Row(
        ["backend-host"],
        [("host: vol", "host: lov")],
        [("host: vol", "DEFAULT.host: vol")],
        before=[*BACKUP, ("client: backup}", "client: backup, options: {host: vol}}")],
    ),
    Row(
        [],
        [("host: c1", "host: c2")],
        [],
        before=[("depth: 3", "depth: 3, host: c1, backend_host: own")],
    ),
    Row(
        ["min-compat-client"],
        [("    mon_host:", "    min_compat_client: mimic\n    mon_host:")],
        [],
    ),
    Row(
        [],
        [("    min_compat_client: mimic\n", "")],
        [],
        before=[("    mon_host:", "    min_compat_client: mimic\n    mon_host:")],
    ),
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


# --- what it is held against

GROWN = edited(("[01-02]", "[01-40]"), ("client: glance}", "client: pictures}"))


def test_it_writes_nothing(tmp_path: Path) -> None:
    before = contents(compiled(tmp_path))
    assert planned(tmp_path, GROWN, "--plan").status == 3
    assert contents(tmp_path / "out") == before
    assert planned(tmp_path, GROWN, "--plan", tmp_path / "new").status == 1
    assert not (tmp_path / "new").exists()


def test_with_host_it_is_the_plan_of_these(tmp_path: Path) -> None:
    compiled(tmp_path)
    arguments = ("-o", "out", "--plan=json", "--host", "os1", "--host", "compute03")
    found = meaning(run(tmp_path, "site.yaml", *arguments, site=GROWN))
    assert [turn["hosts"] for turn in found["apply"]] == [["compute03"], ["os1"]]
    assert (found["added"][0]["hosts"], found["removed"]) == (["compute03"], [])
    # a danger is one of the site
    assert [danger["code"] for danger in found["dangers"]] == ["client"]


def test_after_a_part_was_compiled_it_knows_what_each_host_has(tmp_path: Path) -> None:
    compiled(tmp_path)
    site = edited(("client: nova}", "client: guests}"))
    assert run(tmp_path, "site.yaml", "-o", "out", "--host", "compute01", site=site).status == 0
    found = meaning(planned(tmp_path, site))
    assert [turn["hosts"] for turn in found["apply"]] == [["ceph1"], ["compute02"]]
    # the danger is there until the change has come to every host
    assert [danger["code"] for danger in found["dangers"]] == ["client"]
    assert run(tmp_path, "site.yaml", "-o", "out").status == 0
    assert meaning(planned(tmp_path, site))["changes"] is False


def test_the_way_back_of_a_part_is_as_dangerous_as_its_way_there(tmp_path: Path) -> None:
    compiled(tmp_path)

    def compile_part(client: str, *hosts: str) -> None:
        site = edited(("client: nova}", f"client: {client}}}"))
        chosen = [option for host in hosts for option in ("--host", host)]
        assert run(tmp_path, "site.yaml", "-o", "out", *chosen, site=site).status == 0

    def dangers(client: str) -> list[tuple[str, str, list[str]]]:
        found = meaning(planned(tmp_path, edited(("client: nova}", f"client: {client}}}"))))
        return [
            (case["before"], case["after"], case["hosts"])
            for danger in found["dangers"]
            if danger["code"] == "client"
            for case in danger["cases"]
        ]

    compile_part("guests", "compute01")
    assert dangers("guests") == [("nova", "guests", ["compute02"])]
    assert dangers("nova") == [("guests", "nova", ["compute01"])]
    compile_part("vms", "compute02")
    assert dangers("nova") == [
        ("guests", "nova", ["compute01"]),
        ("vms", "nova", ["compute02"]),
    ]
    # a host that moved on, or back, is no longer where it was
    compile_part("vms", "compute01")
    assert dangers("nova") == [("vms", "nova", ["compute[01-02]"])]
    compile_part("nova", "compute01", "compute02")
    assert dangers("nova") == []
    assert meaning(planned(tmp_path, SITE))["changes"] is False


def in_parts(folder: Path, site: str, *parts: tuple[str, ...]) -> None:
    """Compile the hosts of each part alone."""
    for hosts in parts:
        chosen = [option for host in hosts for option in ("--host", host)]
        assert run(folder, "site.yaml", "-o", "out", *chosen, site=site).status == 0


def test_a_site_that_came_in_parts_is_as_if_it_had_come_at_once(tmp_path: Path) -> None:
    compiled(tmp_path)
    site = edited(("client: nova}", "client: guests}"))
    in_parts(tmp_path, site, ("compute*",), ("ceph1", "os1"))
    found = meaning(planned(tmp_path, site))
    assert (found["changes"], found["dangers"]) == (False, [])


def test_what_no_host_of_a_part_feels_is_no_danger_of_its_way_back(tmp_path: Path) -> None:
    compiled(tmp_path)
    in_parts(tmp_path, edited(("client: nova}", "client: guests}")), ("os1",))
    assert meaning(planned(tmp_path, SITE))["dangers"] == []


def test_a_host_that_was_compiled_for_another_site_is_a_danger(tmp_path: Path) -> None:
    """Its bundle manages the same, under other names."""
    compiled(tmp_path)
    in_parts(tmp_path, edited(("site: lon1", "site: lon2")), ("compute01",))
    found = meaning(planned(tmp_path, SITE))
    assert [danger["code"] for danger in found["dangers"]] == ["site"]
    assert {"hosts": ["compute01"], "files": ["README.md", "host.env"]} in found["rendered"]


def test_after_an_interrupted_run_it_is_the_way_from_the_complete_one(tmp_path: Path) -> None:
    out = compiled(tmp_path)
    (out / ".cephos-pending.json").write_text('{"files": {"hosts/compute03/apply": {}}}')
    ran = planned(tmp_path, GROWN)
    assert f"an earlier run on {out} was interrupted: this is since the one before it" in ran.stderr
    assert json.loads(ran.stdout)["added"][0]["hosts"] == ["compute[03-40]"]


def recorded(out: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what OUT remembers, as somebody may who can write there."""
    path = out / "manifest.json"
    manifest = json.loads(path.read_bytes())
    change(manifest)
    path.write_text(json.dumps(manifest))


def clients(manifest: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = manifest["record"]["facts"]["clusters"]["ceph"]["clients"]
    return found


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.pop("record"),
        lambda manifest: manifest.update(record=[]),
        lambda manifest: manifest["record"].update(version=2),
        lambda manifest: manifest["record"]["profiles"][0].update(hosts=["a[1-"]),
        lambda manifest: manifest["record"]["profiles"][0].update(steps={"10-pools": []}),
        lambda manifest: manifest["record"]["facts"].update(clusters={"ceph": None}),
        lambda manifest: manifest["record"]["facts"].update(clusters=1e9),
        lambda manifest: manifest["record"]["facts"].update(clusters=True),
        lambda manifest: manifest["record"].update(ahead=[{"hosts": ["os1"]}]),
        lambda manifest: manifest["record"].update(
            ahead=[{"facts": {"site": ""}, "hosts": ["[-"]}]
        ),
        lambda manifest: clients(manifest).update(glance={"pools": "all"}),
        lambda manifest: clients(manifest)["glance"].update(pools={"images": "own"}),
    ],
    ids=[
        *("none", "no object", "another version", "no range", "no steps", "no facts"),
        *("a number", "a truth value", "nothing ahead", "ahead no range", "no pools", "no access"),
    ],
)
def test_without_a_record_files_are_compared_and_that_is_a_danger(
    change: Callable[[dict[str, Any]], object], tmp_path: Path
) -> None:
    out = compiled(tmp_path)
    recorded(out, change)
    assert meaning(planned(tmp_path, SITE))["changes"] is False
    site = edited(("[01-02]", "[02-03]"), ("{pg_num: 64}", "{pg_num: 32}"))
    found = meaning(planned(tmp_path, site))
    assert found["compared"] == "files"
    assert [danger["code"] for danger in found["dangers"]] == ["unknown"]
    assert found["added"][0]["hosts"] == ["compute03"]
    assert found["removed"][0]["hosts"] == ["compute01"]
    assert {"hosts": ["ceph1"], "files": ["files/handoffs", "steps/10-pools.sh"]} in (
        found["rendered"]
    )
    assert "cannot be told" in " ".join(planned(tmp_path, site, "--plan").stdout.split())


def test_a_site_with_errors_has_no_plan(tmp_path: Path) -> None:
    compiled(tmp_path)
    ran = planned(tmp_path, edited(("pool: vms", "pool: vmz")))
    assert (ran.status, ran.stdout) == (1, "")
    assert "error[E204]" in ran.stderr


@pytest.mark.parametrize("other", ["--check", "--diff"])
def test_one_thing_at_a_time(other: str, tmp_path: Path) -> None:
    ran = run(tmp_path, "site.yaml", "-o", "out", "--plan", other, site=SITE)
    assert ran.status == 2
    assert f"{other} and --plan both write nothing: choose one" in ran.stderr


# --- how it is shown


def test_colour_is_for_people(tmp_path: Path) -> None:
    compiled(tmp_path)
    plain = planned(tmp_path, GROWN, "--plan").stdout
    assert "\x1b" not in plain
    arguments = ("site.yaml", "-o", "out", "--plan", "--color", "always")
    coloured = run(tmp_path, *arguments).stdout
    assert "\x1b[32m+\x1b[0m compute[03-40]" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_what_out_remembers_cannot_act_on_a_reader(tmp_path: Path) -> None:
    """Whoever writes to OUT must not write to the terminal of its reviewer, nor into the page."""
    hostile = "\x1b]0;x\x07 `` | <img src=x> \u202e @all\n# big"

    def poison(manifest: dict[str, Any]) -> None:
        manifest["record"]["facts"]["services"]["nova"]["pool"] = hostile
        manifest["record"]["facts"]["services"]["nova"][hostile] = hostile

    recorded(compiled(tmp_path), poison)
    text = planned(tmp_path, SITE, "--plan").stdout
    assert text.replace("\n", "").isprintable()
    assert not re.search(r"(?m)^# big", text)
    page = planned(tmp_path, SITE, "--plan=markdown").stdout
    assert page.replace("\n", "").isprintable()
    # three backticks hold two
    shown = r"\x1b]0;x\x07 `` | <img src=x> \u202e @all\n# big"
    assert f"```{shown}``` → `vms`" in page
    rows = [line for line in page.splitlines() if line.startswith("|") and "<img" in line]
    assert rows
    assert {len(re.split(r"(?<!\\)\|", row)) for row in rows} == {5}


def test_a_verb_that_is_not_known_is_a_fault_not_an_omission() -> None:
    step = {"steps/10-new.sh": File(b"new_verb a b\n", "site", executable=True)}
    with pytest.raises(ValueError, match="what the verb new_verb manages"):
        effects(step)


def test_a_site_of_many_hosts_is_recorded_in_few_words(tmp_path: Path) -> None:
    """Hosts written one by one, so far apart that their range is longer than a range may be."""
    hosts = [f"  c{number}: {{roles: [nova-compute]}}\n" for number in range(100_000, 100_480, 3)]
    site = edited(("  compute[01-02]: {roles: [nova-compute]}\n", "".join(hosts)))
    compiled(tmp_path, site)
    assert meaning(planned(tmp_path, site))["changes"] is False
    found = meaning(planned(tmp_path, site.replace("c100300:", "c100301:")))
    assert (found["added"][0]["hosts"], found["removed"][0]["hosts"]) == (["c100301"], ["c100300"])
