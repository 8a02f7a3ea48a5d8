from __future__ import annotations

import io
import os
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from cephos.diagnostics import Report, Source, Span, render
from cephos.load import DEPTH_LIMIT, SIZE_LIMIT, VALUES_LIMIT, Document, Unreadable, load, read
from compiling import leave_out

if TYPE_CHECKING:
    from pathlib import Path

PARSERS = pytest.mark.parametrize("pure", [False, True], ids=["libyaml", "pure"])


def loaded(text: str, *, pure: bool = False) -> tuple[Document | None, str]:
    """Return the document and the rendered diagnostics."""
    source, report = Source("site.yaml", text), Report()
    document = load(source, report, pure=pure)
    return document, render(report, source)


def data(text: str, *, pure: bool = False) -> Any:
    document, problems = loaded(text, pure=pure)
    assert problems == ""
    assert document is not None
    return document.data


def test_both_parsers_are_there() -> None:
    if find_spec("_ruamel_yaml") is None:
        leave_out("without ruamel.yaml.clib there is one parser")
    assert YAML(typ="safe").Parser.__name__ == "CParser"
    assert YAML(typ="safe", pure=True).Parser.__name__ == "Parser"


@PARSERS
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-7", -7),
        ("+7", 7),
        ("0640", 640),
        ("0o640", 416),
        ("0xfF", 255),
        ("9223372036854775807", 2**63 - 1),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("true", True),
        ("TRUE", True),
        ("False", False),
        ("", None),
        ("~", None),
        ("null", None),
        ("yes", "yes"),
        ("no", "no"),
        ("On", "On"),
        ("1_000", "1_000"),
        ("0b1", "0b1"),
        ("12:30:45", "12:30:45"),
        ("2024-01-02", "2024-01-02"),
        ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"),
        ("1.2.3.4", "1.2.3.4"),
        ("-", [None]),
        ("--", "--"),
        ("nULL", "nULL"),
        ("=", "="),
        ("'1'", "1"),
        ('"true"', "true"),
        ('"a\\tb\\u00e9"', "a\tb\u00e9"),
        ("!!str 1", "1"),
        ("! 1", "1"),
        ("!!int 1", 1),
        ("!!float 1", 1.0),
        ("!!bool true", True),
        ("!!null ''", None),
        ("!!map {}", {}),
        ("!!seq []", []),
        ("|\n  a\n  b\n", "a\nb\n"),
        (">-\n  a\n  b\n", "a b"),
        ("a\n  b", "a b"),
        ("名前 🐙", "名前 🐙"),
        ("a#b", "a#b"),
        ("{a: 1, 'b': [x, y]}", {"a": 1, "b": ["x", "y"]}),
    ],
)
def test_core_schema(text: str, value: Any, pure: bool) -> None:  # noqa: FBT001  # see PARSERS
    result = data(f"key: {text}" if text != "-" else "key:\n-", pure=pure)
    assert result == {"key": value}
    assert type(result["key"]) is type(value)


@PARSERS
@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("10: x", ["10"]),
        ("true: x", ["true"]),
        ("~: x", ["~"]),
        ("0x1F: x", ["0x1F"]),
        ("'a b': x", ["a b"]),
        ("? a\n: x", ["a"]),
        ("'<<': x", ["<<"]),
        ("compute[01-40]: x", ["compute[01-40]"]),
    ],
)
def test_keys_are_text(text: str, keys: list[str], pure: bool) -> None:  # noqa: FBT001
    assert list(data(text, pure=pure)) == keys


