"""Hosts that say the same are parsed once; nobody must be able to tell that from what comes out."""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cephos import alike, load
from cephos.diagnostics import Report, Source, render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cephos.load import Document, Path

HEAD = "site: lon1\nhosts:\n"
SAME = [
    " {roles: [nova-compute]}\n",
    "\n    roles:\n      - nova-compute\n",
    "\n    roles: [nova-compute]\n    platform: rdo # since May\n",
]
TAIL = "services:\n  nova: {pool: vms}\n"

# what entries may say, what may stand between them and around them: whatever may be mistaken
SAYS = [
    *SAME,
    "\n    roles:\n    - glance\n    # a comment\n    - cinder\n\n    platform: rdo\n",
    "\n",
    " ~\n",
    ' "a # b"\n',
    " 'it''s'\n",
    " two\n    lines\n",
    ' "two\n    lines"\n',
    ' "open\n',
    ' close"\n',
    " 'open\n",
    " [open,\n",
    " close]\n",
    " {open: 1,\n",
    " [a # ]\n",
    ' [a"]\n',
    ' "\\" # "\n',
    " |\n    text\n",
    " |+\n    text\n\n",
    " >-\n",
    " &x {a: 1}\n",
    " *x\n",
    " !!str 1\n",
    "\n    <<: {a: 1}\n",
    "\n    a: 1\n    a: 2\n",
    "\n    a: 1\n   b: 2\n",
    "\n    - 1\n    -\n",
    "\n    a:\n      b:\n",
    " 1\t\n",
    " a: b\n",
    " @\n",
    " é\n",
    "x\n",
    " 0o17\n",
]
NAMES = ["n", "a", "b", "c", "compute1", "compute10", "r[1-3]", "null", "1.5", "-x", '"q"', "<<"]
GAPS = [
    "",
    "\n",
    "# c\n",
    "  # c\n",
    "    # c\n",
    "      \n",
    "    deeper: 1\n",
    "\t\n",
    "  # c\r    deeper: 1\n",
]
HEADS = [
    HEAD,
    "hosts: # all\n\n  # rack 1\n",
    "hosts:\n",
    'site: "\nhosts:\n',
    "site: |\n hosts:\n",
    "x: {\nhosts:\n",
    "hosts: &x\n",
    "hosts: {}\nhosts:\n",
    "a: &x {b: 1}\nhosts:\n",
    "---\nhosts:\n",
    "hosts:\r\n",
]
TAILS = [
    "",
    TAIL,
    '"\n',
    'end: "\n',
    "}\n",
    "hosts: {}\n",
    "...\n",
    "# end",
    "  ",
    "- x\n",
    "x: *x\n",
    "# \r\n",
]

Entries = list[tuple[str, str, str]]

ODD = st.tuples(st.sampled_from(GAPS), st.sampled_from(NAMES), st.sampled_from(SAYS))
USUAL = st.tuples(st.sampled_from(["", "  # c\n"]), st.sampled_from(NAMES), st.sampled_from(SAME))
MANY = st.lists(st.one_of(USUAL, USUAL, USUAL, ODD), max_size=8, unique_by=lambda entry: entry[1])


def written(head: str, entries: Entries, tail: str, *, indent: str = "  ") -> str:
    return head + "".join(f"{gap}{indent}{name}:{says}" for gap, name, says in entries) + tail


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    yield (*path, "nothing")
    inner: dict[Any, Any] = {}
    if isinstance(value, dict):
        inner = value
    elif isinstance(value, list):
        inner = dict(enumerate(value))
    for key, each in inner.items():
        yield from paths(each, (*path, key))


def outcome(source: Source) -> tuple[Any, ...]:
    """Return all that a reader of the document can see."""
    report = Report()
    document: Document | None = load.load(source, report)
    told = render(report, source)
    if document is None:
        return (told,)
    places = [
        (path, document.span(path), document.span(path, key=True), document.text(path))
        for path in paths(document.data)
    ]
    return told, repr(document.data), document.unsound, places


def assert_nobody_can_tell(text: str) -> None:
    source = Source("site.yaml", text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alike, "find", lambda _: None)
        expected = outcome(source)
    assert outcome(source) == expected


@pytest.mark.parametrize("odd", SAYS)
def test_an_odd_entry_among_equal_ones(odd: str) -> None:
    around = [*product(SAME, GAPS, ["n"]), *product(SAME, [""], NAMES)]
    for says, gap, name in around:
        usual = [("", "a", says), ("", "compute1", says), (gap, "c", says)]
        assert_nobody_can_tell(written(HEAD, [*usual, (gap, name, odd)], ""))
        odd_first = [("", name, odd), *usual[:2], (gap, "c", odd)]
        assert_nobody_can_tell(written(HEAD, odd_first, TAIL))


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("tail", TAILS)
def test_equal_entries_in_odd_surroundings(head: str, tail: str) -> None:
    for says, gap, indent in product(SAME, GAPS, ["", " ", "  ", "    "]):
        entries = [("", "a", says), (gap, "compute10", says), (gap, "c", says)]
        assert_nobody_can_tell(written(head, entries, tail, indent=indent))


@settings(max_examples=500, deadline=None)
@given(head=st.sampled_from(HEADS), entries=MANY, tail=st.sampled_from(TAILS))
def test_any_mixture(head: str, entries: Entries, tail: str) -> None:
    assert_nobody_can_tell(written(head, entries, tail))


@pytest.mark.parametrize("says", SAME)
@pytest.mark.parametrize("gap", ["", "\n  # serial CN1\n"])
@pytest.mark.parametrize("tail", ["", TAIL, "# end\n"])
def test_what_was_said_before_is_left_out(says: str, gap: str, tail: str) -> None:
    entries = [(gap, f"compute{number}", says) for number in range(1, 12)]
    text = written(HEAD, entries, tail)
    found = alike.find(text)
    assert found
    assert re.findall(r"compute[0-9]+", found.text) == ["compute1"]
    assert {name: each.model for name, each in found.entries.items()} == {
        f"compute{number}": "compute1" for number in range(1, 12)
    }


@pytest.mark.parametrize(
    "says", [" &x {a: 1}\n", ' "\n', " [a,\n  ]\n", " |\n    a\n", " ? a\n", '\n   x": ["\n']
)
def test_nothing_is_left_out_where_something_may_go_on(says: str) -> None:
    entries = [("", "a", SAME[0]), ("", "b", SAME[0])]
    assert alike.find(written(HEAD, entries, TAIL))
    assert not alike.find(written(HEAD, [*entries, ("", "c", says)], TAIL))


def test_a_name_that_is_too_long_for_yaml_is_none_here() -> None:
    entries = [("", "a", SAME[0]), ("", "b" * 1500, SAME[0])]
    source, report = Source("site.yaml", written(HEAD, entries, TAIL)), Report()
    assert load.load(source, report) is None
    assert "':'" in render(report, source)


def test_values_of_hosts_that_are_left_out_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "VALUES_LIMIT", 1000)
    entries = [("", f"compute{number}", SAME[0]) for number in range(1000)]
    source, report = Source("site.yaml", written(HEAD, entries, TAIL)), Report()
    assert load.load(source, report) is None
    assert "more than 1,000 values" in render(report, source)
