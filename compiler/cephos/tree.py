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

HOST = "\0host\0"
"""Stands for the host's name in a text that is the same otherwise."""

SUMS = "SHA256SUMS"


@dataclass(frozen=True)
class File:
    """One file; `source` is the dotted path in the description that it comes from."""

    data: bytes
    source: str
    executable: bool = False

    @cached_property
    def digest(self) -> str:
        """Return its sha256."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def mode(self) -> int:
        """Return its permission bits."""
        return 0o755 if self.executable else 0o644


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
    def _shared_digests(self) -> dict[str, str]:
        return {path: file.digest for path, file in self.shared.items()}

    @cached_property
    def _own_digests(self) -> dict[str, dict[str, str]]:
        return {
            host: {path: file.digest for path, file in self.own(host).items()}
            for host in self.hosts
        }

    def own(self, host: str) -> dict[str, File]:
        """Return the files that only this host has: the named ones and the checksums of all."""
        source = self.hosts[host]
        files = {
            path: File(text.replace(HOST, host).encode(), source)
            for path, text in self.named.items()
        }
        digests = self._shared_digests | {path: file.digest for path, file in files.items()}
        covered = [path for path in self.paths if path != SUMS]
        files[SUMS] = File(sums(covered, digests), source)
        return files

    def digests(self, host: str) -> dict[str, str]:
        """Return the sha256 of the files that only this host has."""
        return self._own_digests[host]

    def file(self, host: str, path: str) -> File:
        """Return one file of a host's bundle, which must be one of `paths`."""
        return self.shared.get(path) or self.own(host)[path]

    def files(self, host: str) -> dict[str, File]:
        """Return all files of a host's bundle."""
        return {**self.shared, **self.own(host)}


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


def sums(paths: Iterable[str], digests: Mapping[str, str], folder: str = "") -> bytes:
    """Return the text that `sha256sum --check` reads, for these files below `folder`."""
    return "".join([f"{digests[path]}  {folder}{path}\n" for path in paths]).encode()
