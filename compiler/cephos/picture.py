"""The access graph of a site as a picture: hosts hold keys of clients, clients use pools.

Three columns in the order of the description, so that the same site gives the same picture. Only
places are decided here; templates/review.html.j2 draws them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cephos.plan import host_ranges
from cephos.services import Keyring

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cephos.plan import Plan

# Lengths in units of the picture, which are CSS pixels where it is shown unscaled.
_LETTER = 8.2
_PADDING = 14
_LETTERS_SHOWN = 30
_HEIGHT = 50
_GAP = 20
_BETWEEN = 190
_TOP = 30
# How far below its middle a line meets a box: writing and reading stay apart where both do.
_MEETS = {"key": 0, "write": -8, "read": 8}


@dataclass
class Box:
    """A node: two lines of text in a rectangle; `x`, `y` are its upper left corner."""

    title: str
    note: str
    full: str
    x: int = 0
    y: int = 0
    width: int = 0
    height: int = 0


@dataclass(frozen=True)
class Edge:
    """A line between two nodes; `kind` is `key`, `write` or `read`, `path` the SVG path."""

    kind: str
    path: str


@dataclass(frozen=True)
class Client:
    """A client with all lines that meet it, and the same in words."""

    box: Box
    edges: tuple[Edge, ...]
    words: str


@dataclass(frozen=True)
class Picture:
    """All there is to draw, and how large it is."""

    width: int
    height: int
    hosts: tuple[Box, ...]
    clients: tuple[Client, ...]
    pools: tuple[Box, ...]


def access_picture(plan: Plan) -> Picture:
    """Return who holds which client's key, and which pools each client writes and reads."""
    hosts = [
        (_box(", ".join(profile.roles), ", ".join(host_ranges(profile.groups))), profile.keyrings)
        for profile in plan.profiles
        if profile.keyrings
    ]
    several = len(plan.site.clusters) > 1
    clients: dict[Keyring, Box] = {}
    pools: dict[tuple[str, str], Box] = {}
    for cluster in plan.site.clusters.values():
        access = plan.access[cluster.name]
        where = f"of {cluster.name}, " if several else ""
        for pool in cluster.pools:
            writers = sum(pool in each.write for each in access.values())
            readers = sum(pool in each.readable() for each in access.values()) - writers
            note = f"{where}written by {writers}" + (f", read by {readers} more" if readers else "")
            pools[cluster.name, pool] = _box(pool, note)
        for name in access:
            holders = sum(len(group.names) for group in plan.holders(cluster, name))
            note = f"{where}key on {holders:,} host{'' if holders == 1 else 's'}"
            clients[Keyring(cluster.name, name)] = _box(f"client.{name}", note)
    columns = [[box for box, _ in hosts], list(clients.values()), list(pools.values())]
    width, height = _place(columns)

    def edges(keyring: Keyring, box: Box) -> Iterator[Edge]:
        for holder, held in hosts:
            if keyring in held:
                yield Edge("key", _curve("key", holder, box))
        access = plan.access[keyring.cluster][keyring.client]
        for pool in access.readable():
            use = "write" if pool in access.write else "read"
            yield Edge(use, _curve(use, box, pools[keyring.cluster, pool]))

    return Picture(
        width=width,
        height=height,
        hosts=tuple(columns[0]),
        clients=tuple(
            Client(box, tuple(edges(keyring, box)), _words(plan, keyring))
            for keyring, box in clients.items()
        ),
        pools=tuple(columns[2]),
    )


def _words(plan: Plan, keyring: Keyring) -> str:
    access = plan.access[keyring.cluster][keyring.client]
    read = [pool for pool in access.read if pool not in access.write]
    parts = [f"client.{keyring.client} may write to {', '.join(access.write)}"]
    if read:
        parts.append(f"may read {', '.join(read)}")
    return ", ".join(parts)


def _box(title: str, note: str) -> Box:
    return Box(_short(title), _short(note), f"{title}: {note}")


def _short(text: str) -> str:
    return text if len(text) <= _LETTERS_SHOWN else f"{text[: _LETTERS_SHOWN - 1]}…"


def _place(columns: list[list[Box]]) -> tuple[int, int]:
    """Set the place of every box, each column centred; return width and height of the whole."""
    tallest = max(len(column) for column in columns)
    height = tallest * (_HEIGHT + _GAP) - _GAP
    x = 1
    for column in columns:
        letters = max((len(text) for box in column for text in (box.title, box.note)), default=0)
        width = round(letters * _LETTER) + 2 * _PADDING
        y = _TOP + (tallest - len(column)) * (_HEIGHT + _GAP) // 2
        for box in column:
            box.x, box.y, box.width, box.height = x, y, width, _HEIGHT
            y += _HEIGHT + _GAP
        x += width + _BETWEEN
    return x - _BETWEEN + 1, _TOP + height + 1


def _curve(use: str, start: Box, end: Box) -> str:
    """Return a line from one box's right side to another's left side."""
    x1, x2 = start.x + start.width, end.x
    y1, y2 = (box.y + _HEIGHT // 2 + _MEETS[use] for box in (start, end))
    middle = (x1 + x2) // 2
    return f"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}"
