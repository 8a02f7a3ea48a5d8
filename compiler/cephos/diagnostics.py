"""Diagnostics: what is wrong, where in the site description, and what to do about it.

Every stage reports through one `Report`; `render` is the form that a person reads::

    site.yaml:14:15: error[E203]: client 'volume' is not used; did you mean 'volumes'?
    14 |       client: volume
       |               ^^^^^^

The description is hostile input: nothing of it reaches a terminal before `printable` has made its
control, format and bidirectional characters visible.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Severity = Literal["error", "warning"]


class Obstacle(Exception):  # noqa: N818  # not every obstacle is an error: OUT may be in use
    """What is no fault of the description stops the run; `advice` says what to do."""

    def __init__(self, message: str, advice: str | None = None) -> None:
        """Keep the advice beside the message."""
        super().__init__(message)
        self.advice = advice


CATALOGUE: Mapping[str, str] = {
    # E0xx: the input cannot be read as one YAML document
    "E001": "the site description cannot be opened or read",
    "E002": "the site description is not UTF-8 text",
    "E003": "the site description is too large",
    "E004": "a character that a site description may not contain",
    "E005": "not well-formed YAML",
    "E006": "the site description is empty",
    "E007": "more than one YAML document",
    "E008": "a key stands twice in one mapping",
    "E009": "an anchor, alias or merge key that cannot be followed",
    "E010": "nested too deeply",
    "E011": "the top level is not a mapping",
    "E012": "a YAML tag or directive that is not supported",
    "E013": "a number that cannot be represented",
    "E014": "a key that is not plain text",
    # E1xx: the document does not have the form that the schema describes
    "E101": "unknown key",
    "E102": "missing key",
    "E103": "value of the wrong type",
    "E104": "value that is not one of the allowed ones",
    "E105": "value or name of the wrong form",
    "E106": "value out of range, or too few or too many entries",
    "E107": "combination that is not allowed",
    # E12x: host names and ranges
    "E121": "malformed host range",
    "E122": "host range that names too many hosts",
    "E123": "not a host name",
    # E2xx: the site contradicts itself or what is known of its releases
    "E201": "unknown release",
    "E202": "unknown platform",
    "E203": "client that no service uses",
    "E204": "pool that the cluster does not have",
    "E205": "cluster that does not exist, or is not said",
    "E206": "role without its service",
    "E207": "setting of a host that does not suit its roles",
    "E208": "host described twice",
    "E209": "UUID copied from a manual",
    "E210": "two clients with one secret UUID",
    "E212": "option that the release does not have",
    "E213": "option that follows from something else",
    "E214": "value that does not fit its option",
    "E215": "not exactly one ceph-admin host for a cluster",
    "E216": "ceph-admin host that needs keys from another",
    "E217": "Cinder backend on several hosts",
    "E218": "one cluster under two names",
    "E219": "section that is not free for a backend or store",
    "E220": "disks of guests in another cluster than images",
    "E221": "service that would be the cluster's administrator",
    "E222": "address that no monitor can have",
    "E223": "pool that can only take data",
    "E224": "erasure code that does not add up",
    "E225": "client with two data pools",
    "E226": "store of images that is not there, or not decided",
    "E227": "several stores of images in a release that knows one",
    "E228": "deploy user that is somebody else already",
    "E231": "setting of a pool or cluster that its Ceph release needs or does not have",
    "E232": "unit of a service that must be named",
    "E241": "setting that nothing would follow from",
    # W3xx: allowed, but probably not meant
    "W301": "pool that no service uses",
    "W302": "service that no host runs",
    "W303": "deprecated option",
    "W304": "pool shared by services",
    "W305": "client shared by services",
    "W306": "number of placement groups that is no power of two",
    "W307": "trash that nobody empties",
    "W331": "capabilities that cannot break a dead client's lock",
    # E4xx: what was generated is not sound, a fault of the compiler
    "E401": "generated script that shellcheck objects to",
    "E402": "generated file that cannot be read back",
}
"""Every diagnostic code and its one-line title. `E…` are errors, `W…` warnings."""

BLANK = "FILL-IN"
"""What stands in the starter (`--init`) where only its reader knows the value."""

_QUOTE_LIMIT = 60
_MESSAGE_LIMIT = 1000
_WINDOW = 100
_CANDIDATES_LIMIT = 1000
_WORD_LIMIT = 64
_PART_LIMIT = 4
_TAB = "    "
_LINE_BREAK = re.compile(r"\r\n|\r|\n")

_RESET = "\x1b[0m"
_BOLD = "\x1b[1m"
_BLUE = "\x1b[1;34m"
_CYAN = "\x1b[1;36m"
_SEVERITY_COLOR: Mapping[Severity, str] = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m"}


@dataclass(frozen=True, order=True, slots=True)
class Span:
    """A stretch of the source; lines and columns count from 1, columns in characters.

    `end_column` is the column after the last character.
    """

    line: int
    column: int
    end_line: int
    end_column: int

    def part(self, offset: int, length: int = 1) -> Span:
        """Return the `length` characters at `offset` into this span, kept within its first line."""
        start = self.column + offset
        last = self.end_column if self.end_line == self.line else start + length
        start = max(self.column, min(start, last - 1))
        return Span(self.line, start, self.line, max(start + 1, min(start + length, last)))


@dataclass(frozen=True)
class Source:
    """A text and the name that people know it by, such as `site.yaml` or `<stdin>`."""

    name: str
    text: str

    @cached_property
    def _starts(self) -> list[int]:
        if "\r" in self.text:
            return [0, *(match.end() for match in _LINE_BREAK.finditer(self.text))]
        lengths = (len(line) + 1 for line in self.text.split("\n")[:-1])
        return [0, *accumulate(lengths)]

    def line(self, number: int) -> str:
        """Return line `number` (from 1) without its line break; '' if there is no such line."""
        if not 1 <= number <= len(self._starts):
            return ""
        start = self._starts[number - 1]
        end = self._starts[number] if number < len(self._starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n")

    def place(self, offset: int) -> tuple[int, int]:
        """Return the line and column of the character at `offset`."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def span(self, start: int, end: int) -> Span:
        """Return the span of `text[start:end]`."""
        return Span(*self.place(start), *self.place(max(start, end)))


