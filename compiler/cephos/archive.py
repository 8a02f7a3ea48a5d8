"""Archives for carrying: one per host, and one of the site that holds them all.

Their bytes depend on nothing but what is in them: names in order, no owners, one fixed time, and
compression of our own (`deflate.py`). What the bundles of a profile share is compressed once; a
host's few own files follow as they are.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from functools import cache, lru_cache
from tarfile import BLOCKSIZE, GNU_FORMAT, LENGTH_NAME, TarInfo
from typing import TYPE_CHECKING, NamedTuple

from cephos import deflate, sign
from cephos.tree import PLAIN, SUMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cephos.tree import Bundles

FOLDER = "cephos"
"""What a host's archive unpacks to; the runbook unpacks it in /root."""

_TIME = 315532800
"""1980-01-01, the oldest time that every unpacker takes without a warning."""

_GZIP = bytes.fromhex("1f8b0800 00000000 00ff")  # RFC 1952: no name, no time, no system
_END = bytes(2 * BLOCKSIZE)
_CHECK = slice(148, 156)
"""Where a header has the sum of its bytes, as six octal digits, a zero and a blank."""


class _Shared(NamedTuple):
    """What the archives of one profile's hosts begin with."""

    bundles: Bundles
    sent: bytes
    size: int
    check: int
    digest: hashlib._Hash

    @classmethod
    def of(cls, bundles: Bundles) -> _Shared:
        entries = [
            _entry(f"{FOLDER}/{path}", file.data, file.mode)
            for path, file in bundles.shared.items()
        ]
        sent = _GZIP + b"".join(map(_compressed, entries))
        raw = b"".join(entries)
        return cls(bundles, sent, len(raw), zlib.crc32(raw), hashlib.sha256(sent))


class HostArchives:
    """The archives of hosts, each a `.tar.gz`."""

    def __init__(self, bundles: Iterable[Bundles], signatures: Mapping[str, bytes]) -> None:
        """Take bundles, and the signatures of those that have one, by host."""
        self._signatures = signatures
        self._shared = {
            host: shared for shared in map(_Shared.of, bundles) for host in shared.bundles.hosts
        }

    def of(self, host: str) -> bytes:
        """Return the archive of a host."""
        shared = self._shared[host]
        own = shared.bundles.own(host)
        if host in self._signatures:
            own[SUMS + sign.SUFFIX] = self._signatures[host]
        raw = b"".join(_entry(f"{FOLDER}/{path}", data) for path, data in own.items()) + _END
        end = _trailer(zlib.crc32(raw, shared.check), shared.size + len(raw))
        return shared.sent + deflate.stored(raw, final=True) + end

    def digest(self, host: str, archive: bytes) -> str:
        """Return the sha256 of the archive of a host; that of its beginning is known."""
        shared = self._shared[host]
        digest = shared.digest.copy()
        digest.update(archive[len(shared.sent) :])
        return digest.hexdigest()


def of_site(site: str, files: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """Yield, piece by piece, a `.tar.gz` of a folder; most of its files are compressed already."""
    yield _GZIP
    size = check = 0
    for path, data in files:
        raw = _entry(f"{site}/{path}", data)
        check = zlib.crc32(raw, check)
        size += len(raw)
        yield deflate.stored(raw, final=False)
    yield deflate.stored(_END, final=True)
    yield _trailer(zlib.crc32(_END, check), size + len(_END))


@cache
def _compressed(data: bytes) -> bytes:
    return deflate.compressed(data)


def _trailer(check: int, size: int) -> bytes:
    return struct.pack("<II", check, size & 0xFFFFFFFF)


def _entry(path: str, data: bytes, mode: int = PLAIN) -> bytes:
    return _header(path, len(data), mode) + data + bytes(-len(data) % BLOCKSIZE)


def _header(path: str, size: int, mode: int) -> bytes:
    """Return the header of a file, which `tarfile` would take long to make ten thousand times."""
    name = path.encode()
    if len(name) > LENGTH_NAME:
        return _described(path, size, mode)
    nameless = _described("", size, mode)
    check = b"%06o\0 " % (int(nameless[_CHECK][:-2], 8) + sum(name))
    return name + nameless[len(name) : _CHECK.start] + check + nameless[_CHECK.stop :]


@lru_cache(1024)
def _described(path: str, size: int, mode: int) -> bytes:
    info = TarInfo(path)
    info.size, info.mode, info.mtime = size, mode, _TIME
    return info.tobuf(GNU_FORMAT)
