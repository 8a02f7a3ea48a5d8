from __future__ import annotations

import re
import unicodedata
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cephos.diagnostics import (
    CATALOGUE,
    Diagnostic,
    Report,
    Source,
    Span,
    did_you_mean,
    printable,
    quote,
    render,
)

SITE = Source(
    "site.yaml",
    "services:\n  glance:\n\tclient: volume\n  名前: wide # e\u0301\n",
)


def rendered(*found: Diagnostic, source: Source = SITE, strict: bool = False) -> str:
    report = Report(strict=strict)
    report.extend(found)
    return render(report, source)


def test_place_message_source_line_caret_and_help() -> None:
    found = Diagnostic("E101", "'glance' is not known", Span(2, 3, 2, 9), "remove it")
    assert rendered(found) == (
        "site.yaml:2:3: error[E101]: 'glance' is not known\n"
        "2 |   glance:\n"
        "  |   ^^^^^^\n"
        "  = help: remove it\n"
    )


@pytest.mark.parametrize(
    ("source", "span", "expected"),
    [
        pytest.param(
            SITE.text,
            Span(3, 10, 3, 16),
            "3 |     client: volume\n  |             ^^^^^^\n",
            id="a tab is four cells",
        ),
        pytest.param(
            SITE.text,
            Span(4, 3, 4, 5),
            "4 |   名前: wide # e\u0301\n  |   ^^^^\n",
            id="wide characters are two cells",
        ),
        pytest.param(
            SITE.text,
            Span(4, 7, 4, 11),
            "4 |   名前: wide # e\u0301\n  |         ^^^^\n",
            id="after wide characters",
        ),
        pytest.param(
            SITE.text,
            Span(4, 14, 4, 16),
            "4 |   名前: wide # e\u0301\n  |                ^\n",
            id="a combining character takes no cell",
        ),
        pytest.param(
            SITE.text,
            Span(1, 1, 3, 5),
            "1 | services:\n  | ^^^^^^^^^\n",
            id="several lines: the first",
        ),
        pytest.param(
            "a: \x1b[2Jx\u202eb\n",
            Span(1, 8, 1, 9),
            "1 | a: \\x1b[2Jx\\u202eb\n  |           ^\n",
            id="control characters are shown",
        ),
        pytest.param(
            "ab\n", Span(1, 3, 1, 3), "1 | ab\n  |   ^\n", id="a place without extent, at the end"
        ),
        pytest.param("a\rbc\r\nd", Span(2, 2, 2, 3), "2 | bc\n  |  ^\n", id="old line breaks"),
        pytest.param(
            f"{'x' * 500} bad {'y' * 500}",
            Span(1, 502, 1, 505),
            f"1 | …{'x' * 19} bad {'y' * 76}…\n  | {' ' * 21}^^^\n",
            id="a long line is cut to what matters",
        ),
        pytest.param("a\n\n", Span(2, 1, 2, 1), "", id="an empty line is not shown"),
        pytest.param("a\n", Span(7, 1, 7, 1), "", id="a line that does not exist is not shown"),
    ],
)
def test_the_caret_stands_under_the_place(source: str, span: Span, expected: str) -> None:
    text = rendered(Diagnostic("E005", "x", span), source=Source("s", source))
    assert text == f"s:{span.line}:{span.column}: error[E005]: x\n{expected}"


def test_wide_line_numbers_widen_the_gutter() -> None:
    source = Source("s", "\n" * 99 + "key: v\n")
    text = rendered(Diagnostic("E101", "x", Span(100, 1, 100, 4), "y"), source=source)
    assert text == (
        "s:100:1: error[E101]: x\n"
        "100 | key: v\n"
        "    | ^^^\n"
        "    = help: y\n"
    )  # fmt: skip


def test_no_place_no_line() -> None:
    assert rendered(Diagnostic("E001", "is a directory")) == (
        "site.yaml: error[E001]: is a directory\n"
    )


def test_file_order_and_no_duplicates() -> None:
    last = Diagnostic("E104", "no place")
    second = Diagnostic("E103", "b", Span(2, 3, 2, 4))
    first = Diagnostic("E104", "a", Span(1, 9, 1, 10))
    report = Report()
    report.extend([last, second, first, second])
    report.add("E104", "a", Span(1, 9, 1, 10))
    assert list(report) == [first, second, last]
    assert len(report) == 3


def test_colour_only_on_request() -> None:
    report = Report()
    report.add("E101", "\x1b[31mred", Span(1, 1, 1, 4), "h")
    assert "\x1b" not in render(report, SITE)
    coloured = render(report, SITE, color=True)
    assert "\x1b[1;31merror[E101]\x1b[0m: \\x1b[31mred" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == render(report, SITE)


