"""What a run may remember for the next, in the user's cache folder.

Nothing depends on it: a cache that cannot be read is an empty one, and one that cannot be written
costs time, nothing else.
"""

from __future__ import annotations

import hashlib
import os
import sys
from functools import cache
from importlib import import_module
from pathlib import Path

_CODE = ("cephos", "cephos.data", "cephos.schema", "cephos.templates")
"""Packages that decide what is made."""


def folder(kind: str) -> Path:
    """Return the folder for one kind of things to remember; it may not exist."""
    # a user without HOME and passwd entry has no cache: nothing can be made below /dev/null
    home = Path("~").expanduser() if os.path.expanduser("~") != "~" else Path(os.devnull)  # noqa: PTH111
    base = os.environ.get("XDG_CACHE_HOME") or home / ".cache"
    return Path(base, "cephos-compile", kind)


@cache
def compiler() -> str:
    """Return what changes with the compiler: its own files, its interpreter, what it may import.

    Whatever is installed, removed or upgraded changes the time of a folder on `sys.path`, since the
    name of its folder of metadata tells its version.
    """
    digest = hashlib.sha256(sys.version.encode())
    for entry in sys.path:
        if os.path.isdir(entry):  # noqa: PTH112  # a Path for '' is another folder
            digest.update(f"\0{entry}\0{os.stat(entry).st_mtime_ns}".encode())  # noqa: PTH116
    for package in _CODE:
        for file in sorted(Path(import_module(package).__path__[0]).rglob("*")):
            if "__pycache__" not in file.parts and file.is_file():
                digest.update(f"\0{file}\0".encode() + file.read_bytes())
    return digest.hexdigest()
