"""Programs from npm that tests talk to: installed once, into `.cache`, as `package.json` says."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from compiling import ROOT, leave_out

WANTED = Path(__file__).with_name("package.json")


def module(name: str) -> Path:
    """Return the folder of a package; skip the test where npm cannot install it."""
    npm = shutil.which("npm")
    if not npm:
        leave_out(f"npm is not installed, and {name} comes from it")
    digest = hashlib.sha256(WANTED.read_bytes()).hexdigest()[:12]
    folder = ROOT / ".cache" / "node" / digest
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            shutil.copy(WANTED, folder)
            subprocess.run(
                [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"],
                cwd=folder, check=True, env=os.environ | {"npm_config_update_notifier": "false"},
            )  # fmt: skip
            (folder / "complete").touch()
    return folder / "node_modules" / name
