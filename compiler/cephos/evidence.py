"""Evidence that OUT is as it was, so that not every file need be read again.

As Git's index does, it goes by what the file system tells of a file: inode, size and the times of
the last change of content (mtime) and of anything at all (ctime). No program can set ctime, so
whatever touches a file, even one that puts size and mtime back, leaves a trace. The one gap is a
change within the tick of the clock (some milliseconds) in which the file was looked at, so nothing
is remembered of what has a file that is younger than that.

What is remembered lies in the user's cache folder, never in OUT. It says how `manifest.json` looked
when a run had brought OUT to what that tells, and how each bundle did. While they look so, what is
in them need not be read: the manifest tells it. Where nothing is remembered, everything is read.

Also remembered is what all of it was made of. The same compiler makes the same of the same
description, so while nothing in OUT was touched, there is nothing to compile (`Out.standing`).
"""

from __future__ import annotations

import hashlib
import json
import marshal
import os
import time
from contextlib import suppress
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from cephos import cache

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

_TICK = 20_000_000
"""Nanoseconds; Linux before 6.13 stamps files by a clock that ticks 100 to 1000 times a second."""


class Look(NamedTuple):
    """A checksum of how files look, and their newest ctime in ns."""

    digest: str
    newest: int

    @classmethod
    def of(cls, looks: Collection[os.stat_result]) -> Look:
        """Return how files look together, of which each looks like this."""
        return cls(_digest(looks), max(map(_changed, looks)))


# ten thousand times: nothing asks many things for the same faster than `map` with these
_shown = attrgetter("st_mode", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
_changed = attrgetter("st_ctime_ns")


def _digest(looks: Iterable[os.stat_result]) -> str:
    # of all ways to turn many numbers into bytes the fastest; version 2 has nothing in it that
    # depends on more than the numbers
    told = marshal.dumps(list(map(_shown, looks)), 2)
    return hashlib.blake2b(told, digest_size=16).hexdigest()


class Recalled(NamedTuple):
    """What a run left for the next: checksums of looks, and what they go with."""

    made_of: str
    """What stands for description and compiler; empty if OUT must be compared with the result."""
    counted: list[int]
    """How many hosts and files there were."""
    outside: dict[str, str]
    """Of the files outside bundles, by path."""
    bundles: list[tuple[list[str], dict[str, str]]]
    """Of bundles, by host: those of one profile, and what was looked at in each of them."""


_NOTHING = Recalled("", [0, 0], {}, [])


class Evidence:
    """What is remembered of one OUT."""

    def __init__(self, out: Path) -> None:
        """Recall what the last run saw."""
        name = hashlib.sha256(os.fsencode(_real(out))).hexdigest()
        self._place = cache.folder("out") / f"{name}.json"
        self._take(self._recall())
        self._seen: dict[str, Look] = {}

    def _recall(self) -> Recalled:
        try:
            made_of, (hosts, files), outside, bundles = json.loads(self._place.read_bytes())
            kinds = [(list(looked_at), dict(looks)) for looked_at, looks in bundles]
            return Recalled(str(made_of), [int(hosts), int(files)], dict(outside), kinds)
        except (OSError, ValueError, TypeError, RecursionError):
            return _NOTHING

    def _take(self, recalled: Recalled) -> None:
        self.recalled = recalled
        self._bundles: dict[str, str] = {}
        self._looked_at: dict[str, list[str]] = {}
        for looked_at, looks in recalled.bundles:
            self._bundles |= looks
            self._looked_at |= dict.fromkeys(looks, looked_at)

    def hosts(self) -> Collection[str]:
        """Return the hosts of whose bundles something is remembered."""
        return self._bundles.keys()

    def looked_at(self, host: str) -> Sequence[str]:
        """Return what was looked at in a bundle, in order; nothing if it is not remembered."""
        return self._looked_at.get(host, ())

    def is_file(self, path: str, look: Look | None) -> bool:
        """Tell whether a file outside bundles is remembered to have looked so."""
        return look is not None and self.recalled.outside.get(path) == look.digest

    def is_bundle(self, host: str, looks: Iterable[os.stat_result]) -> bool:
        """Tell whether what is in a bundle is remembered to have looked so."""
        return self._bundles.get(host) == _digest(looks)

    def see(self, looks: Mapping[str, Look]) -> None:
        """Note how bundles look that have just that in them which they should."""
        self._seen |= looks

    def forget(self) -> None:
        """Forget the bundles: what is remembered goes with another manifest."""
        self._take(_NOTHING)

    def save(
        self,
        made_of: str,
        counted: tuple[int, int],
        outside: Mapping[str, Look],
        kinds: Iterable[tuple[Sequence[str], Collection[str]]],
    ) -> None:
        """Keep for the next run what was seen, and what was recalled of others of these hosts.

        `counted` are all hosts and files of OUT, `kinds` what is looked at in the bundles of some
        hosts, and these. Without the manifest nothing else would count, so its tick has passed when
        this returns.
        """
        youngest, now = max(look.newest for look in outside.values()), time.time_ns()
        end = min(max(youngest + _TICK, now), now + _TICK)
        files = _settled(outside, end - _TICK)
        known = self._bundles | _settled(self._seen, end - _TICK)
        bundles = [
            (list(looked_at), {host: known[host] for host in hosts if host in known})
            for looked_at, hosts in kinds
        ]
        hosts_known = sum(len(looks) for _, looks in bundles)
        is_whole = (hosts_known, len(files)) == (counted[0], len(outside))
        told = Recalled(made_of if is_whole else "", [*counted], files, bundles)
        if told == self.recalled:
            return
        self.recalled = told
        new = self._place.with_suffix(f".{os.getpid()}")
        with suppress(OSError):
            self._place.parent.mkdir(parents=True, exist_ok=True)
            try:
                new.write_text(json.dumps(told), encoding="utf-8")
                time.sleep(min(max(end - time.time_ns(), 0), _TICK) / 1e9)
                new.replace(self._place)
            except OSError:
                new.unlink(missing_ok=True)


def _real(out: Path) -> str:
    """Return where OUT lies; one that cannot be made or entered is refused when that is tried."""
    try:
        return os.path.realpath(out)
    except OSError:  # there is no current folder any more
        return str(out)


def _settled(looks: Mapping[str, Look], time_ns: int) -> dict[str, str]:
    """Return the checksums of looks that are as old as that."""
    return {name: look.digest for name, look in looks.items() if look.newest <= time_ns}
