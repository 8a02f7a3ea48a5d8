"""The README's first command, on a fresh clone: a compiled example and what to look at."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from compiling import ROOT, contents

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real


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
