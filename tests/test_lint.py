"""A fault in what was generated is told at the line of the description that caused it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cephos import lint, load, model, plan, render, schema_check
from cephos.diagnostics import Report, Source
from cephos.diagnostics import render as shown
from compiling import ROOT, edited

if TYPE_CHECKING:
    from cephos.tree import Tree

DOTTED = edited(
    ("os1:", "os1.lon.example:"),
    ("images: {pg_num: 64}", "images: {pg_num: 64, crush_rule: fast-ssd}"),
    ("client: nova}", "client: nova, options: {hw_disk_discard: unmap}}"),
)


def spoilt(tree: Tree, path: str, old: str, new: str) -> Tree:
    """Return the tree as a faulty template would make it."""
    bundles = []
    for each in tree.bundles:
        shared = dict(each.shared)
        if path in shared:
            text = shared[path].data.decode()
            assert old in text
            shared[path] = replace(shared[path], data=text.replace(old, new, 1).encode())
        bundles.append(replace(each, shared=shared))
    return replace(tree, bundles=tuple(bundles))


def found(path: str, old: str, new: str) -> str:
    """Return what is said of the example's tree with a fault in it."""
    source, report = Source("site.yaml", DOTTED), Report()
    document = load.load(source, report)
    assert document
    schema = json.loads((ROOT / "schema/site.schema.json").read_text())
    assert schema_check.check(document, schema) == []
    tree = render.render(plan.plan(model.build(document, report)), document, "")
    lint.lint(tree, document, report)
    assert not report
    lint.lint(spoilt(tree, path, old, new), document, report)
    return shown(report, source)


@pytest.mark.parametrize(
    ("path", "old", "new", "said"),
    [
        pytest.param(
            "steps/10-pools.sh", "fast-ssd", "$(id)fast-ssd",
            "10:40: error[E401]: hosts/ceph1/steps/10-pools.sh: line 10: SC2046: Quote this to",
            id="a value",
        ),
        pytest.param(
            "steps/10-pools.sh", " volumes", " volumes $1",
            "11:7: error[E401]: hosts/ceph1/steps/10-pools.sh: line 11: SC2086: Double quote to",
            id="a key",
        ),
        pytest.param(
            "files/nova.conf", "hw_disk_discard = unmap", "hw_disk_discard unmap",
            "18:45: error[E402]: hosts/compute01/files/nova.conf: line 13 is no assignment in a",
            id="an option",
        ),
        pytest.param(
            "steps/50-glance.sh", "\n\n", "\nif\n",
            "14:3: error[E401]: hosts/os1.lon.example/steps/50-glance.sh: line ",
            id="nothing that the site says: all that the file is made from",
        ),
        pytest.param(
            "lib/rollback.sh", "\n\n", "\necho $1\n\n",
            "2:1: error[E401]: hosts/ceph1/lib/rollback.sh: line 9: SC2086: Double quote to",
            id="a script that every bundle carries, other than it was released",
        ),
    ],
)  # fmt: skip
def test_the_place_is_what_the_faulty_line_says(path: str, old: str, new: str, said: str) -> None:
    text = found(path, old, new)
    assert text.startswith(f"site.yaml:{said}")
    assert "= help: the compiler made this from here; please report it" in text


def test_a_host_with_dots_in_its_name_is_found() -> None:
    document = load.load(Source("site.yaml", DOTTED), Report())
    assert document
    place = lint._place(document.data, "hosts.os1.lon.example")  # noqa: SLF001  # no file of a host's own is linted today
    assert place == ("hosts", "os1.lon.example")