@dataclass(frozen=True)
class Diagnostic:
    """One finding.

    `code` is a key of `CATALOGUE` (`KeyError` otherwise: a fault of the program, not of its input)
    and decides the severity; `span` is None for what has no place in the source; `help` says the
    next step where the message alone does not.
    """

    code: str
    message: str
    span: Span | None = None
    help: str | None = None

    def __post_init__(self) -> None:
        if self.code not in CATALOGUE:
            raise KeyError(f"diagnostic code {self.code} is not in the catalogue")

    @property
    def severity(self) -> Severity:
        """Return what the code's letter says, before `--strict`."""
        return "warning" if self.code.startswith("W") else "error"


@dataclass
class Report:
    """What all stages of one run found; with `strict`, warnings count as errors."""

    strict: bool = False
    _found: dict[Diagnostic, None] = field(default_factory=dict, init=False, repr=False)

    def add(
        self,
        code: str,
        message: str,
        span: Span | None = None,
        help: str | None = None,  # noqa: A002  # the word that the reader of a diagnostic sees
    ) -> None:
        """Add a finding; one that was reported before is dropped."""
        self._found.setdefault(Diagnostic(code, message, span, help))

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Add many findings."""
        self._found.update(dict.fromkeys(diagnostics))

    def follow(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Add what a later stage found, except at places where an earlier one found an error.

        What is not even YAML, say, is not told to have the wrong type as well.
        """
        told = {each.span for each in self._found if each.span and each.severity == "error"}
        self.extend(each for each in diagnostics if each.span not in told)

    def __iter__(self) -> Iterator[Diagnostic]:
        """Yield the findings in file order; those without a place come last."""
        return iter(sorted(self._found, key=_file_order))

    def __len__(self) -> int:
        return len(self._found)

    def severity(self, diagnostic: Diagnostic) -> Severity:
        """Return the severity that the diagnostic has in this run."""
        return "error" if self.strict else diagnostic.severity

    @property
    def errors(self) -> list[Diagnostic]:
        """The findings that keep this run from succeeding, in file order."""
        return [each for each in self if self.severity(each) == "error"]

    @property
    def warnings(self) -> list[Diagnostic]:
        """The findings that do not, in file order."""
        return [each for each in self if self.severity(each) == "warning"]


def _file_order(diagnostic: Diagnostic) -> tuple[bool, tuple[int, int], str, str]:
    span = diagnostic.span
    place = (span.line, span.column) if span else (0, 0)
    return span is None, place, diagnostic.code, diagnostic.message


def render(report: Report, source: Source, *, color: bool = False, limit: int = 20) -> str:
    """Return the report as text for a terminal, each line ended by a line feed; '' if it is empty.

    At most `limit` diagnostics are shown, errors before warnings when there is no room for all;
    the last line then counts the rest.
    """
    found = list(report)
    if len(found) > limit:
        shown = {id(each) for each in [*report.errors, *report.warnings][:limit]}
        hidden = len(found) - limit
        found = [each for each in found if id(each) in shown]
    else:
        hidden = 0
    paint = _painted if color else _plain
    texts = [_entry(each, report.severity(each), source, paint) for each in found]
    if hidden:
        texts.append(f"… and {hidden:,} more; --format json tells all\n")
    return "".join(texts)


