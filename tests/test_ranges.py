from __future__ import annotations

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cephos.ranges import NAMES_LIMIT, RangeError, expand, fold, matches


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("os1", ["os1"]),
        ("os1.lon.example.com", ["os1.lon.example.com"]),
        ("compute[01-03]", ["compute01", "compute02", "compute03"]),
        ("compute[8-11]", ["compute8", "compute9", "compute10", "compute11"]),
        ("compute[0-2]", ["compute0", "compute1", "compute2"]),
        ("db[1,3,5-7]", ["db1", "db3", "db5", "db6", "db7"]),
        ("db[3,1]", ["db3", "db1"]),
        ("n[007]-x", ["n007-x"]),
        ("[1-2]a", ["1a", "2a"]),
        (
            "rack[1-2]-cmp[09-10]",
            ["rack1-cmp09", "rack1-cmp10", "rack2-cmp09", "rack2-cmp10"],
        ),
    ],
)
def test_expand(pattern: str, names: list[str]) -> None:
    assert expand(pattern) == names


NOT_A_LABEL = "each part between dots has 1 to 63 characters and begins and ends with a letter"


@pytest.mark.parametrize(
    ("pattern", "code", "message", "marked"),
    [
        ("c[4-1]", "E121", "the range 4-1 runs backwards", "4-1"),
        ("c[1,9-8]", "E121", "the range 9-8 runs backwards", "9-8"),
        ("c[01-100]", "E121", "'01' and '100' are not equally wide; pad both", "01-100"),
        ("c[1-04]", "E121", "'1' and '04' are not equally wide", "1-04"),
        ("c[]", "E121", "a bracket holds numbers and ranges, such as [01-40]", "]"),
        ("c[a-c]", "E121", "a bracket holds numbers and ranges", "a-c"),
        ("c[1,,2]", "E121", "a bracket holds numbers and ranges", ","),
        ("c[ 1]", "E121", "a bracket holds numbers and ranges", " 1"),
        ("c[1-2-3]", "E121", "a bracket holds numbers and ranges", "1-2-3"),
        ("c[-1]", "E121", "a bracket holds numbers and ranges", "-1"),
        ("c[\u0663]", "E121", "a bracket holds numbers and ranges", "\u0663"),
        ("c[1-3", "E121", "the '[' has no matching bracket", "["),
        ("c1]", "E121", "the ']' has no matching bracket", "]"),
        ("c[[1]]", "E121", "the '[' has no matching bracket", "["),
        ("c[1-3,2]", "E121", "the range names 'c2' twice", "c[1-3,2]"),
        ("a[1,11][1,11]", "E121", "the range names 'a111' twice", "a[1,11][1,11]"),
        ("c[0-100000]", "E122", "the range names more than 100,000 hosts", "0-100000"),
        ("c[0-999]x[0-999]", "E122", "more than 100,000 hosts", "c[0-999]x[0-999]"),
        (f"c[0-{'9' * 900}]", "E122", "more than 100,000 hosts", f"0-{'9' * 900}"),
        ("Os1", "E123", "host names are in lower case: 'os1', not 'Os1'", "Os1"),
        ("r[1-2]-Cmp", "E123", "host names are in lower case: '-cmp', not '-Cmp'", "-Cmp"),
        ("FILL-IN", "E123", "a blank to fill in: the name of a host", "FILL-IN"),
        ("os_1", "E123", "'_' cannot be part of a host name", "_"),
        ("../etc", "E123", "'/' cannot be part of a host name", "/"),
        ("a b", "E123", "' ' cannot be part of a host name", " "),
        ("a\n", "E123", r"'\n' cannot be part of a host name", "\n"),
        ("$(id)", "E123", "'$' cannot be part of a host name", "$"),
        ("h\u00f4te", "E123", "'\u00f4' cannot be part of a host name", "\u00f4"),
        ("", "E123", f"'' is not a host name: {NOT_A_LABEL}", ""),
        (".", "E123", f"'.' is not a host name: {NOT_A_LABEL}", "."),
        ("..", "E123", "'..' is not a host name", ".."),
        ("-rf", "E123", "'-rf' is not a host name", "-rf"),
        ("a-.b", "E123", "'a-.b' is not a host name", "a-.b"),
        ("a.", "E123", "'a.' is not a host name", "a."),
        ("a[1-2].", "E123", "'a1.' is not a host name", "a[1-2]."),
        ("x" * 64, "E123", "is not a host name", "x" * 64),
        ("a." * 126 + "bb", "E123", "a host name is at most 253 characters", "a." * 126 + "bb"),
        ("192.168.1.1", "E123", "'192.168.1.1' is an address, not a host name", "192.168.1.1"),
        ("x" * 1001, "E121", "a host range is at most 1000 characters long", "x"),
    ],
)
def test_refusals_say_what_and_where(pattern: str, code: str, message: str, marked: str) -> None:
    with pytest.raises(RangeError, match=re.escape(message)) as caught:
        expand(pattern)
    error = caught.value
    assert error.code == code
    assert pattern[error.offset : error.offset + error.length] == marked


