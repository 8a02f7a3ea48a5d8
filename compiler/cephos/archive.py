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
from tarfile import BLOCKSIZE, GNU_FORMAT, TarInfo
from typing import TYPE_CHECKING

from cephos import deflate, sign
from cephos.tree import SUMS, File

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import BinaryIO

    from cephos.tree import Bundles

FOLDER = "cephos"
"""What a host's archive unpacks to; the runbook unpacks it in /root."""

_TIME = 315532800
"""1980-01-01, the oldest time that every unpacker takes without a warning."""

_GZIP = bytes.fromhex("1f8b0800 00000000 00ff")  # RFC 1952: no name, no time, no system
_END = bytes(2 * BLOCKSIZE)


def of_hosts(bundles: Bundles, signatures: Mapping[str, bytes]) -> Iterator[tuple[str, bytes, str]]:
    """Yield each host of a profile with its archive, a `.tar.gz`, and the sha256 of that.

    `signatures` are those of the bundles that have one, by host.
    """
    shared = [_entry(f"{FOLDER}/{path}", file) for path, file in bundles.shared.items()]
    head = _GZIP + b"".join(map(_compressed, shared))
    raw = b"".join(shared)
    size, check, digest = len(raw), zlib.crc32(raw), hashlib.sha256(head)
    for host in bundles.hosts:
        files = bundles.own(host)
        if host in signatures:
            files[SUMS + sign.SUFFIX] = File(signatures[host], "")
        own = b"".join(_entry(f"{FOLDER}/{path}", file) for path, file in files.items()) + _END
        tail = deflate.stored(own, final=True)
        tail += _trailer(zlib.crc32(own, check), size + len(own))
        whole = digest.copy()
        whole.update(tail)
        yield host, head + tail, whole.hexdigest()


class SiteArchive:
    """A `.tar.gz` that grows file by file, for files that are compressed already."""

    def __init__(self, stream: BinaryIO) -> None:
        """Begin it on a stream."""
        self._stream = stream
        self._size = self._check = 0
        self._digest = hashlib.sha256()
        self._write(_GZIP)

    def add(self, path: str, data: bytes) -> None:
        """Append a file."""
        self._put(_entry(path, File(data, "")), final=False)

    def close(self) -> str:
        """End it, and return its sha256; the stream stays open."""
        self._put(_END, final=True)
        self._write(_trailer(self._check, self._size))
        return self._digest.hexdigest()

    def _put(self, raw: bytes, *, final: bool) -> None:
        self._write(deflate.stored(raw, final=final))
        self._check = zlib.crc32(raw, self._check)
        self._size += len(raw)

    def _write(self, data: bytes) -> None:
        self._stream.write(data)
        self._digest.update(data)


@cache
def _compressed(data: bytes) -> bytes:
    return deflate.compressed(data)


def _trailer(check: int, size: int) -> bytes:
    return struct.pack("<II", check, size & 0xFFFFFFFF)


def _entry(path: str, file: File) -> bytes:
    return _header(path, len(file.data), file.mode) + file.data + bytes(-len(file.data) % BLOCKSIZE)


@lru_cache(1024)
def _header(path: str, size: int, mode: int) -> bytes:
    info = TarInfo(path)
    info.size, info.mode, info.mtime = size, mode, _TIME
    return info.tobuf(GNU_FORMAT)
