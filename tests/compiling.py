"""Compiling in this process, as a user would from a shell, and the site that most tests vary."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings

from cephos.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent

PROGRAM = Path(sys.executable).with_name("cephos-compile")

SITE = """\
version: 1
site: lon1
openstack: {release: "2025.1", platform: rdo}
clusters:
  ceph:
    release: squid
    fsid: 3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10
    mon_host: [192.168.8.11, "[fd00::12]:6789"]
    pools:
      images: {pg_num: 64}
      volumes: {}
      vms: {}
services:
  glance: {pool: images, client: glance}
  cinder:
    backends:
      rbd: {pool: volumes, client: cinder}
  nova: {pool: vms, client: nova}
hosts:
  ceph1: {roles: [ceph-admin]}
  os1: {roles: [glance, cinder]}
  compute[01-02]: {roles: [nova-compute]}
"""


@dataclass(frozen=True)
class Ran:
    """What a run of the compiler came to."""

    status: int
    stdout: str
    stderr: str

    def heads(self) -> list[str]:
        """Return the first line of each diagnostic."""
        return [line for line in self.stderr.splitlines() if line.startswith("site.yaml:")]


def run(folder: Path, *arguments: str, site: str | None = None, stdin: bytes = b"") -> Ran:
    """Run the compiler in `folder`; `site` is written to `site.yaml` there first."""
    if site is not None:
        folder.joinpath("site.yaml").write_text(site, encoding="utf-8")
    output, errors = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    source = io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
        mock.patch("sys.stdin", source),
    ):
        try:
            status = main(arguments)
        except SystemExit as exit_:
            status = exit_.code if isinstance(exit_.code, int) else 1
    texts = []
    for stream in (output, errors):
        stream.seek(0)
        texts.append(stream.read())
    return Ran(status, *texts)


def compiled(folder: Path, site: str = SITE) -> Path:
    """Compile a site that must be right to `folder/out`, and return that."""
    ran = run(folder, "site.yaml", "-o", "out", site=site)
    assert ran.status == 0, ran.stderr
    return folder / "out"


def edited(*edits: tuple[str, str], site: str = SITE) -> str:
    """Return the site with the first of each pair, which must be there, replaced by the second."""
    for old, new in edits:
        assert old in site, old
        site = site.replace(old, new)
    return site


OTHER = edited(
    ("compute[01-02]", "compute[02-03]"),
    ("{pg_num: 64}", "{pg_num: 128}"),
    ("client: nova}", "client: nova, options: {hw_disk_discard: ignore}}"),
)
"""A site that differs from SITE in such a way that files are made, changed and removed."""


def examples(few: int) -> settings:
    """Return how a property is tried: `few` examples, always the same, or as many others as
    CEPHOS_TEST_EXAMPLES says.
    """
    many = os.environ.get("CEPHOS_TEST_EXAMPLES")
    return settings(
        max_examples=int(many or few),
        derandomize=many is None,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def names(folder: Path) -> list[str]:
    """Return the names in a folder, in order."""
    return sorted(path.name for path in folder.iterdir())


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return bytes and permission bits of every file below a folder, by relative path."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode & 0o7777)
        for path in sorted(folder.rglob("*"))
        if not path.is_dir()
    }


def told(out: Path) -> dict[str, dict[str, str]]:
    """Return what the manifest tells of each file: checksum, mode and source."""
    manifest = json.loads((out / "manifest.json").read_bytes())
    entries: dict[str, dict[str, str]] = manifest["files"]
    for block in manifest["bundles"]:
        for host, own in block["hosts"].items():
            for path, shared in block["files"].items():
                entry = {"source": own["source"], "sha256": own.get(path, "")} | shared
                entries[f"hosts/{host}/{path}"] = entry
    return entries


def as_root(purpose: str) -> None:
    """Skip the test where it cannot be root."""
    if os.geteuid():
        leave_out(f"this must be root {purpose}")


def other_user(uid: int = 65534) -> list[str]:
    """Return what a command is prefixed with to run as a user who owns nothing.

    Where the interpreter lies in root's own home, that user may read everything, and still write
    nothing.
    """
    as_root("to become another user")
    plain = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    reading = [*plain, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    for prefix in (plain, reading):
        # env looks the program up as the other user; setpriv still does as root
        tried = [*prefix, "env", str(PROGRAM), "--version"]
        if subprocess.run(tried, capture_output=True, check=False).returncode == 0:
            return [*prefix, "env"]
    return leave_out(f"user {uid} cannot run {PROGRAM}")


def leave_out(reason: str) -> NoReturn:
    """Skip the test; in CI nothing is skipped, so there it fails."""
    if os.environ.get("CI"):
        pytest.fail(f"CI is set, so no test is skipped, but {reason}", pytrace=False)
    pytest.skip(reason)


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """Give a new folder that every user can enter (those of `tmp_path` are their owner's alone)."""
    with tempfile.TemporaryDirectory(prefix="cephos-open-") as name:
        Path(name).chmod(0o755)
        yield Path(name)
