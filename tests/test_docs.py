"""The documentation is true: sites compile, commands print what it says, links stand."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from cephos.diagnostics import CATALOGUE
from compiling import ROOT, leave_out, run

PAGES = sorted(
    page.relative_to(ROOT)
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "out/RUNBOOK.md"]
)
RUN_ELSEWHERE = {
    "./dev demo": "tests/real/test_fresh_clone.py",
    "./dev test": ".ci/run",
}
"""Commands that the suite cannot run from within itself, and what runs them."""


class Block(NamedTuple):
    """A fenced block: where it begins, its language, its lines, and the line above it."""

    page: Path
    line: int
    language: str
    text: str
    above: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    found = []
    for page in PAGES:
        lines = (ROOT / page).read_text().splitlines()
        start = None
        for number, line in enumerate(lines):
            fence = re.match(r"( *)```(\w*)$", line)
            if fence and start is None:
                start = number
            elif fence and start is not None:
                opening = re.match(r"( *)```(\w*)$", lines[start])
                assert opening
                indent = len(opening[1])
                text = "\n".join(each[indent:] for each in lines[start + 1 : number])
                found.append(Block(page, start + 1, opening[2], text + "\n", lines[start - 1]))
                start = None
    return [block for block in found if block.language in languages]


def sites() -> list[Block]:
    """Return the YAML blocks that are site descriptions; tests/test_recipes.py runs the others."""
    return [block for block in blocks("yaml") if not block.above.startswith("<!-- recipe: ")]


@pytest.mark.parametrize("block", sites(), ids=str)
def test_every_site_compiles_without_a_warning(block: Block, tmp_path: Path) -> None:
    ran = run(tmp_path, "site.yaml", "--check", "--strict", site=block.text)
    assert (ran.status, ran.heads()) == (0, [])


SLOW = [pytest.mark.real, pytest.mark.hostless]
"""For the page that runs other programs too, again and again."""


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=SLOW if page.name == "errors.md" else [])
        for page in PAGES
        if page.parts[0] != "out"
    ],
    ids=str,
)
def test_every_command_prints_what_the_page_says(page: Path, tmp_path: Path) -> None:
    """Blocks of a page are run in its order, in one folder that holds the examples."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for block in blocks("console"):
        if block.page != page:
            continue
        for command, expected in commands(block.text):
            if command in RUN_ELSEWHERE:
                assert command.partition(" ")[2] in (ROOT / RUN_ELSEWHERE[command]).read_text()
                continue
            done = subprocess.run(
                command, shell=True, cwd=tmp_path, env=os.environ | {"PATH": path}, check=False,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )  # fmt: skip
            if expected:
                assert done.stdout == expected, f"{block}: {command}"
            else:
                assert done.returncode == 0, f"{block}: {command}\n{done.stdout}"
            fill_in(tmp_path / "site.yaml")


def fill_in(site: Path) -> None:
    """Do what the guide tells its reader to: fill the blanks of the starter."""
    if not site.exists():
        return
    text = site.read_text()
    for blank in ("lon1", "3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10", "192.168.8.11", "ceph1"):
        text = re.sub(r"(?m)^([^#\n]*)FILL-IN", rf"\g<1>{blank}", text, count=1)
    site.write_text(text)


def commands(text: str) -> list[tuple[str, str]]:
    """Return each command after a `$` prompt with the output that the page shows."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines(keepends=True):
        if line.startswith("$ "):
            found.append((line[2:].strip(), ""))
        elif found:
            found[-1] = (found[-1][0], found[-1][1] + line)
    return found


@pytest.mark.parametrize("block", blocks("bash"), ids=str)
def test_every_excerpt_stands_in_the_file_that_it_names(block: Block) -> None:
    source = re.fullmatch(r"<!-- from (\S+) -->", block.above)
    assert source, f"{block}: say above the block where it is from"
    assert block.text in (ROOT / source[1]).read_text()


def test_the_reference_is_what_the_schema_says() -> None:
    program = "docs/reference.py"
    said = subprocess.run(
        [sys.executable, program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    there = (ROOT / "docs/reference.md").read_text()
    assert said == there, f"run .venv/bin/python {program} >docs/reference.md"


def test_every_message_that_is_explained_is_one_that_a_bundle_prints() -> None:
    page = (ROOT / "docs/troubleshooting.md").read_text()
    explained = page.split("## What `apply` says")[1].split("## What users see")[0]
    runtime = "".join(
        path.read_text() for path in (ROOT / "templates/runtime").rglob("*") if path.is_file()
    )
    messages = re.findall(r"`([^`]+)`", " ".join(re.findall(r"(?m)^\| (`.+?) \|", explained)))
    assert messages
    for message in messages:
        for part in message.split("…"):
            assert part.strip("': ") in runtime, message


def test_the_documentation_is_a_site_that_needs_no_other(tmp_path: Path) -> None:
    """As `./dev docs` builds it: every page is in its navigation, and every link stands."""
    program = Path(sys.executable).with_name("sphinx-build")
    if not program.exists():
        leave_out("Sphinx is not installed (./dev docs installs it)")
    site = tmp_path / "site"
    done = subprocess.run(
        [program, "--quiet", "--fail-on-warning", "--keep-going", "-c", "docs", ".", site],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    for page in PAGES:
        text = (site / page).with_suffix(".html").read_text()
        loaded = re.findall(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=\"([^\"]*)\"", text)
        assert loaded
        assert not [each for each in loaded if re.match(r"\w+:|//", each)], page
    for style in site.rglob("*.css"):
        assert not re.search(r"@import|url\(['\"]?(\w+:)?//", style.read_text()), style


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / page).read_text()):
        if not target.startswith(("https://", "http://")):
            assert (ROOT / page).parent.joinpath(target).exists(), target


def test_every_file_and_folder_in_the_map_of_the_code_exists() -> None:
    for name in re.findall(r"`([a-z_]+\.py)`", (ROOT / "docs/contributor.md").read_text()):
        assert [*ROOT.glob(f"compiler/cephos/{name}"), *ROOT.glob(f"tests/**/{name}")], name


@pytest.mark.parametrize("page", ["promises.md", "pains.md"])
def test_every_test_and_code_that_shows_something_exists(page: str) -> None:
    tests = "".join(path.read_text() for path in ROOT.glob("tests/**/test_*.py"))
    named = re.findall(r"`(test_\w+)`", (ROOT / "docs" / page).read_text())
    assert named
    assert [name for name in named if f"def {name}(" not in tests] == []
    codes = re.findall(r"\b[EW]\d{3}\b", (ROOT / "docs" / page).read_text())
    assert set(codes) <= set(CATALOGUE)


def test_each_pain_has_what_ends_it_and_what_shows_that() -> None:
    rows = re.findall(r"(?m)^\| (\d+) \|(.*)\|$", (ROOT / "docs/pains.md").read_text())
    assert [int(number) for number, _ in rows] == list(range(1, 30))
    for number, row in rows:
        _, ends, shown = row.split(" | ")
        assert ends.strip(), number
        assert re.search(r"`test_\w+`|[EW]\d{3}", shown), number


def test_the_lines_of_apply_in_the_readme_are_those_of_its_steps() -> None:
    """They are checked word by word on real hosts; here, that they speak of the same things."""
    readme = (ROOT / "README.md").read_text()
    step = (ROOT / "out/hosts/os1/steps/50-glance.sh").read_text()
    for name in re.findall(
        r"(?m)^(?:ok|changed) +50-glance +(?:keyring )?(/\S+|restart \S+)", readme
    ):
        assert Path(name.split()[-1]).name.removeprefix("ceph.client.").split(".")[0] in step
