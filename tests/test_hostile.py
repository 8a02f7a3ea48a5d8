"""No text in a site description becomes code, leaves OUT, or brings the compiler down.

Wherever the schema takes text, hostile text is either refused with a place, or compiles to scripts
that are what they seem, and to INI and XML files that say exactly that text. oslo.config is the
oracle for INI.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from oslo_config import cfg

from cephos import ini
from compiling import ROOT, run

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPtSt8cCaIEORbiljBJbulyqDYmk0E3+Z9xusSNvkO94"
FULL: dict[str, Any] = {
    "version": 1,
    "site": "thesite",
    "transport": "scp",
    "openstack": {"release": "2025.1", "platform": "rdo"},
    "clusters": {
        "thecluster": {
            "release": "squid",
            "keys": "made",
            "caps": "profile",
            "min_compat_client": "mimic",
            "fsid": "3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10",
            "mon_host": ["themon"],
            "pools": {
                "images": {
                    "pg_num": 64,
                    "autoscale": "warn",
                    "target_size_ratio": 0.5,
                    "size": 3,
                    "crush_rule": "therule",
                },
                "volumes": {"data_pool": "made-data"},
                "made-data": {
                    "erasure": {"k": 4, "m": 2, "failure_domain": "rack", "device_class": "hdd"}
                },
                "vms": {"data_pool": "other-data"},
                "other-data": {"erasure": {"profile": "theprofile"}},
                "backups": {},
            },
            "clients": {"nova": {"secret_uuid": "0b7a54d8-3a3b-4bb8-a3cd-2d0f9e40b1a7"}},
        }
    },
    "services": {
        "glance": {
            "stores": {
                "thestore": {
                    "cluster": "thecluster",
                    "pool": "images",
                    "client": "images-user",
                    "options": {"store_description": "thedescription"},
                },
            },
            "default": "thestore",
            "all_locations": False,
            "unit": "theglance.service",
            "copy_on_write": True,
        },
        "cinder": {
            "backends": {
                "thebackend": {
                    "cluster": "thecluster",
                    "pool": "volumes",
                    "client": "volumes-user",
                    "volume_backend_name": "thetype",
                    "trash": "schedule",
                    "volume_type": "thevolumetype",
                    "availability_zone": "thezone",
                    "options": {"replication_device": "thedevice"},
                }
            },
            "backup": {"pool": "backups", "client": "backups-user"},
        },
        "nova": {
            "cluster": "thecluster",
            "pool": "vms",
            "client": "nova",
            "cow_snapshots": False,
            "options": {"disk_cachemodes": ["network=none", "file=none"]},
        },
    },
    "hosts": {
        "admin1": {"roles": ["ceph-admin"]},
        "ctl1": {"roles": ["glance", "cinder", "cinder-backup"], "platform": "debian"},
        "cmp[1-2]": {"roles": ["nova-compute"]},
    },
    "prepare": {
        "deploy_user": {
            "name": "thedeployer",
            "authorized_keys": [f"{KEY} thename"],
        }
    },
    "signers": [f"thesigner {KEY}"],
}
"""A site in which everything that the schema knows is said."""

TEXTS = {
    "quotes": "a'b\"c",
    "a lone quote": "'",
    "substitution": "$(touch CANARY)",
    "backticks": "`touch CANARY`",
    "parameter": "${IFS}$HOME",
    "end of command": "a; touch CANARY #",
    "end of quote": "'; touch CANARY; '",
    "double end of quote": '"; touch CANARY; "',
    "newline": "a\ntouch CANARY",
    "last newline": "a\n",
    "carriage return": "a\rb",
    "tab": "a\tb",
    "line separator": "a\u2028b",
    "leading dash": "--help",
    "parent folder": "../../CANARY",
    "absolute": "/etc/passwd",
    "dots": "..",
    "pattern": "*",
    "braces": "{a,b}",
    "template": "{{ site.__class__ }}{% include 'apply' %}",
    "markup": "</description><x>&amp;]]>",
    "section": "]\n[DEFAULT]",
    "assignment": "a = b",
    "comment": "# a ; b",
    "substituted": "a\\$b $$c $d",
    "continued": "a\\",
    "escape": "\x1b[31mred\x07",
    "unicode": "prod-ü-日本",
    "bidirectional": "a\u202eb\u2066c",
    "zero width": "a\u200bb",
    "emoji": "\U0001f4a9",
    "spaces": "  a  ",
    "empty": "",
    "long": "a" * 70_000,
    "markdown": "`](http://example.com)|<script>",
}


def keys(value: Any) -> set[str]:
    """Return every key of a document."""
    if isinstance(value, dict):
        return set(value).union(*map(keys, value.values()))
    return set().union(*map(keys, value)) if isinstance(value, list) else set()


def texts(value: Any) -> set[str]:
    """Return every text of a document, keys that are names among them."""
    if isinstance(value, dict):
        return (set(value) - known_keys()).union(*map(texts, value.values()))
    if isinstance(value, list):
        return set().union(*map(texts, value))
    return {value} if isinstance(value, str) else set()


def known_keys() -> set[str]:
    """Return every key that the schema knows by name."""

    def walk(schema: Any) -> set[str]:
        if not isinstance(schema, dict):
            return set()
        named = schema.get("properties", {})
        found = set(named) if isinstance(named, dict) else set()
        return found.union(*map(walk, schema.values()))

    return walk(json.loads((ROOT / "schema/site.schema.json").read_bytes()))


ALIKE = {
    "vms",
    "volumes",
    "images-user",
    "volumes-user",
    "glance",
    "cinder",
    "nova-compute",
    "ctl1",
}
"""Texts of positions that the schema and the compiler treat like another one's."""

