"""What a run may remember for the next, in the user's cache folder.

Nothing depends on it: a cache that cannot be read is an empty one, and one that cannot be written
costs time, nothing else.
"""

from __future__ import annotations

import os
from pathlib import Path


def folder(kind: str) -> Path:
    """Return the folder for one kind of things to remember; it may not exist."""
    # a user without HOME and passwd entry has no cache: nothing can be made below /dev/null
    home = Path("~").expanduser() if os.path.expanduser("~") != "~" else Path(os.devnull)  # noqa: PTH111
    base = os.environ.get("XDG_CACHE_HOME") or home / ".cache"
    return Path(base, "cephos-compile", kind)
