#!/usr/bin/env python3
"""What a thousand hosts cost: `benchmarks/hosts.py [HOSTS]`.

Compiles a site with one compute and one with HOSTS computes (default 1000, one range), with and
without writing, and copies the finished tree with `cp -r`, round after round so that all see the
same machine. Prints the median and the spread of each and what they come to. TMPDIR decides whose
disk is measured: on tmpfs (`TMPDIR=/dev/shm`) it is the compiler.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 7
PROGRAM = Path(sys.executable).with_name("cephos-compile")
SITE = """\
version: 1
site: bench
openstack: {{release: "2025.1", platform: rdo}}
clusters:
  ceph:
    release: squid
    fsid: 3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10
    mon_host: [192.168.8.11, 192.168.8.12, 192.168.8.13]
    pools: {{images: {{}}, volumes: {{}}, vms: {{}}}}
services:
  glance: {{pool: images, client: glance}}
  cinder: {{backends: {{rbd: {{pool: volumes, client: cinder}}}}}}
  nova: {{pool: vms, client: nova}}
hosts:
  ceph1: {{roles: [ceph-admin]}}
  os1: {{roles: [glance, cinder]}}
  compute[0001-{hosts:04}]: {{roles: [nova-compute]}}
"""


def main() -> None:
    """Measure and print."""
    hosts = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory(prefix="cephos-bench-") as name:
        folder = Path(name)
        for count in (1, hosts):
            (folder / f"{count}.yaml").write_text(SITE.format(hosts=count), encoding="utf-8")
        compile_one = [PROGRAM, folder / "1.yaml", "-o", folder / "one"]
        compile_all = [PROGRAM, folder / f"{hosts}.yaml", "-o", folder / "all"]
        copy = ["cp", "-r", folder / "all", folder / "copy"]
        seconds(compile_one)  # the first run checks every distinct script; later ones remember that
        times: dict[str, list[float]] = {
            what: [] for what in ("check one", "check all", "all", "again", "copy")
        }
        for _ in range(ROUNDS):
            for made in ("all", "copy"):
                shutil.rmtree(folder / made, ignore_errors=True)
            times["check one"].append(seconds([PROGRAM, folder / "1.yaml", "--check"]))
            times["check all"].append(seconds([PROGRAM, folder / f"{hosts}.yaml", "--check"]))
            times["all"].append(seconds(compile_all))
            times["again"].append(seconds(compile_all))
            times["copy"].append(seconds(copy))
        files = sum(path.is_file() for path in (folder / "all").rglob("*"))
    show("1 compute, all but writing", times["check one"])
    show(f"{hosts:,} computes, all but writing", times["check all"])
    show(f"{hosts:,} computes, {files:,} files written", times["all"])
    show("the same again, nothing to change", times["again"])
    show("cp -r of the finished tree", times["copy"])
    median = {what: statistics.median(values) for what, values in times.items()}
    print(  # noqa: T201  # the report is what this is for
        f"\n{hosts:,} computes cost {median['check all'] / median['check one']:.2f} times what one"
        f" costs, plus the writing, which takes"
        f" {(median['all'] - median['check all']) / median['copy']:.1f} times as long as cp -r"
    )


def seconds(command: list[str | Path]) -> float:
    """Run a command that must succeed; return how long it took by the clock."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603  # this project's own
    return time.perf_counter() - began


def show(what: str, values: list[float]) -> None:
    """Print one line: median, least and most of the rounds."""
    middle, least, most = statistics.median(values), min(values), max(values)
    print(f"{what:<40} {middle:7.3f} s  ({least:.3f} to {most:.3f})")  # noqa: T201


if __name__ == "__main__":
    main()