def test_at_most_a_screenful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "cephos.diagnostics.CATALOGUE", {**CATALOGUE, "W399": "a warning for this test"}
    )
    report = Report()
    report.add("W399", "early warning", Span(1, 1, 1, 2))
    for number in range(1200):
        report.add("E101", f"error {number}", Span(2, number + 1, 2, number + 2))
    lines = render(report, Source("s", "")).splitlines()
    assert lines[0] == "s:2:1: error[E101]: error 0", "errors go before warnings"
    assert len(lines) == 21
    assert lines[-1] == "… and 1,181 more; --format json tells all"
    assert render(report, Source("s", ""), limit=1201).startswith("s:1:1: warning[W399]")


def test_strict_turns_warnings_into_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cephos.diagnostics.CATALOGUE", {"W301": "t", "E101": "t"})
    warning, error = Diagnostic("W301", "w", Span(1, 1, 1, 2)), Diagnostic("E101", "e")
    lax, strict = Report(), Report(strict=True)
    lax.extend([warning, error])
    strict.extend([warning, error])
    assert (lax.errors, lax.warnings) == ([error], [warning])
    assert (strict.errors, strict.warnings) == ([warning, error], [])
    assert rendered(warning).startswith("site.yaml:1:1: warning[W301]: w\n")
    assert rendered(warning, strict=True).startswith("site.yaml:1:1: error[W301]: w\n")


def test_a_code_must_be_in_the_catalogue() -> None:
    with pytest.raises(KeyError, match="E999"):
        Diagnostic("E999", "x")


def test_the_catalogue_is_well_formed() -> None:
    for code, title in CATALOGUE.items():
        assert re.fullmatch(r"[EW][0-9]{3}", code)
        assert title == title.strip().rstrip(".")
        assert title


def test_a_diagnostic_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Diagnostic("E101", "x").message = "y"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("offset", "length", "expected"),
    [
        (0, 3, Span(4, 10, 4, 13)),
        (2, 1, Span(4, 12, 4, 13)),
        (3, 9, Span(4, 13, 4, 15)),
        (9, 1, Span(4, 14, 4, 15)),
    ],
)
def test_part_of_a_span_stays_within_it(offset: int, length: int, expected: Span) -> None:
    assert Span(4, 10, 4, 15).part(offset, length) == expected


@pytest.mark.parametrize(
    ("word", "candidates", "expected"),
    [
        ("volume", ["images", "volumes"], "volumes"),
        ("cinderr", ["nova", "cinder", "glance"], "cinder"),
        ("Glance", ["glance", "nova"], "glance"),
        ("glace", ["glance", "nova"], "glance"),
        ("nova", ["nova-compute", "cinder"], "nova-compute"),
        ("cinder-volume", ["cinder", "nova-compute"], "cinder"),
        ("compute", ["nova-compute", "cinder"], "nova-compute"),
        ("ceph", ["ceph-admin", "ceph-monitor"], None),
        ("x", ["xyz"], None),
        ("x", ["y", "z"], None),
        ("anything", [], None),
        ("", ["a"], None),
        ("a" * 10_000_000, ["a" * 9_999_999], None),
    ],
)
def test_did_you_mean(word: str, candidates: list[str], expected: str | None) -> None:
    assert did_you_mean(word, candidates) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("os1", "'os1'"),
        ("it's", '"it\'s"'),
        ("a\nb\x1b", r"'a\nb\x1b'"),
        (7, "'7'"),
        ("x" * 99, f"'{'x' * 59}…'"),
    ],
)
def test_quote(value: object, expected: str) -> None:
    assert quote(value) == expected


@given(st.text())
def test_nothing_unprintable_is_ever_shown(text: str) -> None:
    shown = rendered(Diagnostic("E101", text, Span(1, 1, 1, 9), text), source=Source(text, text))
    lines = shown.split("\n")
    assert all(line.isprintable() for line in lines)
    assert not {"Cc", "Cf", "Cs"} & set(map(unicodedata.category, printable(text)))


@given(st.text(alphabet="a\r\n\u00e9"), st.data())
def test_every_offset_has_the_place_that_counting_gives(text: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    before = re.split(r"\r\n|\r|\n", text[:offset])
    if text[offset - 1 : offset + 1] == "\r\n" and offset:
        # Between the halves of a line break: still the end of the line.
        before = [*before[:-2], before[-2] + "\r"]
    assert Source("s", text).place(offset) == (len(before), len(before[-1]) + 1)
