"""Glance, Cinder and Nova as they are published, and what their own generator says of their
options: of the newest release from the package index, of Zed from Debian 12.

Each release is installed once, without being compiled, into an environment of its own in `.cache/`
(about 45 s of work, 350 MB). What is published changes no more, so the sample files of the newest
three lie ready in `samples.tar.xz`; they are OpenStack's own text, under the Apache License 2.0 as
this project is. `python -m upstream`, from `tests/`, makes them anew after PACKAGES has changed.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

from rig import base
from rig.base import locked

RELEASE = "2026.2"
DEBIAN = "zed"
ALSO = "google-api-python-client>=2,<3"
"""Cinder's list of options imports every driver, and for this one Cinder does not ask."""
PACKAGES = {
    "2025.2": (
        *("glance==31.1.0", "cinder==27.0.0", "nova==32.2.1"),
        *("glance-store==5.2.0", "os-brick==6.13.0"),
    ),
    "2026.1": (
        *("glance==32.0.0", "cinder==28.0.0", "nova==33.0.2"),
        *("glance-store==5.4.1", "os-brick==7.0.0"),
    ),
    RELEASE: (
        *("glance==33.0.0", "cinder==29.0.0", "nova==34.0.0"),
        *("glance-store==5.7.0", "os-brick==7.1.1"),
    ),
}
COMMON = ("keystonemiddleware.auth_token", "oslo.concurrency", "oslo.log", "oslo.messaging")
NAMESPACES = {
    "glance": ("glance", "glance.api", "glance.store", "glance.multi_store", "oslo.db", *COMMON),
    "cinder": ("cinder", "os_brick", "oslo.db", "oslo.reports", *COMMON),
    "nova": ("nova.conf", "oslo.cache", "oslo.reports", *COMMON),
}
"""What the sample of each service is made of, after its own configuration of the generator."""
SAMPLES = Path(__file__).with_name("samples.tar.xz")
_CACHE = Path(__file__).resolve().parents[1] / ".cache"


@cache
def python(release: str) -> Path:
    """Return the interpreter of an environment that has a release; made if need be."""
    packages = (*PACKAGES[release], ALSO)
    name = hashlib.sha256(repr((packages, sys.version_info[:2])).encode()).hexdigest()[:12]
    folder = _CACHE / f"upstream-{name}"
    _CACHE.mkdir(exist_ok=True)
    with locked(_CACHE / "upstream.lock", fcntl.LOCK_EX):
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            quiet = ("--quiet", "--disable-pip-version-check", "--no-compile", "--prefer-binary")
            subprocess.run([folder / "bin/pip", "install", *quiet, *packages], check=True)
            (folder / "complete").touch()
    return folder / "bin/python"


def sample(service: str, release: str) -> bytes:
    """Return the sample configuration file of a service, every option in a comment."""
    with tarfile.open(SAMPLES) as samples:
        member = samples.extractfile(f"{release}/{service}.conf")
        assert member
        return member.read()


@cache
def options(service: str, release: str = RELEASE) -> dict[str, Any]:
    """Return what a service says of its options, as the generator's JSON form has it.

    `release` is one of PACKAGES, or Debian's.
    """
    interpreter = _in_debian("python3") if release == DEBIAN else [str(python(release))]
    described: dict[str, Any] = json.loads(_generated(service, "json", *interpreter))
    return described


def source(path: str, release: str = RELEASE) -> str:
    """Return the text of a module of a service: of one of PACKAGES, or Debian's."""
    if release == DEBIAN:
        return (base.path() / "usr/lib/python3/dist-packages" / path).read_text()
    (found,) = python(release).parents[1].glob(f"lib/python*/site-packages/{path}")
    return found.read_text()


def _in_debian(program: str) -> list[str]:
    """Return how a program of the rig's tree is run: it sees no other file, and changes none."""
    script = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
    return ["unshare", "--mount", "sh", "-c", script, str(base.path()), program, "-B"]


def _generated(service: str, form: str, *interpreter: str) -> bytes:
    code = "from oslo_config.generator import main; main()"
    spaces = [f"--namespace={space}" for space in NAMESPACES[service]]
    return subprocess.run(
        [*interpreter, "-W", "ignore", "-c", code, f"--format={form}", *spaces],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ).stdout


def _write_samples() -> None:
    with tarfile.open(SAMPLES, "w:xz", preset=9) as samples:
        for release in PACKAGES:
            for service in NAMESPACES:
                text = _generated(service, "ini", str(python(release)))
                member = tarfile.TarInfo(f"{release}/{service}.conf")
                member.size = len(text)
                samples.addfile(member, io.BytesIO(text))


if __name__ == "__main__":
    _write_samples()
