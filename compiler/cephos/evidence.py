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
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from cephos import cache

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from cephos.tree import Bundles
_TICK = 50_000_000
"""Nanoseconds; Linux before 6.13 stamps files by a clock that ticks 100 to 1000 times a second."""
_LOOK = struct.Struct("=5q").pack


class Stamp(NamedTuple):
    """A checksum of what a bundle holds and how its files look, and their newest ctime in ns."""

    digest: str
    newest: int


def stamp(host: str, bundles: Bundles, looks: Mapping[str, os.stat_result]) -> Stamp:
    """Return what there is to remember of a bundle whose files, by path, look like this."""
    told = [
        (look.st_mode, look.st_ino, look.st_size, look.st_mtime_ns, look.st_ctime_ns)
        for look in map(looks.__getitem__, bundles.paths)
    ]
    packed = b"".join([_LOOK(*each) for each in told])
    digest = hashlib.sha256(bundles.identity(host).encode() + packed).hexdigest()
    return Stamp(digest, max([ctime for *_, ctime in told]))


class Evidence:
    """What is remembered of one OUT."""

    def __init__(self, out: Path) -> None:
        """Recall what the last run saw."""
        name = hashlib.sha256(os.fsencode(out.resolve())).hexdigest()
        self._place = cache.folder("out") / f"{name}.json"
        self._recalled = self._recall()
        self.seen: dict[str, Stamp] = {}
        """Bundles that this run has read, made, or found to look as they did."""

    def _recall(self) -> dict[str, str]:
        try:
            recalled = json.loads(self._place.read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return recalled if isinstance(recalled, dict) else {}

    def knows(self, host: str) -> bool:
        """Tell whether anything is remembered of a host's bundle."""
        return host in self._recalled

    def holds(self, host: str, seen: Stamp) -> bool:
        """Tell whether the bundle is remembered to have looked so, with just this in it."""
        return self._recalled.get(host) == seen.digest

    def save(self, hosts: Collection[str]) -> None:
        """Keep for the next run what was seen, and what was recalled of others of these hosts."""
        settled = time.time_ns() - _TICK
        kept = {host: digest for host, digest in self._recalled.items() if host in hosts}
        kept |= {host: seen.digest for host, seen in self.seen.items() if seen.newest < settled}
        if kept == self._recalled:
            return
        new = self._place.with_suffix(f".{os.getpid()}")
        with suppress(OSError):
            self._place.parent.mkdir(parents=True, exist_ok=True)
            try:
                new.write_text(json.dumps(kept), encoding="utf-8")
                new.replace(self._place)
            except OSError:
                new.unlink(missing_ok=True)
