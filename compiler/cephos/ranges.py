"""Host ranges: `compute[01-40]`, `rack[1-4]-cmp[01-20]`, `db[1,3,5-8]`, or a single name.

A host becomes a folder name, a host name that bundles compare with, and a word in scripts, so only
names in the syntax of RFC 952 and RFC 1123 section 2.1, in lower case, pass.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from fnmatch import translate
from functools import cache, lru_cache
from itertools import pairwise, product
from typing import TYPE_CHECKING

from cephos.diagnostics import BLANK, quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    # The stretches of a name, of which every second is a number.
    _Row = tuple[str, ...]
    # A stretch of a pattern: where it begins, what it is, and whether that is a bracket's inside.
    _Piece = tuple[int, str, bool]

NAMES_LIMIT = 100_000
"""How many hosts one range may name, and all ranges of a site together."""

PATTERN_LIMIT = 1000
"""How many characters one range may have."""

_NAME_LIMIT = 253
_LABEL_LIMIT = 63
_BRACKET = re.compile(r"\[([^\[\]]*)\]")
_NUMBER = re.compile(r"([0-9]+)")
_ITEM = re.compile(r"(?P<first>[0-9]+)(?:-(?P<last>[0-9]+))?")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_PLAIN = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_FOREIGN = re.compile(r"[^a-z0-9.-]")
_GLOB = re.compile(r"[*?\[]")
_ADDRESS = re.compile(r"[0-9]+(?:\.[0-9]+){3}")


class RangeError(ValueError):
    """A pattern that is no host range; `code` is one of E121, E122, E123.

    `offset` and `length` tell which characters of the pattern the message is about.
    """

    def __init__(self, code: str, message: str, offset: int = 0, length: int = 1) -> None:
        """Say what is wrong, and where in the pattern."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.offset = offset
        self.length = max(1, length)


def expand(pattern: str) -> list[str]:
    """Return the host names of a range, in the order written, the leftmost bracket slowest.

    Zero padding is kept: `[01-40]`. Raises `RangeError`, before anything large is built, for a
    pattern that is malformed, names a host twice, names more than `NAMES_LIMIT` hosts or names
    what is no host name.
    """
    if _PLAIN.fullmatch(pattern):  # a name of one label: most entries of a site without ranges
        return [pattern]
    if len(pattern) > PATTERN_LIMIT:
        raise RangeError("E121", f"a host range is at most {PATTERN_LIMIT} characters long")
    if pattern == BLANK:
        message = "a blank to fill in: the name of a host, as `hostname` prints it there"
        raise RangeError("E123", message, 0, len(pattern))
    pieces = list(_pieces(pattern))
    for offset, text, inside in pieces:
        if not inside:
            _check_literal(text, offset)
    names: dict[str, None] = {}
    for name in _names(pieces):
        _check_name(name, len(pattern))
        if name in names:
            raise RangeError("E121", f"the range names '{name}' twice", 0, len(pattern))
        names[name] = None
    return list(names)


def _pieces(pattern: str) -> Iterator[_Piece]:
    """Yield the stretches between brackets and the insides of brackets, in order."""
    at = 0
    for match in _BRACKET.finditer(pattern):
        yield at, pattern[at : match.start()], False
        yield match.start(1), match[1], True
        at = match.end()
    yield at, pattern[at:], False


def _check_literal(text: str, offset: int) -> None:
    foreign = _FOREIGN.search(text)
    if not foreign:
        return
    character, at = foreign[0], offset + foreign.start()
    if character in "[]":
        raise RangeError("E121", f"the '{character}' has no matching bracket", at)
    if character.isupper():
        message = f"host names are in lower case: {quote(text.lower())}, not {quote(text)}"
        raise RangeError("E123", message, offset, len(text))
    message = f"{quote(character)} cannot be part of a host name; only a-z, 0-9, '-' and '.' can"
    raise RangeError("E123", message, at)


def _names(pieces: list[_Piece]) -> Iterator[str]:
    """Return every combination, after counting how many that makes."""
    counts = (sum(map(len, _numbers(text, at))) for at, text, inside in pieces if inside)
    if math.prod(counts) > NAMES_LIMIT:
        message = f"the range names more than {NAMES_LIMIT:,} hosts"
        at, text, _ = pieces[-1]
        raise RangeError("E122", message, 0, at + len(text))
    columns = [_texts(text, at) if inside else [text] for at, text, inside in pieces]
    return map("".join, product(*columns))