@PARSERS
def test_aliases_and_merge_keys(pure: bool) -> None:  # noqa: FBT001
    text = (
        "base: &base {roles: [nova-compute], rack: r1}\n"
        "other: &other {rack: r2, slot: 7}\n"
        "a: *base\n"
        "b: {rack: r9, <<: *base}\n"
        "c: {<<: [*base, *other]}\n"
        "d: {<<: {x: 1}, y: 2}\n"
        "e: &s text\n"
        "f: [*s, *s]\n"
    )
    result = data(text, pure=pure)
    assert result["a"] == {"roles": ["nova-compute"], "rack": "r1"}
    assert result["b"] == {"rack": "r9", "roles": ["nova-compute"]}
    assert result["c"] == {"roles": ["nova-compute"], "rack": "r1", "slot": 7}
    assert result["d"] == {"x": 1, "y": 2}
    assert result["f"] == ["text", "text"]
    document, _ = loaded(text, pure=pure)
    assert document
    assert document.span(("a",)) == Span(3, 4, 3, 9), "the alias itself"
    assert document.span(("a", "rack")) == Span(1, 43, 1, 45), "what it names"
    assert document.span(("b", "rack")) == Span(4, 11, 4, 13)
    assert document.span(("b", "roles", 0)) == Span(1, 22, 1, 34)
    assert document.text(("f", 0)) is None


@PARSERS
def test_places(pure: bool) -> None:  # noqa: FBT001
    text = (
        "# a comment\r\n"
        "hosts:\r\n"
        "  os1:\r\n"
        "    roles: [glance,  cinder]\r\n"
        '    "mode": 0640\r\n'
        "    note: |\r\n"
        "      two\r\n"
        "      lines\r\n"
        "    none:\r\n"
        "    tagged: &m !!int 0x10\r\n"
        "  os2: {}\r\n"
    )
    document, problems = loaded(text, pure=pure)
    assert problems == ""
    assert document
    os1 = ("hosts", "os1")
    assert document.span(os1, key=True) == Span(3, 3, 3, 6)
    assert document.span((*os1, "roles", 1)) == Span(4, 22, 4, 28)
    assert document.span((*os1, "roles", 1), key=True) == Span(4, 22, 4, 28), "an item has no key"
    assert document.span((*os1, "mode"), key=True) == Span(5, 6, 5, 10), "inside the quotes"
    assert document.text((*os1, "mode")) == "0640"
    assert document.data["hosts"]["os1"]["mode"] == 640
    assert document.span((*os1, "note")) == Span(6, 11, 8, 12)
    assert document.span((*os1, "none")) == Span(9, 5, 9, 9), "an empty value: its key"
    assert document.text((*os1, "tagged")) == "0x10"
    assert document.span(os1) == Span(4, 5, 10, 26), "without the blank space after it"
    assert document.text(os1) is None
    # What does not exist is looked for in what is around it.
    assert document.span((*os1, "missing")) == Span(3, 3, 3, 6)
    assert document.span((*os1, "roles", 5, "deeper")) == Span(4, 5, 4, 10)
    assert document.span(("missing",)) == Span(2, 1, 11, 10)
    assert document.text((*os1, "missing")) is None


