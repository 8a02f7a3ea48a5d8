"""Evidence that the bundles of OUT are as they were, so that not every file need be read again.

As Git's index does, it goes by what the file system tells of a file: inode, size and the times of
the last change of content (mtime) and of anything at all (ctime). No program can set ctime, so
whatever touches a file, even one that puts size and mtime back, leaves a trace. The one gap is a
change within the tick of the clock (some milliseconds) in which the file was looked at, so nothing
is remembered of a bundle with a file that is younger than that.

What is remembered lies in the user's cache folder, never in OUT, and says of a bundle: files that
look like this had those contents. Where it is missing or says otherwise, the files are read.

Also remembered is what all of it was made of. The same compiler makes the same of the same
description, so while nothing in OUT was touched, there is nothing to compile (`Out.standing`).
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from cephos import cache

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from cephos.manifest import Block

_TICK = 20_000_000
"""Nanoseconds; Linux before 6.13 stamps files by a clock that ticks 100 to 1000 times a second."""


class Look(NamedTuple):
    """A checksum of how the files of a bundle look, and their newest ctime in ns."""

    digest: str
    newest: int

    @classmethod
    def of(cls, block: Block, looks: Mapping[str, os.stat_result]) -> Look:
        """Return how a bundle looks whose files, by path, look like this."""
        told: list[int] = []
        for each in map(looks.__getitem__, block.paths):
            told += each.st_mode, each.st_ino, each.st_size, each.st_mtime_ns, each.st_ctime_ns
        return cls(hashlib.sha256(repr(told).encode()).hexdigest(), max(told[4::5]))

    def with_content(self, identity: str) -> str:
        """Return what there is to remember of the bundle, if it has this in it."""
        return hashlib.sha256(f"{identity} {self.digest}".encode()).hexdigest()


class Recalled(NamedTuple):
    """What a run left for the next."""

    made_of: str
    """What stands for description and compiler; empty if OUT must be compared with the result."""
    outside: dict[str, str]
    """Checksums of the files outside bundles."""
    bundles: dict[str, str]
    """`Look.with_content` of each host's bundle."""


class Evidence:
    """What is remembered of one OUT."""

    def __init__(self, out: Path) -> None:
        """Recall what the last run saw."""
        name = hashlib.sha256(os.fsencode(out.resolve())).hexdigest()
        self._place = cache.folder("out") / f"{name}.json"
        self.recalled = self._recall()
        self._seen: dict[str, tuple[str, Look]] = {}

    def _recall(self) -> Recalled:
        try:
            made_of, outside, bundles = json.loads(self._place.read_bytes())
            return Recalled(str(made_of), dict(outside), dict(bundles))
        except (OSError, ValueError, TypeError, RecursionError):
            return Recalled("", {}, {})

    def knows(self, host: str) -> bool:
        """Tell whether anything is remembered of a host's bundle."""
        return host in self.recalled.bundles

    def holds(self, host: str, identity: str, look: Look) -> bool:
        """Tell whether the bundle is remembered to have looked so, with just this in it."""
        return self.recalled.bundles.get(host) == look.with_content(identity)

    def see(self, host: str, identity: str, look: Look) -> None:
        """Note that the bundle has just this in it, and looks so."""
        self._seen[host] = (identity, look)

    def save(self, made_of: str, outside: dict[str, str], hosts: Collection[str]) -> None:
        """Keep for the next run what was seen, and what was recalled of others of these hosts."""
        settled = time.time_ns() - _TICK
        kept = {host: digest for host, digest in self.recalled.bundles.items() if host in hosts}
        kept |= {
            host: look.with_content(identity)
            for host, (identity, look) in self._seen.items()
            if look.newest < settled
        }
        told = Recalled(made_of, outside, kept)
        if told == self.recalled:
            return
        self.recalled = told
        new = self._place.with_suffix(f".{os.getpid()}")
        with suppress(OSError):
            self._place.parent.mkdir(parents=True, exist_ok=True)
            try:
                new.write_text(json.dumps(told), encoding="utf-8")
                new.replace(self._place)
            except OSError:
                new.unlink(missing_ok=True)
