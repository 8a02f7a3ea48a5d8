"""SARIF output before the validator of SARIF's own makers, which holds it against the schema."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from compiling import SITE, edited, run
from node import module

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.real, pytest.mark.hostless]


def faults(folder: Path, log: str) -> list[str]:
    """Return the rules that a log breaks, as errors."""
    program = folder / "Sarif.Multitool"
    shutil.copy(module("@microsoft/sarif-multitool-linux") / program.name, program)
    program.chmod(0o755)
    (folder / "log.sarif").write_text(log)
    subprocess.run(
        [program, "validate", "log.sarif", "--output", "found.sarif", "--log", "ForceOverwrite"],
        cwd=folder, check=False, capture_output=True, timeout=120,
        env=os.environ | {"DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"},
    )  # fmt: skip
    results: list[dict[str, Any]] = json.loads((folder / "found.sarif").read_text())["runs"][0][
        "results"
    ]
    return [each["ruleId"] for each in results if each.get("level") == "error"]


def test_the_log_keeps_to_the_schema(tmp_path: Path) -> None:
    site = edited(
        ("site: lon1", 'site: "\\U0001F600 x"'),
        ("pool: volumes", "pool: volume"),
        ("vms: {}", "vms: {}\n      spare: {}"),
    )
    log = run(tmp_path, "site.yaml", "--check", "--format", "sarif", site=site).stdout
    assert len(json.loads(log)["runs"][0]["results"]) == 3
    assert faults(tmp_path, log) == []
    # and the validator would say so
    assert faults(tmp_path, log.replace('"startLine"', '"beginLine"')) != []


def test_an_empty_log_keeps_to_the_schema(tmp_path: Path) -> None:
    log = run(tmp_path, "site.yaml", "--check", "--format", "sarif", site=SITE).stdout
    assert faults(tmp_path, log) == []