# One line of what is reported, for texts that yield no document or one with problems.
PROBLEMS = [
    ("", "1:1: error[E006]: the site description is empty"),
    ("# only a comment\n", "1:1: error[E006]: the site description is empty"),
    ("---\n", "1:1: error[E006]: the site description is empty"),
    ("- a\n", "1:1: error[E011]: the site description must be a mapping of keys"),
    ("text\n", "1:1: error[E011]: the site description must be a mapping of keys"),
    ("a: 1\n---\nb: 1\n", "2:1: error[E007]: a site description is one YAML document"),
    (
        "a: 1\nb: 2\na: 3\n",
        "3:1: error[E008]: the key 'a' stands in this mapping already, on line 1",
    ),
    ("{a: 1, 'a': 2}", "1:9: error[E008]: the key 'a' stands in this mapping already, on line 1"),
    (
        "10: x\n'10': y\n",
        "2:2: error[E008]: the key '10' stands in this mapping already, on line 1",
    ),
    (
        "<<: {}\n<<: {}\n",
        "2:1: error[E008]: the key '<<' stands in this mapping already, on line 1",
    ),
    ("a: *b\n", "1:4: error[E009]: the anchor '&b' does not exist"),
    ("a: &a [*a]\n", "1:8: error[E009]: the anchor '&a' contains this alias itself"),
    ("a: &a\n  <<: *a\n", "2:7: error[E009]: the anchor '&a' contains this alias itself"),
    ("<<: [{a: 1}, 2]\n", "1:14: error[E009]: '<<' takes a mapping or a list of mappings"),
    ("<<: text\n", "1:5: error[E009]: '<<' takes a mapping or a list of mappings"),
    ("a: " + "[" * 99, f"1:{DEPTH_LIMIT + 3}: error[E010]: nested more than 64 levels deep"),
    ("a: !vault x\n", "1:4: error[E012]: the tag '!vault' is not supported here"),
    ("a: !!python/name:os.system\n", "1:4: error[E012]: the tag '!!python/name:os.system' is not"),
    ("a: !!binary eA==\n", "1:4: error[E012]: the tag '!!binary' is not supported here"),
    ("a: !!set {x}\n", "1:4: error[E012]: the tag '!!set' is not supported here"),
    ("a: !!int x\n", "1:4: error[E012]: the tag '!!int' is not supported here"),
    ("!x a: 1\n", "1:1: error[E012]: the tag '!x' is not supported here"),
    ("%YAML 1.1\n---\na: 1\n", "1:7: error[E012]: YAML '1.1' is not supported; remove the %YAML"),
    ("# c\n%YAML 3.0\n---\na: 1\n", "2:7: error[E012]: YAML '3.0' is not supported; remove the"),
    ("a: 1e400\n", "1:4: error[E013]: the number '1e400' cannot be represented; quote it"),
    ("id: 123e4567\n", "1:5: error[E013]: the number '123e4567' cannot be represented; quote it"),
    ("a: .inf\n", "1:4: error[E013]: the number '.inf' cannot be represented"),
    ("a: -.INF\n", "1:4: error[E013]: the number '-.INF' cannot be represented"),
    ("a: .nan\n", "1:4: error[E013]: the number '.nan' cannot be represented"),
    ("a: 9223372036854775808\n", "1:4: error[E013]: the number '9223372036854775808' cannot"),
    (f"a: {'9' * 10_000}\n", "1:4: error[E013]: the number '9999999999999999"),
    (f"a: 0x{'f' * 10_000}\n", "1:4: error[E013]: the number '0xfffffffffffff"),
    ("[a]: 1\n", "1:1: error[E014]: a key must be text, not a list or mapping"),
    ("{a: 1}: 1\n", "1:1: error[E014]: a key must be text, not a list or mapping"),
    ("a: &a x\n*a : 1\n", "2:1: error[E014]: a key must be text, not an alias"),
    ("'': 1\n", "1:2: error[E014]: a key is missing before this ':'"),
    ("a: \x00\n", "1:4: error[E004]: the character U+0000 (control) is not allowed"),
    ("a: \x1b[2J\n", "1:4: error[E004]: the character U+001B (control) is not allowed"),
    ("a: \x85\n", "1:4: error[E004]: the character U+0085 (control) is not allowed"),
    ("a: \x9b\n", "1:4: error[E004]: the character U+009B (control) is not allowed"),
    ("a: \u2028\n", "1:4: error[E004]: the character U+2028 (line separator) is not allowed"),
    ("# \u202e\na: 1", "1:3: error[E004]: the character U+202E (right-to-left override) is not"),
    ("a: x\ufeff\n", "1:5: error[E004]: the character U+FEFF (byte order mark) is not allowed"),
    ("a: \ud800\n", "1:4: error[E004]: the character U+D800 (control) is not allowed"),
    ('a: "x\\e[2J"\n', "1:4: error[E004]: the character U+001B (control) is not allowed, not even"),
    ('a: "\\0"\n', "1:4: error[E004]: the character U+0000 (control) is not allowed, not even"),
    ('a: "\\u202e"\n', "1:4: error[E004]: the character U+202E (right-to-left override) is not"),
    ("a:\n\t- b\n", "2:1: error[E005]: a tab cannot indent YAML; use spaces"),
    ("a: @b\n", "1:4: error[E005]: a value cannot begin with '@'; quote it"),
    ("a: `b`\n", "1:4: error[E005]: a value cannot begin with '`'; quote it"),
    ("a: %b\n", "1:4: error[E005]: a value cannot begin with '%'; quote it"),
    ("a: b: c\n", "1:5: error[E005]: a ':' is not allowed here; check the indentation, or quote"),
    ("a: - b\n", "1:4: error[E005]: a list item '- ' is not allowed here; check the indentation"),
    ("a: 1\nb\nc: 1\n", "2:1: error[E005]: the text that begins here should be a key, but no ':'"),
    ("a:\n  b: 1\n c: 2\n", "3:2: error[E005]: this does not continue what stands above it"),
    ("a:\n  - b\n  c: 1\n", "3:3: error[E005]: this does not continue what stands above it"),
    ("a: 'b\nc: 1\n", "1:4: error[E005]: the quote that opens here is never closed"),
    ('a: "b\nc: 1\n', "1:4: error[E005]: the quote that opens here is never closed"),
    ("a: 'b' c\n", "1:8: error[E005]: this does not continue what stands above it"),
    ("a: {b: 1\nc: 2\n", "1:4: error[E005]: the '{' here has no matching '}', or a ',' is missing"),
    ("a: [b, c\nd: 1\n", "1:4: error[E005]: the '[' here has no matching ']', or a ',' is missing"),
    ("a: [", "1:5: error[E005]: a value is missing before this"),
    ("a: & b\n", "1:5: error[E005]: '&' and '*' begin anchors and aliases; quote the text"),
    ("a: * b\n", "1:5: error[E005]: '&' and '*' begin anchors and aliases; quote the text"),
    ("a: &b:'c\n", "1:4: error[E009]: the name after '&' may have only letters, digits, '_' and"),
    ("a: !<b\n", "1:4: error[E005]: tags ('!…') are not supported; quote the text"),
    ("a: |b\n", "1:4: error[E005]: '|' and '>' begin a block of text; quote the text if they are"),
    ("a: >\n\tb\n", "2:1: error[E005]: a tab cannot indent YAML; use spaces"),
    ("a: ? b\n", "1:4: error[E005]: a '?' is not allowed here; quote the text if it is meant"),
    ("%\n---\na: b\n", "1:2: error[E005]: a directive ('%…') is not allowed here"),
    ("a: !x!y b\n", "1:4: error[E005]: tags ('!…') are not supported; quote the text"),
    ("a: 1\n... b\n", "2:5: error[E005]: nothing may follow the end of the document ('...')"),
]