def test_a_range_has_a_largest_size_and_what_goes_beyond_it_is_not_expanded() -> None:
    assert len(expand(f"c[0-{NAMES_LIMIT - 1}]")) == NAMES_LIMIT
    with pytest.raises(RangeError):
        expand("c" + "[0-99999]" * 90)  # which, in full, would not end


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("compute07", "compute07", True),
        ("compute07", "compute070", False),
        ("compute[01-40]", "compute07", True),
        ("compute[01-40]", "compute7", False),
        ("compute[01-40]", "compute41", False),
        ("compute*", "compute07", True),
        ("compute?7", "compute07", True),
        ("compute[78]", "compute78", True),
        ("compute[78]", "compute7", False),
        ("compute0[7,8]", "compute08", True),
        ("[!a-b]*", "compute07", True),
        ("[!a-c]*", "compute07", False),
        ("rack[01-12]-*", "rack11-cmp1", True),
        ("rack[01-12]-*", "rack13-cmp1", False),
        ("rack[01-12]-cmp[ab]", "rack02-cmpb", True),
        ("rack[01-12]-cmp[ab]", "rack02-cmpc", False),
        ("a.c", "abc", False),
        ("COMPUTE07", "compute07", False),
        ("[", "[", True),
        ("[9-1]", "5", False),
        ("", "compute07", False),
    ],
)
def test_matches(pattern: str, name: str, expected: bool) -> None:  # noqa: FBT001  # a table's column
    assert matches(pattern, name) is expected


HOST = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*"
)


@given(st.text(alphabet="ac09-.[],/ A", max_size=20) | st.text(max_size=10))
def test_what_expands_is_safe_and_matched_and_nothing_else_escapes(pattern: str) -> None:
    try:
        names = expand(pattern)
    except RangeError:
        return
    assert all(HOST.fullmatch(name) for name in names)
    assert len(set(names)) == len(names)
    assert all(matches(pattern, name) for name in names[:5])


@given(st.integers(0, 200), st.integers(0, 50), st.integers(1, 5))
def test_padding_is_kept(first: int, count: int, width: int) -> None:
    numbers = [f"{number:0{width}}" for number in range(first, first + count + 1)]
    if len(numbers[0]) == len(numbers[-1]):
        assert expand(f"n[{numbers[0]}-{numbers[-1]}]") == [f"n{number}" for number in numbers]


@given(st.text(alphabet="ab?*", max_size=6), st.text(alphabet="ab", max_size=6))
def test_globs_are_the_shell_s(pattern: str, name: str) -> None:
    assert matches(pattern, name) == fnmatch.fnmatchcase(name, pattern)


@pytest.mark.parametrize(
    "patterns",
    [
        [],
        ["os1"],
        ["compute[01-40]", "gpu1"],
        ["compute[8-11]"],
        ["compute[08-11]", "compute8"],
        ["db[1,3,5-8]"],
        ["rack[1-4]-cmp[01-20].lon"],
        ["rack[1-2]-cmp[01-20]", "rack3-cmp[02-20]"],
        ["n[007-010]", "n[0-1]", "zeta", "alpha"],
    ],
)
def test_hosts_written_one_by_one_fold_to_ranges(patterns: list[str]) -> None:
    assert fold(name for pattern in patterns for name in expand(pattern)) == patterns


@given(st.lists(st.from_regex(r"[ab](0{0,2}[0-9]{1,2}[ab-]?){0,3}[a0-9]", fullmatch=True)))
def test_a_fold_names_exactly_the_same_hosts(names: list[str]) -> None:
    folded = [name for pattern in fold(names) for name in expand(pattern)]
    assert sorted(folded) == sorted(set(names))


def test_a_host_more_changes_one_number() -> None:
    names = expand("rack[1-40]-cmp[01-40]")
    assert fold([*names, "rack41-cmp01"]) == ["rack[1-40]-cmp[01-40]", "rack41-cmp01"]
