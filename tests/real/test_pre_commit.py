"""The hook for pre-commit, run by pre-commit itself, installed from a clone of this project."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from compiling import ROOT, SITE, edited, run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.real, pytest.mark.hostless]

CONFIG = f"""\
repos:
  - repo: {ROOT}
    rev: COMMIT
    hooks:
      - id: cephos-out-is-current
"""


def test_a_commit_with_an_out_that_is_behind_is_refused(tmp_path: Path) -> None:
    venv, folder = tmp_path / "venv", tmp_path / "site"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    pip = (venv / "bin/pip", "install", "--quiet", "--disable-pip-version-check")
    subprocess.run([*pip, "pre-commit>=4,<5"], check=True)
    folder.mkdir()

    def git(*arguments: str, at: Path = folder) -> subprocess.CompletedProcess[str]:
        who = ("-c", "user.name=ada", "-c", "user.email=ada@example.net")
        return subprocess.run(
            ["git", *who, *arguments], cwd=at, capture_output=True, text=True, check=False,
            env=os.environ | {"PRE_COMMIT_HOME": str(tmp_path / "hooks")},
        )  # fmt: skip

    def commit() -> subprocess.CompletedProcess[str]:
        git("add", ".")
        return git("commit", "-m", "a change")

    git("init", "-q")
    commit_id = git("rev-parse", "HEAD", at=ROOT).stdout.strip()
    (folder / ".pre-commit-config.yaml").write_text(CONFIG.replace("COMMIT", commit_id))
    subprocess.run([venv / "bin/pre-commit", "install"], cwd=folder, check=True)
    run(folder, "site.yaml", "-o", "out/", site=SITE)
    done = commit()
    assert done.returncode == 0, done.stderr

    (folder / "site.yaml").write_text(edited(("[01-02]", "[01-03]")))
    done = commit()
    assert done.returncode == 1
    assert "--- /dev/null\n+++ hosts/compute03/README.md" in done.stderr + done.stdout

    run(folder, "site.yaml", "-o", "out/")
    assert commit().returncode == 0