@PARSERS
@pytest.mark.parametrize(("text", "expected"), PROBLEMS, ids=[repr(p[0])[:30] for p in PROBLEMS])
def test_problems(text: str, expected: str, pure: bool) -> None:  # noqa: FBT001
    _, problems = loaded(text, pure=pure)
    first = problems.splitlines()[0]
    assert first.startswith(f"site.yaml:{expected}")


def test_unknown_escape_is_explained() -> None:
    for pure in (False, True):
        _, problems = loaded('path: "C:\\dir"\n', pure=pure)
        assert "unknown escape in double quotes; write '\\\\' for a backslash" in problems


def test_a_full_report() -> None:
    _, problems = loaded("site: lon1\nhosts:\n  os1: {}\n  os1: {}\n")
    assert problems == (
        "site.yaml:4:3: error[E008]: the key 'os1' stands in this mapping already, on line 3\n"
        "4 |   os1: {}\n"
        "  |   ^^^\n"
    )


def test_problems_are_collected_and_the_document_still_comes() -> None:
    document, problems = loaded("a: 1\na: 2\nb: .inf\nc: !x 1\nd: *e\nf: 5\n")
    assert [line.split()[1] for line in problems.splitlines() if line.startswith("site")] == [
        "error[E008]:",
        "error[E013]:",
        "error[E012]:",
        "error[E009]:",
    ]
    assert document
    assert document.data["a"] == 1, "the first of two keys stands"
    assert document.data["f"] == 5


def test_problems_before_a_syntax_error_are_kept() -> None:
    document, problems = loaded("a: 1\na: 2\nb: [\n")
    assert document is None
    assert "E008" in problems
    assert "E005" in problems


