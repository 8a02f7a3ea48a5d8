"""`review.html`: whole, true, inert and small. How it behaves in a browser: real/test_pages.py."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import pytest

from cephos import model, ranges
from cephos.diagnostics import Report, Source
from cephos.load import load
from cephos.plan import plan
from cephos.render import render
from cephos.review import HOST_SHOWN, LINES_SHOWN
from compiling import ROOT, SITE, edited

VOID = {"br", "input", "link", "meta"}


@dataclass
class Element:
    """An element of a page."""

    tag: str
    attributes: dict[str, str]
    children: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Return all text inside."""
        return "".join(each if isinstance(each, str) else each.text for each in self.children)

    def all(self, tag: str = "", **attributes: str) -> list[Element]:
        """Return the elements inside with this tag and these attributes (a class among others)."""
        found = []
        for each in self.children:
            if isinstance(each, Element):
                has = each.attributes | {"class_": each.attributes.get("class", "")}
                if tag in {"", each.tag} and all(
                    value in has.get(name, "").split() for name, value in attributes.items()
                ):
                    found.append(each)
                found += each.all(tag, **attributes)
        return found


class _Reader(HTMLParser):
    """Builds elements, and refuses what a browser would have to guess at."""

    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), (tag, names)
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, (self.open[-1].tag, tag, self.getpos())
        self.open.pop()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in {"rect", "path"}, tag
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)


def read(page: str) -> Element:
    """Return the page as elements; it must be well-formed."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    assert len(reader.open) == 1, reader.open[-1].tag
    return reader.open[0]


def data_of(page: Element) -> Any:
    (data,) = page.all("script", id="data")
    return json.loads(data.text)


def made(site: str, name: str = "review.html") -> str:
    """Return the page of a description, even of one that schema and rules would refuse."""
    document = load(Source("site.yaml", site), Report())
    assert document
    tree = render(plan(model.build(document, Report())), document, "")
    return tree.files[name].data.decode()


@pytest.fixture(scope="module")
def example() -> Element:
    return read((ROOT / "out/review.html").read_text())


def test_every_reference_on_the_page_leads_somewhere(example: Element) -> None:
    ids = [each.attributes["id"] for each in example.all() if "id" in each.attributes]
    assert len(set(ids)) == len(ids)
    for each in example.all():
        for name in ("aria-labelledby", "aria-describedby", "aria-controls", "for", "list"):
            if name in each.attributes:
                assert each.attributes[name] in ids
        if each.tag == "a":
            assert each.attributes["href"].removeprefix("#") in ids


def test_the_page_fetches_nothing_and_runs_only_its_own_script(example: Element) -> None:
    for each in example.all():
        for name, value in each.attributes.items():
            assert not name.startswith("on")
            assert name not in {"src", "srcset", "action", "style", "data", "poster", "xlink:href"}
            if name == "href":
                assert value == "data:," or value.startswith("#")
    style, script = example.all("style")[0].text, example.all("script")[-1].text
    assert not re.search(r"url\(|@import|https?:", style)
    assert not re.search(r"https?:|fetch|XMLHttp|import|innerHTML|insertAdjacentHTML|eval", script)
    (policy,) = (
        each.attributes["content"]
        for each in example.all("meta")
        if each.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    rules = dict(rule.split(maxsplit=1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    for name, text in (("style-src", style), ("script-src", script)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[name] == f"'sha256-{digest}'"


def test_the_page_shows_every_step_and_file_as_it_is(example: Element) -> None:
    data, seen = data_of(example), set()
    for kind in example.all("article", class_="kind"):
        for pattern, *_ in data["hosts"][kind.attributes["id"]]:
            for host in ranges.expand(pattern):
                bundle = ROOT / "out/hosts" / host
                shown = {
                    each.attributes["data-path"]: each.all("pre")[0].text
                    for each in kind.all("details", class_="file")
                }
                seen.add(host)
                assert {path: text.replace(HOST_SHOWN, host) for path, text in shown.items()} == {
                    str(path.relative_to(bundle)): path.read_text()
                    for path in [
                        *bundle.glob("steps/*"),
                        *bundle.glob("files/*"),
                        bundle / "host.env",
                    ]
                }
    assert seen == {path.name for path in (ROOT / "out/hosts").iterdir()}


def test_every_source_is_the_line_where_its_key_stands(example: Element) -> None:
    lines = (ROOT / "examples/lon1.yaml").read_text().splitlines()
    data = data_of(example)
    named = {each.attributes["data-source"] for each in example.all("span", class_="from")}
    assert named == set(data["lines"])
    for source, line in data["lines"].items():
        assert f"{source.rpartition('.')[2]}:" in lines[line - 1]
    for entries in data["hosts"].values():
        for pattern, line, *_ in entries:
            assert f"{pattern}:" in lines[line - 1]


def test_keys_have_the_owner_and_mode_that_the_steps_give_them(example: Element) -> None:
    (keys,) = example.all("section", id="keys")
    rows = Counter(tuple(cell.text for cell in row.all("td")) for row in keys.all("tr")[1:])
    wanted: Counter[tuple[str, ...]] = Counter()
    for host in ("os1", "compute01"):
        bundle = ROOT / "out/hosts" / host
        steps = "".join(path.read_text() for path in bundle.glob("steps/*"))
        secrets = {
            re.findall("ceph.client.([a-z]+) secret", text)[0]: re.findall(
                "<uuid>(.+)</uuid>", text
            )[0]
            for text in (path.read_text() for path in bundle.glob("files/*.xml"))
        }
        for name, owner, mode in set(re.findall(r"install_keyring +(\S+) (\S+) (\S+)", steps)):
            file = f"/etc/ceph/ceph.client.{name}.keyring"
            wanted[f"client.{name}", file, owner, mode, secrets.get(name, "\u2013")] += 1
    assert rows == wanted


def test_the_picture_has_a_line_for_every_right(example: Element) -> None:
    (matrix,) = example.all("table", class_="matrix")
    rights = Counter(each.text for row in matrix.all("tr")[1:] for each in row.all("td")[:-1])
    lines = Counter(each.attributes["class"] for each in example.all("svg")[0].all("path"))
    assert (lines["write"], lines["read"]) == (rights["write"], rights["read"]) == (3, 2)
    assert lines["key"] == sum(
        len(row.all("td")) == 5 for row in example.all("section", id="keys")[0].all("tr")
    )
    for group in example.all("g", class_="client"):
        assert group.attributes["tabindex"] == "0"
        assert re.match(r"client\.\w+ may write to ", group.attributes["aria-label"])


HOSTILE = """</script><script>alert(1)</script><img src=x onerror="alert(2)">'&{{ 7 * 7 }}--><!--"""


