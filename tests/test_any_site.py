"""Any site at all: right ones compile, wrong ones are told their place, bytes are never a fault.

A few examples of each run always; `CEPHOS_TEST_EXAMPLES=5000 pytest tests/test_any_site.py` tries
others, and more of them.
"""

from __future__ import annotations

import copy
import io
import json
import re
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import assume, example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from cephos import knowledge
from cephos.diagnostics import Report, Source
from cephos.load import load
from compiling import ROOT, SITE, Ran, contents, examples, run

SCHEMA: dict[str, Any] = json.loads((ROOT / "schema/site.schema.json").read_bytes())
FORMS: dict[str, Any] = SCHEMA["definitions"]


def form(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    """Return texts of the form that a schema demands."""
    return st.from_regex(re.sub(r"\$$", r"\\Z", schema["pattern"]), alphabet=ASCII)


def some(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return mappings of any of these keys."""
    return st.fixed_dictionaries({}, optional=values)


ASCII = st.characters(max_codepoint=127)
LINES = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=20)
PLATFORMS = st.sampled_from(sorted(knowledge.platforms()))
LABELS = st.from_regex(r"[a-z][a-z0-9]{0,7}", fullmatch=True)
PG_NUMS = st.integers(0, 16).map(lambda power: 2**power)
OLD_POOLS = st.fixed_dictionaries(
    {"pg_num": PG_NUMS},
    optional={
        "size": st.integers(2, 10),
        "crush_rule": form(FORMS["pool"]["properties"]["crush_rule"]),
    },
)
"""What every release of Ceph takes."""
POOLS = OLD_POOLS | some(
    pg_num=PG_NUMS,
    autoscale=st.sampled_from(FORMS["pool"]["properties"]["autoscale"]["enum"]),
    target_size_ratio=st.floats(0.01, 1000) | st.integers(1, 1000),
)
MONITORS = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map("[{}]".format),
    LABELS.map("{}.example".format),
)


def releases(product: str) -> st.SearchStrategy[str]:
    return st.sampled_from([each.name for each in knowledge.releases(product)])


@st.composite
def sites(draw: st.DrawFn) -> dict[str, Any]:
    """Return a site without fault: what must agree is drawn once, the rest from the schema."""
    pools = draw(st.lists(form(FORMS["poolName"]), min_size=4, max_size=4, unique=True))
    clients = draw(st.lists(LABELS, min_size=4, max_size=4, unique=True))
    hosts = draw(st.lists(LABELS, min_size=4, max_size=4, unique=True))
    uses = [{"pool": pool, "client": client} for pool, client in zip(pools, clients, strict=True)]
    secrets = some(secret_uuid=form(FORMS["uuid"]))
    release, ceph = draw(releases("openstack")), draw(releases("ceph"))
    kinds = OLD_POOLS if ceph in {"luminous", "mimic", "nautilus"} else POOLS
    described_stores = (
        {} if release in {"queens", "rocky", "stein"} else {"store_description": LINES}
    )
    wide = draw(st.sampled_from(["", "-[1-3]", "-[08-11]", "[1,3]x[0-1]"]))
    described = [
        (hosts[0], ["ceph-admin"]),
        (hosts[1], ["glance", "cinder"]),
        (hosts[2] + wide, ["nova-compute"]),
        (f"{hosts[3]}-images", ["glance", "cinder-backup"]),
    ]
    return {
        "version": 1,
        "site": draw(form(SCHEMA["properties"]["site"])),
        "openstack": {"release": release, "platform": draw(PLATFORMS)},
        "clusters": {
            draw(LABELS): {
                "release": ceph,
                "fsid": draw(form(FORMS["uuid"])),
                "mon_host": draw(st.lists(MONITORS, min_size=1, max_size=5, unique=True)),
                "pools": {pool: draw(kinds) for pool in pools},
                "clients": {client: draw(secrets) for client in clients[1:3]},
            }
        },
        "services": {
            "glance": uses[0]
            | ({"unit": "httpd.service"} if release == "2026.2" else {})
            | draw(some(copy_on_write=st.booleans(), options=some(**described_stores))),
            "cinder": {
                "backends": {
                    f"{draw(LABELS)}-rbd": uses[1]
                    | draw(some(options=some(rbd_max_clone_depth=st.integers(0, 99))))
                },
                "backup": uses[3]
                | draw(some(options=some(backup_ceph_chunk_size=st.integers(1, 2**31)))),
            },
            "nova": uses[2]
            | draw(
                some(
                    cow_snapshots=st.booleans(),
                    options=some(hw_disk_discard=st.sampled_from(["ignore", "unmap"])),
                )
            ),
        },
        "hosts": {
            pattern: {"roles": roles} | draw(some(platform=PLATFORMS))
            for pattern, roles in draw(st.permutations(described))
        },
    }


def as_yaml(value: Any) -> str:
    """Return a document as a person writes it: in block style, without needless quotes."""
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # its annotation is None's
    written = io.StringIO()
    writer.dump(value, written)
    return written.getvalue()


def compiled(text: str, *arguments: str) -> tuple[Ran, dict[str, tuple[bytes, int]]]:
    """Compile a site to a folder that is gone then; return what was said, and the hosts' files."""
    with tempfile.TemporaryDirectory() as name:
        ran = run(Path(name), "site.yaml", "-o", "out", *arguments, site=text)
        return ran, contents(Path(name) / "out/hosts")


def told(ran: Ran, text: str) -> None:
    """Show that a run ended in order, and each thing it says stands somewhere in the text."""
    assert ran.status in {0, 1, 2}, ran.stderr
    assert all(line.isprintable() for line in ran.stderr.split("\n"))
    lines = re.split("\r\n|\r|\n", text)
    places = re.findall(r"^(?:site\.yaml|<stdin>):(\d+):(\d+): \w+\[[EW]", ran.stderr, re.MULTILINE)
    for line, column in places:
        assert 1 <= int(line) <= len(lines)
        assert 1 <= int(column) <= len(lines[int(line) - 1]) + 1
    assert places or ran.status != 1


@examples(3)
@given(site=sites())
def test_a_right_site_compiles_and_is_read_as_it_was_written(site: dict[str, Any]) -> None:
    block, flow = as_yaml(site), json.dumps(site, ensure_ascii=False)
    document = load(Source("site.yaml", block), Report())
    assert document
    assert document.data == site
    (ran, files), (again, same) = compiled(block), compiled(flow)
    assert (ran.status, again.status) == (0, 0), ran.stderr
    assert ": error" not in ran.stderr
    assert files == same


# ---------------------------------------------------------------------------------------------
# Wrong in one place


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the path of every value of a document but itself."""
    found = []
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            found += [(*path, key), *places(each, (*path, key))]
    return found


def around(site: dict[str, Any], path: tuple[str | int, ...]) -> Any:
    """Return what holds the value at a path."""
    for key in path[:-1]:
        site = site[key]  # type: ignore[index]  # the path is one of this document
    return site


@examples(40)
@given(data=st.data(), site=sites(), to=st.sampled_from([{}, [], "", "x", None, -1, 0.5, [[]]]))
def test_a_value_of_another_type_is_told(
    data: st.DataObject, site: dict[str, Any], to: Any
) -> None:
    path = data.draw(st.sampled_from(places(site)))
    holder, key = around(site, path), path[-1]
    assume(type(holder[key]) is not type(to))
    holder[key] = to
    text = as_yaml(site)
    ran, _ = compiled(text)
    told(ran, text)
    assert ran.status == 1 or "options" in path or "target_size_ratio" in path


@examples(15)
@given(data=st.data(), site=sites())
def test_a_key_that_is_missing_or_another_is_told(
    data: st.DataObject, site: dict[str, Any]
) -> None:
    path = data.draw(st.sampled_from([path for path in places(site) if isinstance(path[-1], str)]))
    missing, another = copy.deepcopy(site), copy.deepcopy(site)
    del around(missing, path)[path[-1]]
    around(another, path)[f"{path[-1]}_"] = around(another, path).pop(path[-1])
    for changed in (missing, another):
        text = as_yaml(changed)
        told(compiled(text)[0], text)


@examples(40)
@given(data=st.data(), site=sites())
def test_a_key_that_stands_twice_is_told(data: st.DataObject, site: dict[str, Any]) -> None:
    lines = as_yaml(site).splitlines(keepends=True)
    keys = [at for at, line in enumerate(lines) if re.match(r" *[\w\[\],-]+: *\S", line)]
    at = data.draw(st.sampled_from(keys))
    text = "".join([*lines[: at + 1], *lines[at:]])
    ran, _ = compiled(text)
    told(ran, text)
    assert re.search(f":{at + 2}:\\d+: error\\[E008\\]", ran.stderr)


# ---------------------------------------------------------------------------------------------
# Bytes


PIECES = st.one_of(
    st.binary(max_size=4),
    st.sampled_from(
        [
            *(b"\0", b"\xef\xbb\xbf", b"\xe9", b"\t", b"\r", b"\x1b[2J", b"\x9b", b"\xed\xa0\x80"),
            *("\u202e".encode(), "\u2028".encode(), b'"\\ud800"', b'"\\u202e"', b'"\\e[2J"'),
            *(
                b"&a ",
                b"*a",
                b"<<: ",
                b"!!int ",
                b"- ",
                b"? ",
                b"{",
                b"[",
                b"'",
                b'"',
                b"|\n",
                b"#",
            ),
            *(
                b"[0-99999999]",
                b"9" * 400,
                b"0x",
                b"1e999",
                b".nan",
                b"~",
                b"---\n",
                b"%YAML 1.1\n",
            ),
        ]
    ),
)
EDITS = st.lists(
    st.tuples(st.integers(0, len(SITE)), st.integers(0, 12), PIECES), min_size=1, max_size=6
)


@examples(100)
@given(edits=EDITS)
@example(edits=[(0, len(SITE), b"")])
@example(edits=[(0, 0, b"\xef\xbb\xbf")])
@example(edits=[(0, 0, b"\xff\xfe")])
@example(edits=[(SITE.index("pool: vms") + 4, 1, b"")])  # a misspelt key without a value
def test_a_site_of_any_bytes_ends_in_order(edits: list[tuple[int, int, bytes]]) -> None:
    content = SITE.encode()
    for at, gone, piece in edits:
        content = content[:at] + piece + content[at + gone :]
    ran = run(Path.cwd(), "-", "--check", stdin=content)
    told(ran, content.decode(errors="replace").removeprefix("\ufeff"))
    assert ran.status != 2 or "E00" in ran.stderr
