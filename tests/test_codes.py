"""The page of every code is true: its wrong example shows that code, its right one none."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from cephos.diagnostics import CATALOGUE
from compiling import ROOT, open_folder, run

PAGES = ROOT / "docs/codes"
SHOWN_ELSEWHERE = {
    "E107": "test_schema_check.py",  # no two keys of the schema exclude or need each other yet
    "E401": "test_lint.py",
    "E402": "test_lint.py",
}
"""Codes that no description of a site can show, and the tests that do."""

FROM_A_SITE = [code for code in CATALOGUE if code not in {"E001", "E002", "E003", *SHOWN_ELSEWHERE}]


def sections(text: str) -> dict[str, str]:
    """Return a text's top-level keys, each with the lines that it begins."""
    parts = re.split(r"(?m)^(?=[a-z]+:)", text)
    return {part.partition(":")[0]: part for part in parts if part}


def whole(example: str) -> str:
    """Return the site that an example is part of: the rest is as in `examples/lon1.yaml`."""
    if not re.search(r"(?m)^[a-z]+:", example):
        return example
    site = sections((ROOT / "examples/lon1.yaml").read_text())
    assert sections(example).keys() <= site.keys() | {"prepare"}
    return "".join((site | sections(example)).values())


def examples(code: str, language: str) -> tuple[str, str]:
    """Return the wrong and the right example of a page."""
    page = (PAGES / f"{code}.md").read_text()
    wrong, right = re.findall(rf"(?ms)^(?:Wrong|Right):\n\n```{language}\n(.*?)^```$", page)
    return wrong, right


@pytest.mark.parametrize("code", FROM_A_SITE)
def test_the_wrong_example_shows_the_code_and_only_that(code: str, tmp_path: Path) -> None:
    wrong, _ = examples(code, "yaml")
    ran = run(tmp_path, "site.yaml", "--check", "--strict", site=whole(wrong))
    assert {head.partition("[")[2][:4] for head in ran.heads()} == {code}, ran.stderr
    assert ran.status == 1


@pytest.mark.parametrize("code", FROM_A_SITE)
def test_the_right_example_compiles_without_a_warning(code: str) -> None:
    _, right = examples(code, "yaml")
    assert compiles(whole(right)) == (0, [])


@cache
def compiles(site: str) -> tuple[int, list[str]]:
    """Return the status of a site and what is said of it; many right examples are one site."""
    with open_folder() as folder:
        ran = run(folder, "site.yaml", "--check", "--strict", site=site)
    return ran.status, ran.heads()


@pytest.mark.parametrize("code", ["E001", "E002", "E003"])
def test_what_cannot_be_read_is_shown_by_commands(code: str) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for command, expected in zip(examples(code, "console"), ({code}, set()), strict=True):
        done = subprocess.run(
            command.removeprefix("$ "), shell=True, cwd=ROOT, env=os.environ | {"PATH": path},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert set(re.findall(r"error\[(\w+)\]", done.stderr)) == expected
        assert done.returncode == (2 if expected else 0)


@pytest.mark.parametrize(("code", "tests"), SHOWN_ELSEWHERE.items())
def test_other_codes_are_shown_by_other_tests(code: str, tests: str) -> None:
    assert f"[{code}]" in (ROOT / "tests" / tests).read_text()


def test_explain_prints_the_page_that_the_documentation_has(tmp_path: Path) -> None:
    for code in CATALOGUE:
        ran = run(tmp_path, "--explain", code)
        assert (ran.status, ran.stderr) == (0, "")
        assert ran.stdout == (PAGES / f"{code}.md").read_text()
    assert run(tmp_path, "--explain", "e101").stdout.startswith("# E101: unknown key\n")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("E999", "'E999' is not the code of a diagnostic; codes look like E101 and W301"),
        ("../codes/E101", "'../codes/E101' is not the code of a diagnostic; codes look like E101"),
        ("", "'' is not the code of a diagnostic"),
        ("README", "'README' is not the code of a diagnostic"),
    ],
)
def test_explain_takes_only_codes(code: str, said: str, tmp_path: Path) -> None:
    ran = run(tmp_path, "--explain", code)
    assert (ran.status, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"cephos-compile: {said}")


def test_pages_titles_and_index_are_those_of_the_catalogue() -> None:
    titles = [f"# {code}: {title}" for code, title in CATALOGUE.items()]
    pages = sorted(PAGES.glob("[EW]*.md"))
    assert sorted(titles) == [page.read_text().partition("\n")[0] for page in pages]
    index = re.findall(r"(?m)^- \[(\w+)\]\((\w+\.md)\) (.*)$", (PAGES / "README.md").read_text())
    assert index == [(code, f"{code}.md", title) for code, title in CATALOGUE.items()]
