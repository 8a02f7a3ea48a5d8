"""From a fresh clone: the README's first command, and a wheel that carries all that it needs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from compiling import ROOT, contents

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.real, pytest.mark.hostless]


def test_dev_demo_leaves_the_example_compiled(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
    shutil.rmtree(clone / "out")
    done = subprocess.run([clone / "dev", "demo"], check=True, stdout=subprocess.PIPE, text=True)
    for line in done.stdout.partition("Look at:\n")[2].splitlines():
        assert (clone / line.split()[0]).is_file()
    status = subprocess.run(
        ["git", "-C", clone, "status", "--porcelain"], check=True, stdout=subprocess.PIPE, text=True
    )
    assert status.stdout == ""
    assert contents(clone / "out") == contents(ROOT / "out")


def test_a_wheel_compiles_as_the_checkout_does(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    pip = (venv / "bin/python", "-m", "pip", "--quiet", "--disable-pip-version-check")
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, clone], check=True)
    subprocess.run([*pip, "install", *tmp_path.glob("*.whl")], check=True)
    shutil.rmtree(clone)
    site, out = ROOT / "examples/lon1.yaml", tmp_path / "out"
    subprocess.run([venv / "bin/cephos-compile", site, "-o", out], check=True, cwd=tmp_path)
    assert contents(out) == contents(ROOT / "out")
