"""Reading a site description: bytes to text to plain values that know their place.

YAML 1.2 with the core schema, one document, text keys. The values are built straight from the
event stream of ruamel.yaml (libyaml's where `ruamel.yaml.clib` is installed, else its own, with
the same result), because that is many times faster than any loader that keeps places.

The input is hostile: whatever it holds, the outcome is a `Document` or diagnostics.
"""

from __future__ import annotations

import math
import os
import re
import stat
import sys
import unicodedata
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, NoReturn

from cephos import alike
from cephos.alike import HOSTS
from cephos.diagnostics import Diagnostic, Report, Source, Span, quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cephos.alike import Entry

SIZE_LIMIT = 16 * 1024 * 1024
"""Bytes; 10,000 hosts of eight lines are 4 MiB."""
DEPTH_LIMIT = 64
"""Levels of nesting; a site description needs eight."""
VALUES_LIMIT = 500_000
"""Values, those that aliases repeat included; 10,000 hosts of eight lines are 100,000."""

Path = tuple[str | int, ...]
"""The place of a value: keys and list indexes (from 0) from the top level down."""

_PROBLEMS_LIMIT = 1000
_NUMBER_LIMIT = 64
_INTEGER_LIMIT = 2**63
_STANDARD_INPUT = "<stdin>"

# Control characters, characters that some programs take for line breaks, and those that make text
# read otherwise than it is written (bidirectional controls, a byte order mark amid the text).
_BAD_CHARACTER = re.compile(
    "[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
    "\ufeff\ufffe\uffff]"
)
_DIRECTIVE = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*+%YAML[ \t]+(?P<version>\S+)")
_VERSION = "1.2"

# Parsers differ in where the name of an anchor ends; about these they agree.
_ANCHOR = re.compile(r"[&*][A-Za-z0-9_-]+(?=[\s,\]}]|\Z)")
_QUOTES = frozenset("'\"")
_TAG = "tag:yaml.org,2002:"
# The core schema, https://yaml.org/spec/1.2.2/#1032-tag-resolution
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_MAYBE_NOT_TEXT = frozenset("-+.0123456789~ntfNTF")


class _Syntax(NamedTuple):
    """What libyaml or ruamel.yaml say (a pattern), and what it means.

    With `opening`, the place that matters is where the construct began.
    """

    said: str
    meaning: str
    opening: bool = False


_SYNTAX = (
    _Syntax(
        r"mapping values are not allowed|found unexpected ':'",
        "a ':' is not allowed here; check the indentation, or quote the text that it belongs to",
    ),
    _Syntax(
        r"sequence entries are not allowed",
        "a list item '- ' is not allowed here; check the indentation",
    ),
    _Syntax(
        r"could not find expected ':'",
        "the text that begins here should be a key, but no ':' follows it",
        opening=True,
    ),
    _Syntax(
        r"did not find expected (?:key|'-' indicator)|expected <block end>",
        "this does not continue what stands above it; check the indentation and the quotes",
    ),
    _Syntax(
        r"found unexpected (?:end of stream|document indicator|document separator)",
        "the quote that opens here is never closed",
        opening=True,
    ),
    _Syntax(
        r"expected ',' or '\}'",
        "the '{' here has no matching '}', or a ',' is missing after it",
        opening=True,
    ),
    _Syntax(
        r"expected ',' or '\]'",
        "the '[' here has no matching ']', or a ',' is missing after it",
        opening=True,
    ),
    _Syntax(r"expected (?:the )?node content", "a value is missing before this"),
    _Syntax(
        r"<document start>|after document end marker",
        "nothing may follow the end of the document ('...')",
    ),
    _Syntax(
        r"unknown escape character|escape (?:code|sequence)|expected escape",
        "unknown escape in double quotes; write '\\\\' for a backslash, or use single quotes",
    ),
    _Syntax(
        r"(?:scanning|parsing) an? tag|undefined tag handle",
        "tags ('!…') are not supported; quote the text",
        opening=True,
    ),
    _Syntax(
        r"scanning a block scalar(?!.*\btab\b)",
        "'|' and '>' begin a block of text; quote the text if they are meant literally",
        opening=True,
    ),
    _Syntax(r"\btab\b", "a tab cannot indent YAML; use spaces"),
    _Syntax(
        r"mapping keys are not allowed",
        "a '?' is not allowed here; quote the text if it is meant literally",
    ),
    _Syntax(r"\bdirective\b|duplicate tag handle", "a directive ('%…') is not allowed here"),
    _Syntax(
        r"did not find expected (?:alphabetic|hexdecimal)|expected alphabetic",
        "'&' and '*' begin anchors and aliases; quote the text if it is meant literally",
    ),
)
# libyaml and ruamel.yaml stop at these characters with one and the same message.
_NO_START = "cannot start any token"
# ruamel.yaml's own parser lets these escape on some malformed input.
_LEAKS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)