def hostile() -> str:
    """Return a site with the hostile text wherever a person gives a name or text."""
    document = {
        "version": 1,
        "site": HOSTILE,
        "openstack": {"release": "2025.1", "platform": "rdo"},
        "clusters": {
            HOSTILE: {
                "release": "squid",
                "fsid": "3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10",
                "mon_host": [HOSTILE],
                "pools": {HOSTILE: {"crush_rule": HOSTILE}},
            }
        },
        "services": {
            "glance": {
                "pool": HOSTILE,
                "client": HOSTILE,
                "options": {"store_description": HOSTILE},
            },
            "cinder": {"backends": {HOSTILE: {"pool": HOSTILE, "client": HOSTILE}}},
            "nova": {"pool": HOSTILE, "client": HOSTILE},
        },
        "hosts": {"a": {"roles": ["ceph-admin", "glance", "cinder", "nova-compute"]}},
    }
    return json.dumps(document)


def test_hostile_text_is_shown_and_does_nothing() -> None:
    text = made(hostile())
    page, calm = read(text), read(made(hostile().replace(json.dumps(HOSTILE)[1:-1], "calm")))
    assert [each.tag for each in page.all()] == [each.tag for each in calm.all()]
    assert [sorted(each.attributes) for each in page.all()] == [
        sorted(each.attributes) for each in calm.all()
    ]
    assert page.all("h1")[0].text == f"Site {HOSTILE}"
    assert f"services.cinder.backends.{HOSTILE}" in data_of(page)["lines"]


def test_ten_thousand_hosts_make_no_larger_a_page_than_two() -> None:
    two, many = made(SITE), made(edited(("compute[01-02]", "compute[00001-10000]")))
    assert len(many) < len(two) + LINES_SHOWN * 80 < 300_000
    assert f"{10_000 + 2 - LINES_SHOWN:,} more lines" in many  # of files/handoffs


def test_hosts_written_one_by_one_are_one_range() -> None:
    alone = "\n".join(
        f"  compute{number:03}: {{roles: [nova-compute]}}" for number in range(1, 101)
    )
    page = read(made(edited(("  compute[01-02]: {roles: [nova-compute]}", alone))))
    (entries,) = (entry for entry in data_of(page)["hosts"].values() if "compute" in entry[0][0])
    assert entries == [["compute[001-100]"]]


def test_a_comment_in_the_description_changes_lines_and_nothing_else() -> None:
    before, after = made(SITE), made("# a comment\n" + SITE)
    changed = [
        pair
        for pair in zip(before.splitlines(), after.splitlines(), strict=True)
        if len(set(pair)) > 1
    ]
    assert len(changed) == 1
    assert changed[0][0].startswith('<script type="application/json" id="data">')
