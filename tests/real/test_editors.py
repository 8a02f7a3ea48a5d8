"""The schema in an editor: yaml-language-server itself, with no network, on the example."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from cephos import knowledge
from compiling import ROOT, run
from node import module
from node.lsp import Editor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.real, pytest.mark.hostless]

EXAMPLE = (ROOT / "examples/lon1.yaml").read_text()
SCHEMA = json.loads((ROOT / "schema/site.schema.json").read_text())


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    """An editor on a copy of the examples and their schema."""
    folder = tmp_path_factory.mktemp("editor")
    for name in ("examples", "schema"):
        shutil.copytree(ROOT / name, folder / name)
    server = module("yaml-language-server") / "bin/yaml-language-server"
    offline = ["unshare", "--net", "node", str(server), "--stdio"]
    with Editor(offline, folder) as opened:
        yield opened


def place(text: str, sought: str) -> tuple[int, int]:
    """Return line and character, from 0, of the first occurrence."""
    before = text[: text.index(sought)]
    return before.count("\n"), len(before) - before.rfind("\n") - 1


def offered(editor: Editor, name: str, text: str) -> dict[str, str]:
    """Return what the editor offers where `|` stands in the text, each with its explanation."""
    line, character = place(text, "|")
    editor.open(f"examples/{name}.yaml", text.replace("|", ""))
    found = editor.at("completion", f"examples/{name}.yaml", line, character)
    return {
        item["label"]: text_of(item.get("documentation"))
        for item in (found["items"] if isinstance(found, dict) else found)
    }


def text_of(markup: Any) -> str:
    return str(markup["value"] if isinstance(markup, dict) else markup or "")


def test_the_example_is_right(editor: Editor) -> None:
    assert EXAMPLE.startswith("# yaml-language-server: $schema=../schema/site.schema.json\n")
    assert editor.open("examples/lon1.yaml", EXAMPLE) == []


@pytest.mark.parametrize(
    ("sought", "says"),
    [
        ("fsid", SCHEMA["definitions"]["cluster"]["properties"]["fsid"]["description"]),
        ("pg_num", SCHEMA["definitions"]["pool"]["properties"]["pg_num"]["description"]),
        ("roles", SCHEMA["definitions"]["host"]["properties"]["roles"]["description"]),
        ("nova-compute", "Runs nova-compute and libvirt, which gets the secrets."),
        ("backends", SCHEMA["definitions"]["cinder"]["properties"]["backends"]["description"]),
    ],
)
def test_hover_explains(editor: Editor, sought: str, says: str) -> None:
    editor.open("examples/lon1.yaml", EXAMPLE)
    line, character = place(EXAMPLE, sought)
    hover = editor.at("hover", "examples/lon1.yaml", line, character + 1)
    assert says in text_of(hover["contents"]).replace("\\", "")


def test_keys_are_offered_with_what_they_are_for(editor: Editor) -> None:
    text = EXAMPLE.replace("    fsid:", "    |\n    fsid:")
    keys = offered(editor, "keys", text)
    cluster = SCHEMA["definitions"]["cluster"]["properties"]
    assert keys.keys() == cluster.keys() - {"release", "fsid", "mon_host", "pools"}
    assert keys["clients"] == cluster["clients"]["description"]
    assert all(keys.values())


def test_roles_are_offered_with_what_they_are(editor: Editor) -> None:
    roles = offered(editor, "roles", EXAMPLE.replace("[glance, cinder]", "[|]"))
    items = SCHEMA["definitions"]["host"]["properties"]["roles"]["items"]
    assert roles == dict(zip(items["enum"], items["enumDescriptions"], strict=True))
    assert all(roles.values())


@pytest.mark.parametrize("product", ["openstack", "ceph"])
def test_releases_are_offered_with_what_they_are(editor: Editor, product: str) -> None:
    written = {"openstack": 'release: "2025.1"', "ceph": "release: squid"}[product]
    releases = offered(editor, product, EXAMPLE.replace(written, "release: |"))
    known = {each.name for each in knowledge.releases(product)}
    assert {label.strip('"') for label in releases} == known
    assert all(releases.values())


def test_platforms_are_offered_with_what_they_are(editor: Editor) -> None:
    platforms = offered(editor, "platforms", EXAMPLE.replace("platform: rdo", "platform: |"))
    assert platforms == {name: each.title for name, each in knowledge.platforms().items()}


def test_a_fault_is_marked_where_it_stands(editor: Editor) -> None:
    text = EXAMPLE.replace("client: volumes", "clinet: volumes").replace(
        "pg_num: 64", "pg_num: x", 1
    )
    marked = {
        (each["range"]["start"]["line"], each["range"]["start"]["character"]): each["message"]
        for each in editor.open("examples/wrong.yaml", text)
    }
    assert "number" in marked[place(text, "x}")] or "integer" in marked[place(text, "x}")]
    assert "clinet" in marked[place(text, "clinet")]


def test_the_starter_finds_the_schema_that_its_comment_says_to_put_there(
    tmp_path: Path, editor: Editor
) -> None:
    starter = run(tmp_path, "--init").stdout
    folder = editor.folder / "starter"
    folder.mkdir()
    (folder / "site.schema.json").write_text(run(tmp_path, "--schema").stdout)
    blanks = {place(starter, blank) for blank in ("FILL-IN\n\nopenstack", "FILL-IN             #")}
    found = editor.open("starter/site.yaml", starter)
    marked = {
        (each["range"]["start"]["line"], each["range"]["start"]["character"]) for each in found
    }
    assert marked == blanks