POSITIONS = sorted(texts(FULL) - ALIKE - {"cmp[1-2]", "file=none"})


def test_the_full_site_says_everything_that_the_schema_knows() -> None:
    assert known_keys() <= keys(FULL)


def replaced(old: str, new: str) -> str:
    """Return the full site, as JSON, which is YAML, with a text replaced wherever it stands."""
    document = json.dumps(FULL, indent=1)
    assert json.dumps(old) in document
    return document.replace(json.dumps(old), json.dumps(new, ensure_ascii=False)) + "\n"


def test_the_full_site_is_right(tmp_path: Path) -> None:
    ran = run(tmp_path, "site.yaml", "-o", "out", "--strict", site=replaced("nova", "nova"))
    assert ran.status == 0, ran.stderr
    proven(tmp_path)


@pytest.mark.parametrize("name", TEXTS)
def test_hostile_text_is_refused_with_a_place_or_harmless(tmp_path: Path, name: str) -> None:
    for number, position in enumerate(POSITIONS):
        folder = tmp_path / str(number)
        folder.mkdir()
        ran = run(folder, "site.yaml", "-o", "out", site=replaced(position, TEXTS[name]))
        assert ran.status in {0, 1}, (position, ran.stderr)
        assert all(line.isprintable() for line in ran.stderr.split("\n")), position
        if ran.status == 0:
            proven(folder)
        else:
            first = ran.stderr.splitlines()[0]
            assert re.match(r"site\.yaml:\d+:\d+: error\[E\d+\]: ", first), (position, first)
            assert not (folder / "out").exists()
    assert not list(tmp_path.rglob("*CANARY*"))


def is_shell(data: bytes) -> bool:
    return data.startswith(b"#!") and b"bash" in data.partition(b"\n")[0]


