"""What is written: the files of the site, and the bundles of all hosts.

Most of a bundle is the same for all hosts of a profile. So bundles are held by profile: every
distinct content once, and what has the host's name in it is put together when it is asked for.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

SUMS = "SHA256SUMS"
ARCHIVES = "archives"
"""Where `ship.py` puts what OUT is carried in."""
PLAIN = 0o644
"""The permission bits of what nobody executes."""


def blank(name: str) -> str:
    """Return what stands in a `Form` for the value of this name."""
    return f"\0{name}\0"


_HOST = "host"
HOST = blank(_HOST)
"""Stands for the host's name in a text that is the same otherwise."""


@dataclass(frozen=True)
class File:
    """One file; `source` is the dotted path in the description that it comes from."""

    data: bytes
    source: str
    executable: bool = False

    @cached_property
    def digest(self) -> str:
        """Return its sha256."""
        return _digest(self.data)

    @property
    def mode(self) -> int:
        """Return its permission bits."""
        return 0o755 if self.executable else PLAIN


class Form:
    """A text with blanks: `HOST` for a host's name, `blank(NAME)` for another value of its own."""

    def __init__(self, text: str) -> None:
        """Take such a text."""
        first, *others = text.split("\0")
        # ten thousand times: nothing puts one text into many places faster than `join`
        self._first = [first]
        self._rest: list[tuple[str, list[str]]] = []
        between = self._first
        for name, after in zip(others[::2], others[1::2], strict=True):
            if name != _HOST:
                between = []
                self._rest.append((name, between))
            between.append(after)

    def filled(self, host: str, values: Mapping[str, str]) -> str:
        """Return the text with this name and these values."""
        text = host.join(self._first)
        for name, between in self._rest:
            text += values[name] + host.join(between)
        return text


@dataclass(frozen=True)
class Bundles:
    """The bundles of the hosts of one profile; files are by path in the bundle.

    `shared` are the files that are the same for every host, `named` the texts that are so but for
    the host's name, `HOST`; `hosts` gives each host the dotted path of what describes it.
    """

    shared: Mapping[str, File]
    named: Mapping[str, str]
    hosts: Mapping[str, str]

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """Return the paths of the files of each bundle, in order."""
        return tuple(sorted([*self.shared, *self.named, SUMS]))

    @cached_property
    def folders(self) -> list[str]:
        """Return the folders of each bundle, outer ones first."""
        return folders_of(self.paths)

    @cached_property
    def looked_at(self) -> tuple[str, ...]:
        """Return what shows any change of a bundle."""
        return looked_at(self.paths)

    @cached_property
    def texts(self) -> dict[str, str]:
        """Return the files that differ from host to host, with blanks; the checksums come last."""
        shared = {path: file.digest for path, file in self.shared.items()}
        covered = [path for path in self.paths if path != SUMS]
        return {**self.named, SUMS: listing(covered, shared)}

    @cached_property
    def _forms(self) -> dict[str, Form]:
        return {path: Form(text) for path, text in self.texts.items()}

    def _own(self, host: str) -> tuple[dict[str, bytes], dict[str, str]]:
        """Return what is in the files that only this host has, and the sums of all but `SUMS`."""
        contents: dict[str, bytes] = {}
        digests: dict[str, str] = {}
        for path, form in self._forms.items():
            contents[path] = data = form.filled(host, digests).encode()
            if path != SUMS:
                digests[path] = _digest(data)
        return contents, digests

    def own(self, host: str) -> dict[str, bytes]:
        """Return what is in the files that only this host has."""
        return self._own(host)[0]

    @cached_property
    def _laid_out(self) -> list[tuple[str, bytes | None, int]]:
        files = {path: self.shared.get(path) for path in self.paths}
        return [
            (path, file.data, file.mode) if file else (path, None, PLAIN)
            for path, file in files.items()
        ]

    def contents(self, host: str) -> list[tuple[str, bytes, int]]:
        """Return path, content and permission bits of each file of a host, in order."""
        own = self.own(host)
        return [
            (path, own[path] if data is None else data, mode) for path, data, mode in self._laid_out
        ]

    def digests(self, host: str) -> dict[str, str]:
        """Return the sha256 of the files that only this host has."""
        contents, digests = self._own(host)
        return {**digests, SUMS: _digest(contents[SUMS])}

    def file(self, host: str, path: str) -> File:
        """Return one file of a host's bundle, which must be one of `paths`."""
        return self.shared.get(path) or File(self.own(host)[path], self.hosts[host])

    def files(self, host: str) -> dict[str, File]:
        """Return all files of a host's bundle."""
        source = self.hosts[host]
        own = {path: File(data, source) for path, data in self.own(host).items()}
        return {**self.shared, **own}


@dataclass(frozen=True)
class Tree:
    """All that is written; `about` says what it was made of, and by whom."""

    about: Mapping[str, Any]
    files: Mapping[str, File]
    bundles: tuple[Bundles, ...]

    @cached_property
    def hosts(self) -> Mapping[str, Bundles]:
        """Return the bundles that each host's is one of, by name."""
        return {host: bundles for bundles in self.bundles for host in bundles.hosts}

    def __len__(self) -> int:
        """Return how many files there are."""
        inside = (len(bundles.paths) * len(bundles.hosts) for bundles in self.bundles)
        return len(self.files) + sum(inside)

    def only(self, selected: Collection[str]) -> Tree:
        """Return the tree without the bundles of other hosts."""
        narrowed = (
            Bundles(
                each.shared,
                each.named,
                {host: source for host, source in each.hosts.items() if host in selected},
            )
            for each in self.bundles
        )
        return Tree(self.about, self.files, tuple(each for each in narrowed if each.hosts))

    def find(self, path: str) -> File | None:
        """Return the file at a path below OUT; None if there is none."""
        host, inside = split(path)
        if host is None:
            return self.files.get(path)
        bundles = self.hosts.get(host)
        return bundles.file(host, inside) if bundles and inside in bundles.paths else None


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def bundle_path(host: str, path: str) -> str:
    """Return the path below OUT of a file of a bundle."""
    return f"hosts/{host}/{path}"


def split(path: str) -> tuple[str | None, str]:
    """Return the host whose bundle a path below OUT leads into, if any, and the path in it."""
    parts = path.split("/", 2)
    return (parts[1], parts[2]) if parts[0] == "hosts" and parts[2:] else (None, path)


def folders_of(paths: Iterable[str]) -> list[str]:
    """Return every folder on the way to the paths, outer ones first."""
    found: set[str] = set()
    for folder in {path.rpartition("/")[0] for path in paths}:
        parts = folder.split("/")
        found.update("/".join(parts[:depth]) for depth in range(1, len(parts) + 1))
    return sorted(found - {""})


def looked_at(paths: Iterable[str]) -> tuple[str, ...]:
    """Return what shows any change of these files: they, and the folders that hold folders.

    Where a link takes the place of a folder, the files behind it may be the same; the folder in
    which it stands is not. The outermost is `.`, and folders come first.
    """
    paths = tuple(paths)
    holders = {folder.rpartition("/")[0] for folder in folders_of(paths)}
    return (".", *sorted(holders - {""}), *paths)


def listing(paths: Iterable[str], digests: Mapping[str, str], folder: str = "") -> str:
    """Return the text that `sha256sum --check` reads, for these files below `folder`.

    It is a `Form` if checksums are missing: their blanks are named by the paths of the files.
    """
    return "".join([f"{digests.get(path) or blank(path)}  {folder}{path}\n" for path in paths])
