#!/usr/bin/env python3
"""Measure the compiler against `cp -r` of what it makes, and against others, in the same rounds.

    .venv/bin/python benchmarks/run.py [--hosts 10000] [--rounds 5] [--folder DIR]

Each program is held against `cp -r` of its result right after it, since what else runs slows both;
the table shows the median of these ratios and, in brackets, least and most. Processor time (user
and system, children included) depends less on what else runs than time by the clock does. A virtual
machine gives memory back to its host, and has to wait for it when it needs it again, which took
half of the time of what came first; so as much as is needed is asked for before each of them.

Kapitan and Ansible are measured where they are found on PATH or in `--rivals DIR`, a virtual
environment's `bin`, with few hosts: they take hours for thousands. Nothing is deleted before the
end but on tmpfs: on ext4, files made after a deletion cost up to twenty times as much.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import rivals
import sites

PROGRAM = Path(sys.executable).with_name("cephos-compile")
KAPITAN_HOSTS, ANSIBLE_HOSTS = 100, 4
NEEDED = 256 * 1024
"""Bytes of memory for the files of a host, and what the kernel keeps of them, at most."""


@dataclass(frozen=True)
class Cost:
    """What a program took: seconds by the clock and of the processors, MiB of memory."""

    wall: float
    cpu: float
    memory: float


def cost(*command: str | Path, cwd: Path | None = None) -> Cost:
    """Run a program that must succeed."""
    began = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, cwd=cwd, stdout=said, stderr=said)  # noqa: S603  # ours
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            sys.exit(f"{command[0]} failed:\n{said.read().decode()}")
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


class Round:
    """One round: every program once, in folders of its own."""

    def __init__(self, folder: Path, hosts: int, beside: Path | None) -> None:
        """Measure in this folder; `beside` is where Kapitan and Ansible may be."""
        self.folder = folder
        self._hosts = hosts
        self._beside = beside
        self._volatile = _file_system(folder.parent) == "tmpfs"
        self.costs: dict[str, Cost] = {}
        self.against: dict[str, Cost] = {}
        folder.mkdir()

    def _compile(self, what: str, site: str, out: str, *more: str) -> None:
        place = self.folder / "site.yaml"
        place.write_text(site)
        made = "listed" if "--check" in more else out
        self._hold(what, made, PROGRAM, place, "-o", self.folder / out, *more)

    def _hold(self, what: str, made: str, *command: str | Path) -> None:
        """Measure a program, then `cp -r` of what it makes: a minute later all may be slower."""
        self.costs[what] = self._cost(*command)
        copy = f"copied-{len(self.against)}"
        self.against[what] = self._cost("cp", "-r", self.folder / made, self.folder / copy)
        self._tidy(copy)

    def _cost(self, *command: str | Path) -> Cost:
        fill = f"b'1' * {self._hosts * NEEDED}"
        cost(sys.executable, "-c", fill)
        return cost(*command)

    def measure(self) -> None:
        """Take all costs."""
        site, ranges = sites.one_by_one(self._hosts), sites.in_ranges(self._hosts)
        self._compile("one by one, written", site, "listed")
        self._compile("one by one, unchanged", site, "listed")
        self._compile("one by one, one line changed", sites.with_one_changed(self._hosts), "listed")
        self._compile("one by one, all but writing", site, "unused", "--check")
        self._tar()
        self._bare_loops()
        self._tidy("listed", "untarred", "tree.tar", "bytes", "jinja")
        self._compile("in ranges, written", ranges, "ranged")
        self._compile("in ranges, unchanged", ranges, "ranged")
        self._compile(
            "in ranges, all bundles changed", sites.with_all_changed(self._hosts), "ranged"
        )
        self._compile("in ranges, with archives", ranges, "packed", "--archive")
        self._tidy("ranged", "packed")
        self._others()

    def _tidy(self, *names: str) -> None:
        """Give memory back; on a disk, what is made after a deletion would cost more."""
        if self._volatile:
            cost("rm", "-r", "--", *names, cwd=self.folder)

    def _tar(self) -> None:
        archive, out = self.folder / "tree.tar", self.folder / "untarred"
        out.mkdir()
        cost("tar", "-cf", archive, "-C", self.folder / "listed", ".")
        self._hold("tar -x", "listed", "tar", "-xf", archive, "-C", out)

    def _bare_loops(self) -> None:
        bundle, templates = self.folder / "listed/hosts/compute00001", self.folder / "templates"
        rivals.templates_of(bundle, templates)
        for what, made, source in (
            ("ready bytes in a bare loop", "bytes", bundle),
            ("Jinja2 in a bare loop", "jinja", templates),
        ):
            loop = (sys.executable, rivals.__file__, made, source, str(self._hosts))
            self._hold(what, made, *loop, self.folder / made)

    def _others(self) -> None:
        """Measure Kapitan and Ansible, where they are, against cp -r of what they made."""
        templates = self.folder / "templates"
        if kapitan := self._found("kapitan"):
            project = self.folder / "kapitan"
            rivals.kapitan_project(project, templates, KAPITAN_HOSTS)
            command = [kapitan, "compile", "-p", str(os.cpu_count())]
            self._rival(f"Kapitan, {KAPITAN_HOSTS} hosts", command, project / "compiled")
        if ansible := self._found("ansible-playbook"):
            project = self.folder / "ansible"
            rivals.ansible_project(project, templates, ANSIBLE_HOSTS)
            command = [ansible, "-i", "hosts", "site.yml"]
            self._rival(f"Ansible, {ANSIBLE_HOSTS} hosts", command, project / "out")

    def _found(self, program: str) -> str | None:
        beside = [str(self._beside)] if self._beside else []
        return shutil.which(program, path=os.pathsep.join([*beside, os.environ["PATH"]]))

    def _rival(self, what: str, command: list[str], out: Path) -> None:
        self.costs[what] = cost(*command, cwd=out.parent)
        self.against[what] = cost("cp", "-r", out, out.with_name("copied"))


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description="measure the compiler")
    parser.add_argument("--hosts", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", help="where to write (default: a temporary folder)")
    parser.add_argument("--rivals", type=Path, help="where kapitan and ansible-playbook are")
    options = parser.parse_args()
    # as for most users: Python keeps what it compiled
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="cephos-bench-", dir=options.folder) as name:
        # a first run checks every distinct script; it is not what is measured
        folder = Path(name)
        (folder / "small.yaml").write_text(sites.with_one_changed(3))
        cost(PROGRAM, folder / "small.yaml", "--check")
        rounds = []
        for number in range(options.rounds):
            each = Round(folder / str(number), options.hosts, options.rivals)
            each.measure()
            rounds.append(each)
        _print_table(rounds, options.hosts)  # to clean up takes a while


def _file_system(folder: Path) -> str:
    command = ["stat", "--file-system", "--format=%T", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  # ours
    return done.stdout.strip()


def _print_table(rounds: list[Round], hosts: int) -> None:
    lines = [
        f"{hosts:,} hosts, {len(rounds)} rounds\n",
        "| what | by the clock | ratio to cp -r | processors | ratio to cp -r | MiB |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for what in rounds[0].costs:
        pairs = [(each.costs[what], each.against[what]) for each in rounds]
        wall = statistics.median(cost.wall for cost, _ in pairs)
        cpu = statistics.median(cost.cpu for cost, _ in pairs)
        walls = _spread([cost.wall / base.wall for cost, base in pairs])
        cpus = _spread([cost.cpu / base.cpu for cost, base in pairs])
        memory = max(cost.memory for cost, _ in pairs)
        lines.append(f"| {what} | {wall:.2f} s | {walls} | {cpu:.2f} s | {cpus} | {memory:.0f} |")
    print("\n".join(lines))  # noqa: T201  # the report is what this is for


def _spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


if __name__ == "__main__":
    main()