def proven(folder: Path) -> None:
    """Prove that what was compiled in a folder is sound, by the programs that will read it."""
    out = folder / "out"
    for path in out.rglob("*"):
        assert re.fullmatch(r"[A-Za-z0-9_.-]+", path.name)
    scripts = [path for path in out.rglob("*") if path.is_file() and is_shell(path.read_bytes())]
    loop = 'for script; do bash -n "$script"; done'
    checked = subprocess.run(
        ["bash", "-ec", loop, "-", *scripts], capture_output=True, text=True, check=True
    )
    assert (checked.stdout, checked.stderr) == ("", "")
    for bundle in (out / "hosts").iterdir():
        listed = subprocess.run(
            ["bash", str(bundle / "apply"), "--list"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
        assert listed.stderr == ""
        steps = [line for line in listed.stdout.splitlines() if line[0] != " "]
        assert steps == [path.stem for path in sorted((bundle / "steps").iterdir())]
    for path in out.rglob("*.xml"):
        assert fromstring(path.read_bytes()).tag == "secret"  # noqa: S314  # our own output


def oslo(path: Path, section: str, option: cfg.Opt) -> Any:
    """Return what a service reads."""
    conf = cfg.ConfigOpts()
    conf.register_opt(option, group=section)
    conf(args=[], default_config_files=[str(path)])
    return conf[section][option.name]


@pytest.mark.parametrize("name", TEXTS)
def test_an_option_says_exactly_the_text(tmp_path: Path, name: str) -> None:
    text = TEXTS[name]
    quoted = json.dumps(text, ensure_ascii=False)
    site = replaced("thedescription", text).replace('"thedevice"', quoted)
    ran = run(tmp_path, "site.yaml", "-o", "out", site=site)
    if text.isprintable():
        assert ran.status == 0, ran.stderr
        files = tmp_path / "out/hosts/ctl1/files"
        assert oslo(files / "glance-api.conf", "thestore", cfg.StrOpt("store_description")) == text
        devices = oslo(files / "cinder.conf", "thebackend", cfg.MultiStrOpt("replication_device"))
        assert devices == [text]
    else:
        assert ran.status == 1
        assert re.match(r"site\.yaml:\d+:\d+: error\[E(004|214)\]", ran.stderr)


# what matters to the grammar, among all that is printable
LINES = st.text(
    st.one_of(
        st.sampled_from("$\\'\"#;=:[], {}%"),
        st.characters(exclude_categories=["C", "Zl", "Zp"]).filter(str.isprintable),
    ),
    max_size=30,
)


@settings(max_examples=200, deadline=None)
@given(text=LINES)
@example(text='"')
@example(text="\\$x")
@example(text="\\\\$x${y}$$")
@example(text="'a' b 'c'")
@example(text="[x]")
def test_any_line_is_read_back_by_oslo_config(text: str) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".conf", encoding="utf-8") as file:
        file.write(ini.text("", {"a": {"b": ini.value(text), "c": "d"}}))
        file.flush()
        assert oslo(Path(file.name), "a", cfg.StrOpt("b")) == text
        assert oslo(Path(file.name), "a", cfg.StrOpt("c")) == "d"


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=st.text(max_size=40) | LINES, items=st.lists(LINES | st.integers(), max_size=4))
def test_any_option_value_is_read_back_or_refused(text: str, items: list[str | int]) -> None:
    document = json.loads(replaced("thedescription", "thedescription"))
    services = document["services"]
    services["glance"]["stores"]["thestore"]["options"] = {
        "store_description": text,
        "image_import_opts.image_import_plugins": items,
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ran = run(folder, "site.yaml", "-o", "out", site=json.dumps(document, ensure_ascii=False))
        if ran.status:
            fit = all(str(item) and "," not in str(item) for item in items)
            assert ran.status == 1
            assert re.match(r"site\.yaml:\d+:\d+: error\[E\d+\]", ran.stderr)
            assert not (text.isprintable() and fit and items == [str(i).strip() for i in items])
            return
        conf = folder / "out/hosts/ctl1/files/glance-api.conf"
        assert oslo(conf, "thestore", cfg.StrOpt("store_description")) == text
        plugins = oslo(conf, "image_import_opts", cfg.ListOpt("image_import_plugins"))
        assert plugins == [str(item) for item in items]