@PARSERS
def test_nesting_up_to_the_limit(pure: bool) -> None:  # noqa: FBT001
    deep = DEPTH_LIMIT - 1
    assert data(f"a: {'[' * deep}{']' * deep}", pure=pure)
    _, problems = loaded(f"a: &a {'[' * 40}{']' * 40}\nb: {'[' * 30}*a{']' * 30}\n", pure=pure)
    assert "E010]: nested more than 64 levels deep through this alias" in problems


BOMBS = {
    "doubling": "a0: &a0 [x, x]\n"
    + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60)),
    "merges": "a0: &a0 {x: 1}\n"
    + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}], k{n}: 1}}\n" for n in range(1, 60)),
    "wide": f"a: &a [{'x,' * 5000}]\nb: [{'*a,' * 5000}]\n",
}


@PARSERS
@pytest.mark.parametrize("name", BOMBS)
def test_alias_bombs_fizzle(name: str, pure: bool) -> None:  # noqa: FBT001
    _, problems = loaded(BOMBS[name], pure=pure)  # which, in full, would not end
    assert (
        f"error[E003]: more than {VALUES_LIMIT:,} values, counting what aliases repeat" in problems
    )


@PARSERS
@pytest.mark.parametrize(
    "text", ["[", "{", "- ", "a: ", "? ", "a: [", "{a: ", "!", "&a ", "'", '"', "|", "#"]
)
def test_repetition_ends_soon(text: str, pure: bool) -> None:  # noqa: FBT001
    document, problems = loaded(text * 100_000, pure=pure)
    assert document is None
    assert problems.startswith("site.yaml:1:")


def test_problems_without_end_are_cut_off() -> None:
    source, report = Source("s", "a: 1\n" * 100_000), Report()
    load(source, report)
    assert len(report) == 1000


def test_each_of_ten_thousand_hosts_has_its_place() -> None:
    text = "hosts:\n" + "".join(
        f"  compute{n:05}:\n    roles: [nova-compute]\n    rack: r{n % 40}\n    slot: {n}\n"
        for n in range(10_000)
    )
    document, problems = loaded(text)
    assert document
    assert problems == ""
    assert document.span(("hosts", "compute09999", "slot")) == Span(40_001, 11, 40_001, 15)


# --- bytes to text


