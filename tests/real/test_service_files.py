"""The INI patcher on the files that services really have: those that Debian's packages install, and
the samples of the newest releases.

What is merged is what the compiler put into out/, with the options of its steps.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

import upstream
from compiling import ROOT
from rig import base
from test_ini_patch import BAD_FILE, DONE, Oracle, assert_merged, ini_patch, merge, state

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real

HOSTS = ROOT / "out/hosts"
FILES = {
    "glance": ("glance/glance-api.conf", "os1"),
    "cinder": ("cinder/cinder.conf", "os1"),
    "nova": ("nova/nova.conf", "compute01"),
}
"""By service: its file below /etc, and a host that runs it."""


@dataclass(frozen=True)
class Given:
    """A service's file, what is merged into it, and what is included in which of its lists."""

    target: bytes
    patch: bytes
    includes: dict[tuple[str, str], list[str]]

    @property
    def arguments(self) -> list[str]:
        """How a step asks for the includes."""
        return [
            f"--include={section}.{key}={','.join(items)}"
            for (section, key), items in self.includes.items()
        ]


@pytest.fixture(scope="module", params=FILES)
def service(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module", params=["debian", *upstream.PACKAGES])
def given(request: pytest.FixtureRequest, service: str) -> Given:
    path, host = FILES[service]
    if request.param == "debian":
        target = (base.path() / "etc" / path).read_bytes()
    else:
        target = upstream.sample(service, request.param)
    steps = "".join(step.read_text() for step in (HOSTS / host / "steps").iterdir())
    step = re.search(rf"^patch_ini +/etc/{path} +(\S+)(.*)$", steps, re.MULTILINE)
    assert step
    includes = {
        (section, key): items.split(",")
        for section, key, items in re.findall(r"--include (\w+)\.(\w+)=(\S+)", step[2])
    }
    return Given(target, (HOSTS / host / step[1]).read_bytes(), includes)


def listed(file: Path, section: str, key: str) -> list[str]:
    values = Oracle(file).values.get((section, key), [""])
    return [item.strip() for item in values[-1].split(",") if item.strip()]


def test_what_the_compiler_asks_is_what_the_service_reads(given: Given, tmp_path: Path) -> None:
    merge(tmp_path, given.target, given.patch, *given.arguments)
    # the patch as it would be if it stated the lists wholly
    whole = tmp_path / "whole.conf"
    lists = "".join(
        f"[{section}]\n{key} = "
        + ",".join(dict.fromkeys([*items, *listed(tmp_path / "before", section, key)]))
        + "\n"
        for (section, key), items in given.includes.items()
    )
    whole.write_bytes(given.patch + b"\n" + lists.encode())
    assert_merged(tmp_path / "before", whole, tmp_path / "target.conf")


def test_what_is_taken_back_leaves_no_trace(given: Given, tmp_path: Path) -> None:
    merge(tmp_path, given.target, given.patch, *given.arguments)
    target, empty = tmp_path / "target.conf", tmp_path / "empty.conf"
    empty.write_bytes(b"")
    back: list[str | Path] = [
        *(argument.replace("--include", "--before-include") for argument in given.arguments),
        *("--pristine", tmp_path / "before", "--before", tmp_path / "patch.conf"),
        *(target, empty),
    ]
    merged = target.read_bytes()
    for theirs in (b"", b"# theirs\n"):
        target.write_bytes(theirs + merged)
        run = ini_patch(*back)
        assert (run.returncode, run.stderr) == (DONE, b"")
        assert target.read_bytes() == theirs + given.target
        assert ini_patch("--check", *back).returncode == DONE


def test_a_line_that_the_service_could_not_read_stops_it(given: Given, tmp_path: Path) -> None:
    target, patch = tmp_path / "target.conf", tmp_path / "patch.conf"
    lines = given.target.splitlines(keepends=True)
    half = len(lines) // 2
    target.write_bytes(b"".join([*lines[:half], b"[half\n", *lines[half:]]))
    patch.write_bytes(given.patch)
    before = state(target)
    run = ini_patch(*given.arguments, target, patch)
    assert run.returncode == BAD_FILE
    assert run.stderr.decode().startswith(f"{target}:{half + 1}: ")
    assert state(target) == before
