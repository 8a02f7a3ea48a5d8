#!/usr/bin/env python3
"""Measure the INI patcher of the bundles: 30 keys into a file of 10,000 lines.

    .venv/bin/python benchmarks/patch.py [--rounds 9]

The baseline, in the same rounds, is `bash` that reads the same file line by line and does nothing
with it: that is the least that a patcher in bash can cost. The second run finds nothing to do.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path

from run import Cost, cost

PATCHER = Path(__file__).parents[1] / "templates/runtime/lib/ini-patch"
LINES, SECTIONS, KEYS = 10_000, 40, 30
DONE, NOTHING_TO_DO = "patched", "patched again"
READING = "bash reading it"
READ = 'while IFS= read -r line; do :; done <"$1"'


def sample() -> str:
    """Return a configuration file as services ship it: explained, nearly all commented out."""
    options = LINES // 5 // SECTIONS
    lines = []
    for section in range(SECTIONS):
        lines.append(f"[section{section}]")
        for option in range(options):
            lines += ["", "# What the option does, at some length, with an x = y", "# in it. (any)"]
            lines += [f"#option_{option} = <None>", f"set_{option} = {option}"]
    return "\n".join(lines) + "\n"


def one_round(folder: Path) -> dict[str, Cost]:
    """Patch a fresh copy of the file twice, and read it."""
    target = folder / "target.conf"
    shutil.copyfile(folder / "sample.conf", target)
    patch = ("bash", PATCHER, target, folder / "patch.conf")
    return {
        READING: cost("bash", "-c", READ, "bash", target),
        DONE: cost(*patch),
        NOTHING_TO_DO: cost(*patch),
    }


def main() -> None:
    """Print seconds of processor time, and ratios to the baseline round by round."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sample.conf").write_text(sample())
        asked = "".join(f"option_{number} = rbd\n" for number in range(KEYS))
        (folder / "patch.conf").write_text(f"[section7]\n{asked}")
        found = [one_round(folder) for _ in range(rounds)]
    for what in found[0]:
        seconds = statistics.median(costs[what].cpu for costs in found)
        ratios = sorted(costs[what].cpu / costs[READING].cpu for costs in found)
        middle = statistics.median(ratios)
        print(f"{what:16} {seconds:.2f} s  {middle:.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})")  # noqa: T201


if __name__ == "__main__":
    main()