def _painted(text: str, style: str) -> str:
    return f"{style}{text}{_RESET}"


def _plain(text: str, _style: str) -> str:
    return text


def _entry(
    diagnostic: Diagnostic, severity: Severity, source: Source, paint: Callable[[str, str], str]
) -> str:
    span = diagnostic.span
    place = f"{printable(source.name)}:" + (f"{span.line}:{span.column}:" if span else "")
    style = _SEVERITY_COLOR[severity]
    label = paint(f"{severity}[{diagnostic.code}]", style)
    lines = [f"{paint(place, _BOLD)} {label}: {_shortened(printable(diagnostic.message))}"]
    gutter = "  "
    if span and (text := source.line(span.line)).strip():
        number = str(span.line)
        gutter = " " * len(number)
        shown, indent, width = _window(text, span)
        lines += [
            f"{paint(f'{number} |', _BLUE)} {shown}",
            f"{paint(f'{gutter} |', _BLUE)} {' ' * indent}{paint('^' * width, style)}",
        ]
    if diagnostic.help:
        text = _shortened(printable(diagnostic.help))
        lines.append(f"{gutter} {paint('=', _BLUE)} {paint('help', _CYAN)}: {text}")
    return "".join(f"{line}\n" for line in lines)


def _window(text: str, span: Span) -> tuple[str, int, int]:
    """Return the line as shown, and the indent and width of the underline, in terminal cells."""
    start = min(span.column - 1, len(text))
    end = span.end_column - 1 if span.end_line == span.line else len(text.rstrip())
    end = max(start, min(end, len(text)))
    # A line that does not fit is cut to the part around the place.
    first = 0 if start < _WINDOW - 20 else start - 20
    last = first + _WINDOW
    end = min(end, last)
    cells = [_cell(character) for character in text[first:last]]
    head, tail = "…" if first else "", "…" if last < len(text) else ""
    indent = len(head) + sum(map(_width, cells[: start - first]))
    width = sum(map(_width, cells[start - first : end - first]))
    return head + "".join(cells).rstrip() + tail, indent, max(1, width)


def _cell(character: str) -> str:
    return _TAB if character == "\t" else printable(character)


def _width(cell: str) -> int:
    """Return how many terminal cells a text takes (2 for a wide character)."""
    if cell.isascii():
        return len(cell)
    return sum(
        0
        if unicodedata.category(character) in {"Mn", "Me"}
        else 2
        if unicodedata.east_asian_width(character) in {"W", "F"}
        else 1
        for character in cell
    )


def _shortened(text: str, limit: int = _MESSAGE_LIMIT) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def printable(text: str) -> str:
    r"""Return the text with each character that a terminal may act upon as its escape (`\x1b`).

    That is all control, format (bidirectional and zero-width too), surrogate, unassigned and
    non-ASCII space characters.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def quote(value: object) -> str:
    """Return a value of the description, shortened, in quotes, for use in a message."""
    text = printable(_shortened(value if isinstance(value, str) else str(value), _QUOTE_LIMIT))
    return f'"{text}"' if "'" in text else f"'{text}'"


def describe(value: object, text: str | None = None) -> str:
    """Return kind and content of a value, which is written as `text`: "the number 0640"."""
    match value:
        case None:
            return "empty"
        case bool():
            return f"the truth value {text or str(value).lower()}"
        case int() | float():
            return f"the number {text or value}"
        case str():
            return f"the text {quote(value)}"
        case list():
            return "a list"
        case _:
            return "a mapping"


def did_you_mean(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that `word` was probably meant to be, or None.

    That is the one that is spelt almost alike, or else the only one that is part of the word or
    that the word is part of (`compute` for `nova-compute`).
    """
    return _closest(word, tuple(candidates))


@lru_cache(maxsize=4096)
def _closest(word: str, candidates: Sequence[str]) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415  # only a run with a mistake needs it

    if len(word) > _WORD_LIMIT:
        return None
    slack = max(2, len(word) // 3)
    near = [each for each in candidates if abs(len(each) - len(word)) <= slack]
    folded = {each.casefold(): each for each in near[:_CANDIDATES_LIMIT]}
    matches = get_close_matches(word.casefold(), folded, n=1, cutoff=0.65)
    if matches:
        return folded[matches[0]]
    related = [
        each
        for each in candidates
        if (word in each or each in word) and min(len(word), len(each)) >= _PART_LIMIT
    ]
    return related[0] if len(related) == 1 else None
