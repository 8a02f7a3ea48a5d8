"""Compression whose bytes depend on nothing but the data.

zlib promises only that its output can be read back: its versions, zlib-ng and hardware give other
bytes for the same level. An archive that anybody can make again, anywhere, needs a compressor that
is the same everywhere. This one does a megabyte in about a second, so it is for what is compressed
once and used often.

The format is RFC 1951: a block here is one of fixed Huffman codes (3.2.6), and ends on a byte, so
blocks that were made apart can be strung together.
"""

from __future__ import annotations

from functools import cache

_WINDOW = 32768
_SHORTEST, _LONGEST = 4, 258
_STORED_LIMIT = 65535
_EMPTY_STORED = bytes.fromhex("0000ffff")

Code = tuple[int, int]
"""Bits, the first to be sent lowest, and how many there are."""


def compressed(data: bytes) -> bytes:
    """Return a block that stands for the data, which is not the last."""
    sent, waiting, width = bytearray(), 0b010, 3  # not final, fixed codes
    seen: dict[bytes, int] = {}
    at = 0
    while at < len(data):
        start = data[at : at + _SHORTEST]
        before = seen.get(start, -_WINDOW - 1)
        seen[start] = at
        if at - before <= _WINDOW and len(start) == _SHORTEST:
            length = _common(data, before, at)
            codes = [_length(length), _distance(at - before)]
            for inside in range(at + 1, at + length):
                seen[data[inside : inside + _SHORTEST]] = inside
            at += length
        else:
            codes = [_symbol(data[at])]
            at += 1
        for bits, count in codes:
            waiting |= bits << width
            width += count
        whole = width // 8
        sent += (waiting & (1 << 8 * whole) - 1).to_bytes(whole, "little")
        waiting >>= 8 * whole
        width -= 8 * whole
    # end of block is seven zeros; then an empty stored block, whose length stands on a byte
    width += 7 + 3
    sent += waiting.to_bytes((width + 7) // 8, "little")
    return bytes(sent) + _EMPTY_STORED


def stored(data: bytes, *, final: bool) -> bytes:
    """Return blocks that hold the data as it is."""
    pieces = [data[at : at + _STORED_LIMIT] for at in range(0, len(data), _STORED_LIMIT)] or [b""]
    last = len(pieces) - 1
    return b"".join(
        bytes([final and number == last])
        + len(piece).to_bytes(2, "little")
        + (_STORED_LIMIT - len(piece)).to_bytes(2, "little")
        + piece
        for number, piece in enumerate(pieces)
    )


def _common(data: bytes, before: int, at: int) -> int:
    """Return how many bytes at two places are equal, which `_SHORTEST` are."""
    longest = min(_LONGEST, len(data) - at)
    length = _SHORTEST
    while length < longest and data[before + length] == data[at + length]:
        length += 1
    return length


@cache
def _symbol(symbol: int) -> Code:
    """Return the code of a literal or length symbol, most significant bit first."""
    first, code, width = next(
        row
        for row in ((280, 0xC0, 8), (256, 0, 7), (144, 0x190, 9), (0, 0x30, 8))
        if symbol >= row[0]
    )
    return _reversed(code + symbol - first, width), width


@cache
def _length(length: int) -> Code:
    if length == _LONGEST:
        return _symbol(285)
    value = length - 3
    extra = max(0, value.bit_length() - 3)
    bits, width = _symbol(257 + 4 * extra + (value >> extra))
    return bits | (value & (1 << extra) - 1) << width, width + extra


@cache
def _distance(distance: int) -> Code:
    value = distance - 1
    extra = max(0, value.bit_length() - 2)
    symbol = _reversed(2 * extra + (value >> extra), 5)
    return symbol | (value & (1 << extra) - 1) << 5, 5 + extra


def _reversed(code: int, width: int) -> int:
    return int(f"{code:0{width}b}"[::-1], 2)