class Unreadable(Exception):  # noqa: N818  # the word says it
    """An input that is no text: exit status 2.

    `diagnostic` and `source` render like any other; `source` holds what there is to show.
    """

    def __init__(self, source: Source, diagnostic: Diagnostic) -> None:
        """Say which source cannot be read, and why."""
        super().__init__(f"{source.name}: {diagnostic.message}")
        self.source = source
        self.diagnostic = diagnostic


class _Mark(NamedTuple):
    """Where a value and its key stand, as offsets into the text; `key_start` is -1 without key."""

    key_start: int
    key_end: int
    start: int
    end: int
    inner: dict[str, _Mark] | list[_Mark] | None


@dataclass(frozen=True)
class Document:
    """The values of a site description, each with its place.

    `data` holds dict, list, str, int, float, bool and None. What an alias names is shared, not
    copied, as is what hosts say alike: treat it as read-only. `unsound` holds the places of what
    was wrong and is therefore missing from `data`, or has something else standing in for it;
    `written` is then `data` as it was written, whose lists have the places of `span`.
    """

    source: Source
    data: dict[str, Any]
    _root: _Mark = field(repr=False)
    unsound: frozenset[Path] = frozenset()
    written: dict[str, Any] | None = None
    _hosts: Mapping[str, Entry] = field(default_factory=dict, repr=False)
    """Hosts of which `_root` knows only those that say something new."""

    def span(self, path: Path, *, key: bool = False) -> Span:
        """Return where the value at `path` stands, or with `key` the key (inside its quotes).

        An empty value stands where its key does, and one that does not exist where the key of the
        nearest value around it does.
        """
        mark, found = self._find(path)
        if mark.key_start >= 0 and (key or not found or mark.start == mark.end):
            return self.source.span(mark.key_start, mark.key_end)
        text, end = self.source.text, mark.end
        while end > mark.start and text[end - 1].isspace():
            end -= 1
        return self.source.span(mark.start, end)

    def text(self, path: Path) -> str | None:
        """Return how the scalar at `path` is written (`0640` for 640), quotes included.

        None if there is no scalar, or if it is an alias.
        """
        mark, found = self._find(path)
        if not found or mark.inner is not None:
            return None
        text = self.source.text[mark.start : mark.end]
        if text.startswith("*"):
            return None
        return re.sub(r"\A(?:[&!]\S*\s+)+", "", text)

    def marks(self, key: str) -> dict[str, _Mark]:
        """Return where the keys of a mapping on the top level stand; {} if it is none."""
        mark, found = self._find_parsed((key,))
        return mark.inner if found and isinstance(mark.inner, dict) else {}

    def _find(self, path: Path) -> tuple[_Mark, bool]:
        host = path[1] if path[:1] == (HOSTS,) and path[1:] else None
        if not isinstance(host, str) or host not in self._hosts:
            return self._find_parsed(path)
        entry = self._hosts[host]
        mark, found = self._find_parsed((HOSTS, entry.model, *path[2:]))
        return _moved(mark, host, self._hosts[entry.model], entry), found

    def _find_parsed(self, path: Path) -> tuple[_Mark, bool]:
        mark = self._root
        for step in path:
            try:
                mark = mark.inner[step]  # type: ignore[index]  # any mismatch is "not found"
            except (TypeError, KeyError, IndexError):
                return mark, False
        return mark, True


def _moved(mark: _Mark, host: str, model: Entry, entry: Entry) -> _Mark:
    """Return where what stands in the model stands in this entry."""
    shift = entry.start - model.start
    key_start, key_end, start, end, inner = mark
    if key_start >= 0:
        key_end += shift
        is_own = key_end == entry.start - 1
        key_start = key_end - len(host) if is_own else key_start + shift
    # a block ends where something else begins, which is nothing of this entry
    end = entry.next if end > model.end else end + shift
    return _Mark(key_start, key_end, start + shift, end, inner)


