"""Glance, Cinder and Nova as they are published, and what their own generator says of their
options: of the newest release from the package index, of Zed from Debian 12.

The newest are installed once, without being compiled, into an environment of their own in `.cache/`
(about 45 s of work, 350 MB).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from rig import base
from rig.base import locked

RELEASE = "2026.2"
DEBIAN = "zed"
PACKAGES = (
    "glance==33.0.0",
    "cinder==29.0.0",
    "nova==34.0.0",
    # Cinder's list of options imports every driver, and for this one Cinder does not ask
    "google-api-python-client>=2,<3",
)
COMMON = ("keystonemiddleware.auth_token", "oslo.concurrency", "oslo.log", "oslo.messaging")
NAMESPACES = {
    "glance": ("glance", "glance.api", "glance.store", "glance.multi_store", "oslo.db", *COMMON),
    "cinder": ("cinder", "os_brick", "oslo.db", "oslo.reports", *COMMON),
    "nova": ("nova.conf", "oslo.cache", "oslo.reports", *COMMON),
}
"""What the sample of each service is made of, after its own configuration of the generator."""
_CACHE = Path(__file__).resolve().parents[1] / ".cache"


@cache
def python() -> Path:
    """Return the interpreter of an environment that has the services; made if need be."""
    name = hashlib.sha256(repr((PACKAGES, sys.version_info[:2])).encode()).hexdigest()[:12]
    folder = _CACHE / f"upstream-{name}"
    _CACHE.mkdir(exist_ok=True)
    with locked(_CACHE / "upstream.lock", fcntl.LOCK_EX):
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            quiet = ("--quiet", "--disable-pip-version-check", "--no-compile", "--prefer-binary")
            subprocess.run([folder / "bin/pip", "install", *quiet, *PACKAGES], check=True)
            (folder / "complete").touch()
    return folder / "bin/python"


@cache
def sample(service: str) -> bytes:
    """Return the sample configuration file of a service, every option in a comment."""
    return _generated(service, "ini", str(python()))


@cache
def options(service: str, release: str = RELEASE) -> dict[str, Any]:
    """Return what a service says of its options, as the generator's JSON form has it.

    `release` is the newest or Debian's.
    """
    interpreter = [str(python())] if release == RELEASE else _in_debian("python3")
    described: dict[str, Any] = json.loads(_generated(service, "json", *interpreter))
    return described


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
