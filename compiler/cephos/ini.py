r"""INI text in the grammar of oslo.config: written, and read back to prove it.

The grammar (oslo_config/iniparser.py): `key = value`, no inline comments, one layer of matching
quotes around a value is taken off, `$name` is substituted unless written `$$name`, an indented line
continues the value above. `\$` is `$$` too (`_substitute` in oslo_config/cfg.py), so a backslash
that stands before a dollar is doubled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cephos.knowledge import OptionValue


class UnfitValueError(ValueError):
    """A value that no INI file can hold."""


def value(raw: OptionValue) -> str:
    """Return a value as it must be written so that oslo.config reads `raw`.

    Raises:
        UnfitValueError: it holds a line break or another control character.
    """
    if isinstance(raw, bool):
        return "true" if raw else "false"
    text = ",".join(map(str, raw)) if isinstance(raw, list) else str(raw)
    if not text.isprintable():
        raise UnfitValueError("it holds a line break or another unprintable character")
    text = text.replace("$", "$$").replace("\\$$", "\\\\$")
    # a quote that stands alone is its own pair for that parser
    quoted = text.startswith(("'", '"')) and text.endswith(text[0])
    if quoted or text != text.strip():
        outer = "'" if text.startswith('"') else '"'
        return f"{outer}{text}{outer}"
    return text


def text(comment: str, sections: Mapping[str, Mapping[str, str]]) -> str:
    """Return the file: the comment, one line each prefixed by `#`, then the sections in order."""
    lines = [f"# {line}".rstrip() for line in comment.splitlines()]
    for section, entries in sections.items():
        lines += [
            "",
            f"[{section}]",
            *(f"{key} = {entry}".rstrip() for key, entry in entries.items()),
        ]
    return "\n".join(lines) + "\n"


def parse(content: str) -> dict[str, dict[str, str]]:
    """Return sections and entries as a parser with that grammar reads them, quotes still on.

    Raises:
        ValueError: with the line number, where it could not.
    """
    sections: dict[str, dict[str, str]] = {}
    entries: dict[str, str] | None = None
    for number, line in enumerate(content.splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            entries = sections.setdefault(line[1:-1], {})
            continue
        key, separator, entry = line.partition("=")
        if entries is None or not separator or not key.strip() or line[0].isspace():
            raise ValueError(f"line {number} is no assignment in a section: {line!r}")
        if key.strip() in entries:
            raise ValueError(f"line {number} sets {key.strip()!r} again")
        entries[key.strip()] = entry.strip()
    return sections