def read(path: str) -> Source:
    """Return the text of a file, or of standard input for `-`, without a byte order mark.

    Raises `Unreadable` for what is no regular file, cannot be opened, is larger than `SIZE_LIMIT`
    or is not UTF-8 text.
    """
    name = _STANDARD_INPUT if path == "-" else path
    try:
        data = _read_standard_input() if path == "-" else _read_file(path)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        message = f"cannot be read: {reason[:1].lower()}{reason[1:]}"
        raise Unreadable(Source(name, ""), Diagnostic("E001", message)) from error
    if len(data) > SIZE_LIMIT:
        message = f"is larger than {SIZE_LIMIT // 1024 // 1024} MiB"
        raise Unreadable(Source(name, ""), Diagnostic("E003", message))
    return Source(name, _decoded(name, data).removeprefix("\ufeff"))


def _read_standard_input() -> bytes:
    # Python has no sys.stdin where its caller closed descriptor 0.
    stream: BinaryIO | None = getattr(sys.stdin, "buffer", None)
    if stream is None:
        raise OSError("standard input is closed")
    return stream.read(SIZE_LIMIT + 1)


def _read_file(path: str) -> bytes:
    # Opening a FIFO or a terminal may block or have effects: look first, and look again at what
    # was opened.
    _refuse_odd(os.stat(path))  # noqa: PTH116  # os.open needs the same plain path
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with open(descriptor, "rb") as file:  # noqa: PTH123  # it is a descriptor
        _refuse_odd(os.fstat(descriptor))
        return file.read(SIZE_LIMIT + 1)


