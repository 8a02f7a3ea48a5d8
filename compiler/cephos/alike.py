"""Hosts that say what one before them says, so that a parser need not read them again.

A region has ten thousand entries of `hosts` and a handful of different ones. `find` compares their
text, which is many times faster than to parse it. Equal text has an equal meaning only where it
stands between lines that leave nothing open. So this takes only entries of what cannot go on after
the end of its line: plain words, brackets, quotes without escapes, comments. Where `hosts` holds
anything else, nothing is left out. What a parser makes of the rest must agree (`Alike.agrees`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

HOSTS = "hosts"

_BLANKS = r"(?:[ ]*+(?:\#[^\n]*+)?+\n)*+"
_LINE_END = r"[ ]*+(?:(?<=[ ])\#[^\n]*+)?+(?:\n|\Z)"
_HOSTS = re.compile(
    rf"^{HOSTS}:{_LINE_END}(?P<first>{_BLANKS}(?P<indent>[ ]+))", re.VERBOSE | re.MULTILINE
)
# a longer name may be none for a parser: YAML has keys of at most 1024 characters on one line
_ENTRY = rf"""
    {_BLANKS} INDENT (?P<name>[A-Za-z0-9][A-Za-z0-9.,\[\]-]{{0,255}}+):
    (?P<said> (?:[ ][^\n]*+)?+ (?:\n|\Z) (?:INDENT[ ][^\n]*+(?:\n|\Z))*+ )
"""
_END = re.compile(rf"{_BLANKS} (?: [ ]*+ (?:\#[^\n]*+)?+ \Z | (?=[A-Za-z]) )", re.VERBOSE)

_PLAIN = r"[A-Za-z0-9_./:+=-]"
# amid a plain word a quote is a letter like others, and what follows it is not quoted
_QUOTED = rf"(?<!{_PLAIN}) (?: \"[^\"\\\n]*+\" | '[^'\n]*+' )"
_LIST = rf"\[ (?: {_PLAIN} | [ ,] )*+ \]"
_MAPPING = rf"\{{ (?: {_PLAIN} | [ ,] | {_LIST} )*+ \}}"
_WORD = rf"[ ]*+ (?: {_PLAIN} | {_QUOTED} | {_LIST} | {_MAPPING} )"
_CLOSED = re.compile(rf"(?: (?:{_WORD})*+ {_LINE_END} )*+", re.VERBOSE)


class Entry(NamedTuple):
    """An entry of `hosts` that says what its `model` does; places are offsets into the text."""

    model: str
    """The first that says so, which may be this one."""
    start: int
    """Where what it says begins, right after the colon."""
    end: int
    next: int
    """Where what follows it begins, after comments."""


@dataclass(frozen=True)
class Alike:
    """What the hosts of a description say, each thing once."""

    text: str
    """The description, with blank lines in place of the entries that say nothing new."""
    entries: Mapping[str, Entry]
    """All entries by name, in order."""

    def agrees(self, ends: Mapping[str, int]) -> bool:
        """Tell whether a parser of the text found just its entries; `ends` are of their keys."""
        entries = self.entries.items()
        return ends == {name: each.start - 1 for name, each in entries if each.model == name}


def find(text: str) -> Alike | None:
    """Return what hosts say the same; None if none do, or that is not sure."""
    hosts = _HOSTS.search(text)
    if not hosts or "\r" in text:
        return None
    entry = re.compile(_ENTRY.replace("INDENT", hosts["indent"].replace(" ", "[ ]")), re.VERBOSE)
    models: dict[str, str] = {}
    found: list[tuple[str, int, str, int, int]] = []
    at = hosts.start("first")
    while match := entry.match(text, at):
        name, said = match.groups()
        start, at = match.span("said")
        found.append((name, start - 1 - len(name), models.setdefault(said, name), start, at))
    last = _END.match(text, at)
    if len(models) == len(found) or not last or not all(map(_CLOSED.fullmatch, models)):
        return None
    follows = [begin for _, begin, *_ in found[1:]] + [last.end()]
    parts: list[str] = []
    entries: dict[str, Entry] = {}
    at = 0
    for (name, begin, model, start, end), following in zip(found, follows, strict=True):
        if name != model:
            parts += text[at:begin], "\n" * (end - begin)
            at = end
        entries[name] = Entry(model, start, end, following)
    if len(entries) < len(found):
        return None  # there are two of one name
    return Alike("".join([*parts, text[at:]]), entries)