def _numbers(inside: str, offset: int) -> Iterator[range]:
    """Yield the numbers of each item of a bracket: `1,3,5-8`."""
    at = offset
    for item in inside.split(","):
        match = _ITEM.fullmatch(item)
        if not match:
            message = "a bracket holds numbers and ranges, such as [01-40] or [1,3,5-8]"
            raise RangeError("E121", message, at, len(item))
        first, last = match["first"], match["last"] or match["first"]
        padded = any(len(each) > 1 and each.startswith("0") for each in (first, last))
        if padded and len(first) != len(last):
            message = f"'{first}' and '{last}' are not equally wide; pad both with zeros, or none"
            raise RangeError("E121", message, at, len(item))
        if int(first) > int(last):
            raise RangeError("E121", f"the range {item} runs backwards", at, len(item))
        if int(last) - int(first) >= NAMES_LIMIT:
            message = f"the range names more than {NAMES_LIMIT:,} hosts"
            raise RangeError("E122", message, at, len(item))
        yield range(int(first), int(last) + 1)
        at += len(item) + 1


def _texts(inside: str, offset: int) -> list[str]:
    widths = [len(item.partition("-")[0]) for item in inside.split(",")]
    return [
        f"{number:0{width}}"
        for width, numbers in zip(widths, _numbers(inside, offset), strict=True)
        for number in numbers
    ]


def _check_name(name: str, length: int) -> None:
    """Refuse what has only characters of a host name and is none."""
    if len(name) > _NAME_LIMIT:
        message = f"a host name is at most {_NAME_LIMIT} characters long"
        raise RangeError("E123", message, 0, length)
    if _ADDRESS.fullmatch(name):
        raise RangeError("E123", f"'{name}' is an address, not a host name", 0, length)
    for label in name.split("."):
        if not _LABEL.fullmatch(label) or len(label) > _LABEL_LIMIT:
            message = (
                f"'{name}' is not a host name: each part between dots has 1 to {_LABEL_LIMIT}"
                " characters and begins and ends with a letter or digit"
            )
            raise RangeError("E123", message, 0, length)


def matches(pattern: str, name: str) -> bool:
    """Tell whether a host name is one of a range, or matches a shell glob (`*`, `?`, `[abc]`).

    Both may be mixed: in `rack[01-12]-*` the bracket is a range. A bracket of numbers always is, as
    in a site description: `[78]` means 78, not 7 or 8. No pattern is an error; one that is neither
    matches nothing.
    """
    return _matcher(pattern)(name)


@lru_cache(maxsize=64)
def _matcher(pattern: str) -> Callable[[str], bool]:
    pieces = [
        (at, f"[{text}]", False) if inside and not _is_range(text) else (at, text, inside)
        for at, text, inside in _pieces(pattern)
    ]
    try:
        globs = list(_names(pieces))
    except RangeError:
        globs = [pattern]
    if not any(map(_GLOB.search, globs)):
        return frozenset(globs).__contains__
    match = re.compile("|".join(map(translate, globs))).match
    return lambda name: match(name) is not None


def _is_range(inside: str) -> bool:
    try:
        return bool(list(_numbers(inside, 0)))
    except RangeError:
        return False


def fold(names: Iterable[str]) -> list[str]:
    """Return ranges that together name exactly these hosts, in the order of their first ones.

    The way back from `expand`, for people: consecutive numbers become `[01-40]`, the last number of
    a name before those in front of it, so that `rack[1-4]-cmp[01-20]` comes back whole.
    """
    return list(_fold(tuple(names)))


@lru_cache(maxsize=32)  # a runbook names the same hosts again and again
def _fold(names: tuple[str, ...]) -> tuple[str, ...]:
    rows = [*map(_row, dict.fromkeys(names))]
    for place in range(max(map(len, rows), default=0) - 2, 0, -2):
        rows = list(_folded(rows, place))
    return tuple("".join(row) for row in rows)


@cache
def _row(name: str) -> _Row:
    """Return text and numbers of a name by turns."""
    return tuple(_NUMBER.split(name))


def _folded(rows: list[_Row], place: int) -> Iterator[_Row]:
    """Yield the rows, those that differ in nothing but the number at `place` as one."""
    by_width: dict[tuple[_Row, _Row, int], list[str]] = defaultdict(list)
    for row in rows:
        if len(row) > place:
            number = row[place]
            by_width[row[:place], row[place + 1 :], len(number)].append(number)
        else:
            by_width[row, (), 0] = []
    alike: dict[tuple[_Row, _Row, int], list[int]] = defaultdict(list)
    for (before, after, width), numbers in by_width.items():
        is_padded = width > 1 and min(numbers).startswith("0")
        alike[before, after, width * is_padded] += map(int, numbers)
    for (before, after, width), integers in alike.items():
        yield (*before, *_bracketed(sorted(integers), width), *after)


def _bracketed(numbers: list[int], width: int) -> Iterator[str]:
    """Yield the numbers as one bracket, or as what it is if there is only one; nothing for none."""
    if not numbers:
        return
    gaps = [at for at, (one, other) in enumerate(pairwise(numbers), 1) if other != one + 1]
    runs = [{numbers[at], numbers[end - 1]} for at, end in pairwise([0, *gaps, len(numbers)])]
    text = ",".join("-".join(f"{number:0{width}}" for number in sorted(run)) for run in runs)
    yield text if len(numbers) == 1 else f"[{text}]"