def _refuse_odd(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise OSError("it is a directory")
    if stat.S_ISFIFO(status.st_mode):
        raise OSError("it is a pipe; use '-' and redirect standard input")
    if not stat.S_ISREG(status.st_mode):
        raise OSError("it is not a regular file")


def _decoded(name: str, data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        diagnostic = Diagnostic("E002", "is UTF-16 text; save it as UTF-8")
        raise Unreadable(Source(name, ""), diagnostic)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        before = len(data[: error.start].decode())
        source = Source(name, data.decode(errors="replace"))
        message = f"is not UTF-8 text: byte 0x{data[error.start]:02x} is not valid here"
        diagnostic = Diagnostic("E002", message, source.span(before, before + 1))
        raise Unreadable(source, diagnostic) from error
    if (nul := text.find("\0")) >= 0:
        source = Source(name, text)
        message = "is not text: it contains a NUL byte"
        raise Unreadable(source, Diagnostic("E002", message, source.span(nul, nul + 1)))
    return text


def load(source: Source, report: Report, *, pure: bool = False) -> Document | None:
    """Return the document of a source; what is wrong with it goes to `report`.

    None means that there is nothing to go on with. A document may come with errors, such as a key
    that stands twice: the later stages can still find the rest of what is wrong. `pure` takes
    ruamel.yaml's own parser even where libyaml's is installed.
    """
    builder = _Builder(source, report)
    with suppress(_StopError):
        builder.check_text()
        if document := _of_models(source, pure=pure):
            return document
        builder.build(_events(source.text, pure=pure))
    return builder.document


def _of_models(source: Source, *, pure: bool) -> Document | None:
    """Return the document of which only hosts that say something new were parsed.

    None if there are no others, or something is wrong: then all of it must be.
    """
    found = alike.find(source.text)
    if not found:
        return None
    report = Report()
    builder = _Builder(Source(source.name, found.text), report)
    with suppress(_StopError):
        builder.build(_events(found.text, pure=pure))
    document = builder.document
    if report or not document:
        return None
    ends = {name: mark.key_end for name, mark in document.marks(HOSTS).items()}
    if not found.agrees(ends):
        return None
    models = document.data[HOSTS]
    hosts = {name: models[each.model] for name, each in found.entries.items()}
    sizes = {name: _size(said) for name, said in models.items()}
    repeated = sum(sizes[each.model] for each in found.entries.values())
    if _size(document.data) + repeated > VALUES_LIMIT:
        return None
    data = {**document.data, HOSTS: hosts}
    return replace(document, source=source, data=data, _hosts=found.entries)


def _size(data: Any) -> int:
    """Return how many values there are, those in others included."""
    if isinstance(data, dict):
        return 1 + sum(map(_size, data.values()))
    return 1 + sum(map(_size, data)) if isinstance(data, list) else 1


def _events(text: str, *, pure: bool) -> Iterator[Any]:
    from ruamel.yaml import YAML  # noqa: PLC0415  # 20 ms that `--help` does not need

    # `YAML.parse` does the same, in twice the time of libyaml itself
    _, parser = YAML(typ="safe", pure=pure).get_constructor_parser(text)
    return iter(parser.get_event, None)


class _StopError(Exception):
    """What was reported leaves nothing to go on with."""


class _Level:
    """A mapping or list under construction."""

    __slots__ = (
        "anchor",
        "awaits_key",
        "data",
        "height",
        "key",
        "marks",
        "merges",
        "merging",
        "size",
        "start",
    )

    def __init__(self, event: Any, data: Any, marks: Any) -> None:
        self.data: Any = data
        self.marks: Any = marks
        self.start: int = event.start_mark.index
        self.anchor: str | None = event.anchor
        self.size = 1
        self.height = 1
        # Of a mapping: the key that awaits its value, with its place, and the values of `<<`.
        self.awaits_key = type(data) is dict
        self.key: tuple[str, int, int] = ("", -1, -1)
        self.merging = False
        self.merges: list[tuple[Any, _Mark]] = []


class _Node(NamedTuple):
    """A finished value with an anchor."""

    data: Any
    inner: Any
    size: int
    height: int


class _Builder:
    """Builds the document from the events of a parser.

    A large site has a hundred thousand events, so what a scalar meets on its way is short.
    """

    def __init__(self, source: Source, report: Report) -> None:
        self.document: Document | None = None
        self._source = source
        self._report = report
        self._levels: list[_Level] = []
        self._anchors: dict[str, _Node | None] = {}
        self._values = 0
        self._problems = 0
        self._offset = 0
        self._documents = 0

    def check_text(self) -> None:
        """Refuse characters before a parser sees them: parsers differ in what they let pass."""
        text = self._source.text
        # none of them can be printed; to find that all can takes half as long as to look for them
        if not text.replace("\n", "").isprintable():
            for match in _BAD_CHARACTER.finditer(text):
                self._problem("E004", f"{_character(match[0])} is not allowed", *match.span())
        if self._problems:
            raise _StopError
        directive = _DIRECTIVE.match(text)
        if directive and (version := directive["version"]) != _VERSION:
            message = f"YAML {quote(version)} is not supported; remove the %YAML line"
            self._stop("E012", message, *directive.span("version"))

    def build(self, events: Iterator[Any]) -> None:
        """Consume the events; what they amount to is then in `document`."""
        handlers = {
            "ScalarEvent": self._scalar,
            "MappingStartEvent": self._start_mapping,
            "MappingEndEvent": self._end_mapping,
            "SequenceStartEvent": self._start_list,
            "SequenceEndEvent": self._end_list,
            "AliasEvent": self._alias,
            "DocumentStartEvent": self._start_document,
        }
        for event in self._parsed(events):
            handler = handlers.get(type(event).__name__)
            if handler:
                handler(event)
        if not self._documents:
            self._stop("E006", "the site description is empty")

    def _parsed(self, events: Iterator[Any]) -> Iterator[Any]:
        from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415  # see _events

        try:
            for event in events:
                self._offset = event.end_mark.index
                yield event
        except MarkedYAMLError as error:
            self._stop("E005", *self._explained(error))
        except (YAMLError, *_LEAKS) as error:
            self._not_yaml(error)

    def _not_yaml(self, error: Exception) -> NoReturn:
        message = f"this is not well-formed YAML ({type(error).__name__}: {quote(str(error))})"
        self._stop("E005", message, self._offset, self._offset + 1)

    def _explained(self, error: Any) -> tuple[str, int, int]:
        """Return a parser's error in plain words, with its place."""
        at = error.problem_mark or error.context_mark
        offset = at.index if at else self._offset
        said = f"{error.context or ''} {error.problem or ''}".strip()
        if _NO_START in said:
            character = self._source.text[offset : offset + 1]
            if character == "\t":
                return "a tab cannot indent YAML; use spaces", offset, offset + 1
            message = f"a value cannot begin with {quote(character)}; quote it"
            return message, offset, offset + 1
        for each in _SYNTAX:
            if re.search(each.said, said):
                if each.opening and error.context_mark:
                    offset = error.context_mark.index
                return each.meaning, offset, offset + 1
        return f"this is not well-formed YAML: {said}", offset, offset + 1

    def _problem(self, code: str, message: str, start: int, end: int) -> None:
        self._report.add(code, message, self._source.span(start, end))
        self._problems += 1
        if self._problems >= _PROBLEMS_LIMIT:
            raise _StopError

    def _stop(self, code: str, message: str, start: int = 0, end: int = 1) -> NoReturn:
        self._problem(code, message, start, end)
        raise _StopError

    def _start_document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            start = event.start_mark.index
            self._stop("E007", "a site description is one YAML document", start, start + 3)

    def _start_mapping(self, event: Any) -> None:
        self._check_tag(event, "map")
        self._descend(_Level(event, {}, {}))

    def _start_list(self, event: Any) -> None:
        self._check_tag(event, "seq")
        self._descend(_Level(event, [], []))

    def _check_tag(self, event: Any, kind: str) -> None:
        tag = event.tag and str(event.tag)
        if tag and tag not in {"!", _TAG + kind}:
            self._refuse_tag(event, tag)

    def _refuse_tag(self, event: Any, tag: str) -> None:
        shown = tag.replace(_TAG, "!!", 1)
        message = f"the tag {quote(shown)} is not supported here"
        self._problem("E012", message, event.start_mark.index, event.start_mark.index + 1)

    def _descend(self, level: _Level) -> None:
        if len(self._levels) >= DEPTH_LIMIT:
            message = f"nested more than {DEPTH_LIMIT} levels deep"
            self._stop("E010", message, level.start, level.start + 1)
        if self._awaits_key():
            message = "a key must be text, not a list or mapping"
            self._stop("E014", message, level.start, level.start + 1)
        self._count(1, level.start)
        if level.anchor:
            self._check_anchor("&", level.start)
            self._anchors[level.anchor] = None
        self._levels.append(level)

    def _awaits_key(self) -> bool:
        return bool(self._levels) and self._levels[-1].awaits_key

    def _end_list(self, event: Any) -> None:
        self._ascend(self._levels.pop(), event.end_mark.index)

    def _end_mapping(self, event: Any) -> None:
        level = self._levels.pop()
        for data, mark in level.merges:
            self._merge(level, data, mark)
        self._ascend(level, event.end_mark.index)

    def _ascend(self, level: _Level, end: int) -> None:
        if level.anchor:
            self._anchors[level.anchor] = _Node(level.data, level.marks, level.size, level.height)
        self._grow(level.size, level.height)
        self._put(level.data, level.marks, level.start, end)

    def _grow(self, size: int, height: int) -> None:
        """Let what is under construction grow by what a value of this size is more than one."""
        if self._levels:
            level = self._levels[-1]
            level.size += size - 1
            level.height = max(level.height, height + 1)

    def _merge(self, level: _Level, data: Any, mark: _Mark) -> None:
        """Add what a `<<` names and the mapping itself does not say."""
        parts = (
            list(zip(data, mark.inner, strict=True))
            if isinstance(data, list) and isinstance(mark.inner, list)
            else [(data, mark)]
        )
        for part, at in parts:
            if not isinstance(part, dict) or not isinstance(at.inner, dict):
                message = "'<<' takes a mapping or a list of mappings"
                self._problem("E009", message, at.start, at.end)
                continue
            for key, value in part.items():
                if key not in level.data:
                    level.data[key] = value
                    level.marks[key] = at.inner[key]

    def _alias(self, event: Any) -> None:
        start, end = event.start_mark.index, event.end_mark.index
        name = event.anchor
        if self._awaits_key():
            self._stop("E014", "a key must be text, not an alias", start, end)
        self._check_anchor("*", start)
        node = self._anchors.get(name)
        if node is None:
            reason = "contains this alias itself" if name in self._anchors else "does not exist"
            self._problem("E009", f"the anchor {quote('&' + name)} {reason}", start, end)
            node = _Node({}, {}, 1, 1)
        self._count(node.size, start)
        if len(self._levels) + node.height > DEPTH_LIMIT:
            message = f"nested more than {DEPTH_LIMIT} levels deep through this alias"
            self._stop("E010", message, start, end)
        self._grow(node.size, node.height)
        self._put(node.data, node.inner, start, end)

    def _check_anchor(self, sign: str, start: int) -> None:
        at = self._source.text.find(sign, start)
        if not _ANCHOR.match(self._source.text, at):
            message = f"the name after {quote(sign)} may have only letters, digits, '_' and '-'"
            self._problem("E009", message, at, at + 1)

    def _scalar(self, event: Any) -> None:
        start, end = event.start_mark.index, event.end_mark.index
        text, style = event.value, event.style
        if style == '"' and (bad := _BAD_CHARACTER.search(text)):
            message = f"{_character(bad[0])} is not allowed, not even as an escape"
            self._problem("E004", message, start, end)
            text = _BAD_CHARACTER.sub("\ufffd", text)
        level = self._levels[-1] if self._levels else None
        if level and level.awaits_key:
            self._check_tag(event, "str")
            quoted = style in _QUOTES
            level.merging = text == "<<" and not quoted
            self._key(level, text, start + quoted, end - quoted)
            return
        self._count(1, start)
        value: Any = text
        if event.tag:
            value = self._tagged(event, text)
        elif event.implicit[0] and (not text or text[0] in _MAYBE_NOT_TEXT):
            value = self._resolved(text, start, end)
        if event.anchor:
            self._check_anchor("&", start)
            self._anchors[event.anchor] = _Node(value, None, 1, 0)
        self._put(value, None, start, end)

    def _key(self, level: _Level, text: str, start: int, end: int) -> None:
        level.key = (text, start, end)
        level.awaits_key = False
        if not text:
            self._problem("E014", "a key is missing before this ':'", start, start + 1)
            return
        first = level.merges[0][1] if level.merging and level.merges else level.marks.get(text)
        if first:
            line, _ = self._source.place(first.key_start)
            message = f"the key {quote(text)} stands in this mapping already, on line {line}"
            self._problem("E008", message, start, end)

    def _tagged(self, event: Any, text: str) -> Any:
        tag = str(event.tag)
        kind = tag.removeprefix(_TAG)
        start, end = event.start_mark.index, event.end_mark.index
        if tag == "!" or kind == "str":
            return text
        forms = {"null": (_NULL,), "bool": (_BOOL,), "int": (_INT,), "float": (_FLOAT, _NOT_FINITE)}
        if not any(form.fullmatch(text) for form in forms.get(kind, ())):
            self._refuse_tag(event, tag)
            return text
        value = self._resolved(text, start, end)
        return float(value) if kind == "float" and type(value) is int else value

    def _resolved(self, text: str, start: int, end: int) -> Any:
        """Return the value of a plain scalar in the core schema."""
        if _NULL.fullmatch(text):
            return None
        if _BOOL.fullmatch(text):
            return text[0] in "tT"
        if _INT.fullmatch(text):
            base = {"0o": 8, "0x": 16}.get(text[:2], 10)
            if len(text) <= _NUMBER_LIMIT and abs(number := int(text, base)) < _INTEGER_LIMIT:
                return number
        elif _FLOAT.fullmatch(text):
            if math.isfinite(real := float(text)):
                return real
        elif not _NOT_FINITE.fullmatch(text):
            return text
        message = f"the number {quote(text)} cannot be represented; quote it if it is text"
        self._problem("E013", message, start, end)
        return text

    def _count(self, size: int, start: int) -> None:
        self._values += size
        if self._values > VALUES_LIMIT:
            message = f"more than {VALUES_LIMIT:,} values, counting what aliases repeat"
            self._stop("E003", message, start, start + 1)

    def _put(self, data: Any, inner: Any, start: int, end: int) -> None:
        """Put a finished value where it belongs; see `_grow` for one that holds others."""
        if not self._levels:
            self._finish(data, inner, start, end)
            return
        level = self._levels[-1]
        level.size += 1
        if type(level.data) is list:
            level.data.append(data)
            level.marks.append(_Mark(-1, -1, start, end, inner))
            return
        key, key_start, key_end = level.key
        level.awaits_key = True
        mark = _Mark(key_start, key_end, start, end, inner)
        if level.merging:
            level.merges.append((data, mark))
        elif key and key not in level.data:
            level.data[key] = data
            level.marks[key] = mark

    def _finish(self, data: Any, inner: Any, start: int, end: int) -> None:
        if data is None:
            self._stop("E006", "the site description is empty")
        if not isinstance(data, dict):
            self._stop("E011", "the site description must be a mapping of keys", start, end)
        root = _Mark(-1, -1, start, end, inner)
        # anything may be missing where, say, the second of two equal keys was dropped
        unsound: frozenset[Path] = frozenset({()} if self._problems else ())
        self.document = Document(self._source, data, root, unsound)


def _character(character: str) -> str:
    """Return a character's code point and name."""
    name = "byte order mark" if character == "\ufeff" else unicodedata.name(character, "control")
    return f"the character U+{ord(character):04X} ({name.lower()})"