def test_read_a_file(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_bytes("\ufeffsite: größe\n".encode())
    assert read(str(path)) == Source(str(path), "site: größe\n")


def test_read_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a: 1\n")))
    assert read("-") == Source("<stdin>", "a: 1\n")


def test_standard_input_may_be_closed() -> None:
    program = (
        "from cephos.load import read, Unreadable\ntry: read('-')\nexcept Unreadable as e: print(e)"
    )
    command = 'exec "$0" -c "$1" <&-'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable, program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "<stdin>: cannot be read: standard input is closed\n"


def test_a_fifo_does_not_block(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(Unreadable, match="it is a pipe; use '-' and redirect standard input"):
        read(str(path))


@pytest.mark.parametrize(
    ("content", "code", "shown"),
    [
        (
            b"a: 1\nb: \xe9\n",
            "E002",
            ":2:4: error[E002]: is not UTF-8 text: byte 0xe9 is not valid",
        ),
        (b"\xff\xfea\0", "E002", ": error[E002]: is UTF-16 text; save it as UTF-8"),
        ("größe: ".encode() + b"\xed\xa0\x80", "E002", ":1:8: error[E002]: is not UTF-8 text"),
        (b"\x7fELF\0", "E002", ":1:5: error[E002]: is not text: it contains a NUL byte"),
        (b"a" * (SIZE_LIMIT + 1), "E003", ": error[E003]: is larger than 16 MiB"),
    ],
    ids=["latin-1", "utf-16", "surrogate", "binary", "large"],
)
def test_unreadable_content(tmp_path: Path, content: bytes, code: str, shown: str) -> None:
    path = tmp_path / "site.yaml"
    path.write_bytes(content)
    with pytest.raises(Unreadable) as caught:
        read(str(path))
    report = Report()
    report.extend([caught.value.diagnostic])
    assert caught.value.diagnostic.code == code
    assert render(report, caught.value.source).startswith(f"{path}{shown}")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("missing.yaml", "cannot be read: no such file or directory"),
        (".", "cannot be read: it is a directory"),
        ("/dev/zero", "cannot be read: it is not a regular file"),
        ("a\0b", "cannot be read: embedded null byte"),
        ("x" * 300, "cannot be read: file name too long"),
        ("", "cannot be read: no such file or directory"),
    ],
)
def test_unreadable_paths(path: str, reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(path)
    assert caught.value.diagnostic.code == "E001"
    assert caught.value.diagnostic.message == reason


def test_no_permission(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.touch(mode=0o000)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        with pytest.raises(Unreadable, match="permission denied"):
            read(str(path))
    finally:
        if root:
            os.seteuid(0)


# --- anything at all

# fmt: off
FRAGMENTS = [
    *"abc01:,[]{}&*!|>'\"%@`#?-~<\\.\t\n \r", ": ", "\n  ", "\n- ", "- ", "&a ", "*a", "<<: ", "''",
    "!!int ", "---\n", "...\n", "%YAML 1.2\n", "%TAG ! x\n", "\\x41", "\\U0010ffff", "é", "\x85",
    "|+2\n", ">-\n", "0x", "1e9", "🐙", "\ufeff", "? ", "\u2028", "\\ud800", "\\N",
]
# fmt: on
YAMLISH = st.lists(
    st.sampled_from(FRAGMENTS),
    max_size=30,
).map("".join)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=60) | YAMLISH.map(str.encode), st.booleans())
@example(b'a: "\\U99999999"', True)  # noqa: FBT003
@example(b'a: "\\ud800"', True)  # noqa: FBT003
@example(b"%YAML 1.3\r---\ra", True)  # noqa: FBT003
def test_any_bytes_give_a_document_or_diagnostics(content: bytes, pure: bool) -> None:  # noqa: FBT001
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    source, report = Source("site.yaml", text), Report()
    document = load(source, report, pure=pure)
    assert document is not None or report.errors
    shown = render(report, source, limit=1000)
    assert all(line.isprintable() for line in shown.split("\n"))
    assert "not well-formed YAML (" not in shown or pure
    if document:
        visit(document, document.data, ())


def visit(document: Document, value: Any, path: tuple[str | int, ...]) -> None:
    """Look at every value and every place of a document."""
    for key in (False, True):
        span = document.span(path, key=key)
        assert (1, 1) <= (span.line, span.column) <= (span.end_line, span.end_column)
    if isinstance(value, dict):
        for name, each in value.items():
            assert isinstance(name, str)
            assert name.isprintable() or {"\n", "\t"} & set(name) or max(name) >= "\u00a0"
            visit(document, each, (*path, name))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            visit(document, each, (*path, index))
    else:
        assert value is None or type(value) in {str, int, float, bool}
        str(value).encode()


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(YAMLISH | st.text(max_size=40))
def test_both_parsers_agree(text: str) -> None:
    (fast, fast_problems), (pure, pure_problems) = loaded(text), loaded(text, pure=True)
    # Where both accept a text they must read the same; which of them finds what in malformed text,
    # and whether it takes a rare form for malformed at all, differs.
    if fast and pure and not fast_problems and not pure_problems:
        assert fast.data == pure.data
        assert repr(fast.data) == repr(pure.data), "types too"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn", "Co", "Cf", "Zl", "Zp"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(alphabet="abc 01-_", min_size=1, max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text(alphabet="abc", min_size=1), VALUES, min_size=1), st.booleans())
def test_what_a_yaml_writer_wrote_is_read_back(value: dict[str, Any], pure: bool) -> None:  # noqa: FBT001
    writer = YAML(typ="safe", pure=True)
    # libyaml refuses a few texts in flow style that the writer leaves unquoted there.
    writer.default_flow_style = False
    written = io.StringIO()
    writer.dump(value, written)
    assert data(written.getvalue(), pure=pure) == value
