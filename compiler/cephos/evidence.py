"""Evidence that the bundles of OUT are as they were, so that not every file need be read again.

As Git's index does, it goes by what the file system tells of a file: inode, size and the times of
the last change of content (mtime) and of anything at all (ctime). No program can set ctime, so
whatever touches a file, even one that puts size and mtime back, leaves a trace. The one gap is a
change within the tick of the clock (some milliseconds) in which the file was looked at, so nothing
is remembered of a bundle with a file that is younger than that.

What is remembered lies in the user's cache folder, never in OUT, and says of a bundle: files that
look like this had those contents. Where it is missing or says otherwise, the files are read.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import time
from typing import TYPE_CHECKING

from cephos import cache

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from cephos.tree import Bundles

    Looks = Mapping[str, os.stat_result]

_TICK = 50_000_000
"""Nanoseconds; Linux before 6.13 stamps files by a clock that ticks 100 to 1000 times a second."""
_LOOK = struct.Struct("=5q").pack


class Evidence:
    """What is remembered of one OUT."""

    def __init__(self, out: Path) -> None:
        """Recall what the last run saw."""
        name = hashlib.sha256(os.fsencode(out.resolve())).hexdigest()
        self._place = cache.folder("out") / f"{name}.json"
        self._recalled = self._recall()
        self._seen: dict[str, tuple[str, int]] = {}

    def _recall(self) -> dict[str, str]:
        try:
            recalled = json.loads(self._place.read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return recalled if isinstance(recalled, dict) else {}

    def holds(self, host: str, bundles: Bundles, looks: Looks) -> bool:
        """Tell whether a bundle whose files look like this had just these contents and modes."""
        if host not in self._recalled or not looks:
            return False
        stamp, newest = _stamp(host, bundles, looks)
        if self._recalled[host] != stamp:
            return False
        self._seen[host] = stamp, newest
        return True

    def see(self, host: str, bundles: Bundles, looks: Looks) -> None:
        """Remember that the files of a bundle, as it was read or made, look like this."""
        self._seen[host] = _stamp(host, bundles, looks)

    def save(self, hosts: Collection[str]) -> None:
        """Keep for the next run what was seen, and what was recalled of others of these hosts."""
        settled = time.time_ns() - _TICK
        kept = {host: stamp for host, stamp in self._recalled.items() if host in hosts}
        kept |= {host: stamp for host, (stamp, newest) in self._seen.items() if newest < settled}
        if kept == self._recalled:
            return
        new = self._place.with_suffix(f".{os.getpid()}")
        try:
            self._place.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(json.dumps(kept), encoding="utf-8")
            new.replace(self._place)
        except OSError:
            new.unlink(missing_ok=True)


def _stamp(host: str, bundles: Bundles, looks: Looks) -> tuple[str, int]:
    """Return a checksum of contents, modes and looks, and when the last change was."""
    told = [
        (look.st_mode, look.st_ino, look.st_size, look.st_mtime_ns, look.st_ctime_ns)
        for look in map(looks.__getitem__, bundles.paths)
    ]
    packed = b"".join([_LOOK(*each) for each in told])
    stamp = hashlib.sha256(bundles.identity(host).encode() + packed).hexdigest()
    return stamp, max([ctime for *_, ctime in told])
