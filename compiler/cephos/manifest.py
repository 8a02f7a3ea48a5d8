"""The two files that cover all others: `manifest.json` and `SHA256SUMS`.

`manifest.json` tells of every file its checksum, mode and source, the place in the description
that it comes from. What the bundles of a profile share is told once::

    "files": {"RUNBOOK.md": {"sha256": …, "mode": …, "source": …}},
    "bundles": [{
      "files": {"apply": {"sha256": …, "mode": …, "source": …}, "host.env": {"mode": …, "form": …}},
      "hosts": {"os1": {"source": …, "host.env": its sha256 on this host}}}]

`form` is the checksum of a text that has blanks for what differs between hosts. A host is one line:
one more host, one more line. What the files come from, as far as a change of it can matter to a
running site, is told under `record` (`record.py`). The list of what a run is about to make is laid
out the same, with `{}` for what it does not tell.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

from cephos.tree import HOST, SUMS, File, Form, Tree, folders_of, listing, looked_at, split

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from cephos.tree import Bundles

NAME = "manifest.json"
_HEXADECIMAL = b"0123456789abcdef"
_quoted = json.encoder.encode_basestring_ascii
_Entries = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Block:
    """Bundles of one profile: what their files share, and what each host has of its own."""

    files: _Entries
    hosts: _Entries

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """Return the paths of the files of each bundle, in order."""
        return tuple(sorted(self.files))

    @cached_property
    def folders(self) -> list[str]:
        """Return the folders of each bundle, outer ones first."""
        return folders_of(self.paths)

    @cached_property
    def looked_at(self) -> tuple[str, ...]:
        """Return what shows any change of a bundle."""
        return looked_at(self.paths)

    def told(self, host: str, path: str) -> tuple[str | None, str | None]:
        """Return checksum and mode of a file of a host's bundle."""
        shared = self.files[path]
        return shared.get("sha256") or self.hosts[host].get(path), shared.get("mode")


@dataclass(frozen=True)
class Manifest:
    """What is told of files that runs made, or are about to make."""

    about: Mapping[str, Any] = field(default_factory=dict)
    files: _Entries = field(default_factory=dict)
    bundles: tuple[Block, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.files or self.bundles)

    def identities(self) -> dict[str, tuple[str | None, str]]:
        """Return what tells the bundle of each host from any that has other bytes or modes."""
        found: dict[str, tuple[str | None, str]] = {}
        for block in self.bundles:
            modes = json.dumps([block.files[path].get("mode") for path in block.paths])
            found |= {host: (told.get(SUMS), modes) for host, told in block.hosts.items()}
        return found

    def blocks(self) -> dict[str, Block]:
        """Return the block that each host's bundle is of; a list that `of` made has just one."""
        return {host: block for block in self.bundles for host in block.hosts}

    def hosts(self) -> dict[str, frozenset[str]]:
        """Return the paths in the bundle of each host."""
        found: dict[str, frozenset[str]] = {}
        for block in self.bundles:
            paths = frozenset(block.files)
            for host in block.hosts:
                found[host] = found[host] | paths if host in found else paths
        return found

    def digests(self, host: str | None) -> dict[str, str]:
        """Return the checksums of a host's bundle by path in it; without a host, of other files."""
        if host is None:
            return _digests(self.files)
        inside = (
            _digests(block.files) | _own(block.hosts[host])
            for block in self.bundles
            if host in block.hosts
        )
        return {path: digest for digests in inside for path, digest in digests.items()}

    def is_whole(self) -> bool:
        """Tell whether every file has its checksum."""
        if not all("sha256" in told for told in self.files.values()):
            return False
        for block in self.bundles:
            own = {path for path, told in block.files.items() if "sha256" not in told}
            if not all(own <= told.keys() for told in block.hosts.values()):
                return False
        return True

    def without(self, hosts: Collection[str]) -> Manifest:
        """Return what is told of the bundles of all other hosts, and nothing else."""
        blocks = (
            Block(
                block.files, {host: block.hosts[host] for host in block.hosts if host not in hosts}
            )
            for block in self.bundles
        )
        return Manifest(self.about, bundles=tuple(block for block in blocks if block.hosts))

    def only(self, hosts: Collection[str]) -> Manifest:
        """Return the same without what is told of the bundles of other hosts."""
        others = self.hosts().keys() - set(hosts)
        return Manifest(self.about, self.files, self.without(others).bundles)

    def __or__(self, other: Manifest) -> Manifest:
        """Return what either tells, in order; bundles of equal files become one block.

        What they tell of themselves is taken from this one.
        """
        alike: dict[str, Block] = {}
        for block in (*self.bundles, *other.bundles):
            key = json.dumps(block.files, sort_keys=True)
            alike.setdefault(key, Block(_sorted(block.files), {})).hosts.update(block.hosts)
        blocks = (Block(block.files, _sorted(block.hosts)) for block in alike.values())
        return Manifest(
            {**other.about, **self.about},
            _sorted({**self.files, **other.files}),
            tuple(sorted(blocks, key=lambda block: next(iter(block.hosts)))),
        )

    def data(self) -> bytes:
        """Return the text that `read` reads."""
        bundles = [{"files": block.files, "hosts": block.hosts} for block in self.bundles]
        whole = {**self.about, "files": self.files, "bundles": bundles}
        return f"{_laid_out(whole)}\n".encode()


def _digests(entries: _Entries) -> dict[str, str]:
    return {path: told["sha256"] for path, told in entries.items() if "sha256" in told}


def _own(told: Mapping[str, str]) -> dict[str, str]:
    """Return the checksums that are told of a host alone."""
    return {path: digest for path, digest in told.items() if path != "source"}


COVERING = Manifest(files={NAME: {}, SUMS: {}})
"""Files that no manifest tells of, since they cover all that it does."""


def _sorted(entries: _Entries) -> _Entries:
    return dict(sorted(entries.items()))


def _laid_out(value: Any, newline: str = "\n") -> str:
    """Return JSON with one line for each list or object that holds no other."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    kinds = set(map(type, inner))
    if kinds.isdisjoint({dict, list}):
        return json.dumps(value)
    deeper = f"{newline} "
    if isinstance(value, dict):
        if kinds == {dict} and _are_texts(chain.from_iterable(map(dict.values, inner))):
            # ten thousand hosts, say; in a text a quote has a backslash before it
            lines = json.dumps(value)[1:-1].replace('}, "', f'}},{deeper}"')
            return f"{{{deeper}{lines}{newline}}}"
        items = [f"{_quoted(key)}: {_laid_out(value[key], deeper)}" for key in value]
        return f"{{{deeper}{f',{deeper}'.join(items)}{newline}}}"
    items = [_laid_out(each, deeper) for each in value]
    return f"[{deeper}{f',{deeper}'.join(items)}{newline}]"


def _are_texts(values: Iterable[Any]) -> bool:
    return set(map(type, values)) <= {str}


def of(tree: Tree, kept: Manifest | None = None, earlier: Manifest | None = None) -> Manifest:
    """Return what there is to tell of a tree, and of the bundles that are `kept` beside it.

    What is true of an `earlier` one is taken from there.
    """
    files = {path: _entry(file) for path, file in tree.files.items()}
    kept = kept or Manifest()
    before = earlier.bundles if earlier else ()
    blocks = tuple(_block(bundles, before) for bundles in tree.bundles)
    told = kept | Manifest(tree.about, files, blocks)
    if not kept:
        return told
    from cephos import record  # noqa: PLC0415  # 40 ms that only a run with --host needs

    joined = record.joined(kept.about.get("record"), kept.hosts(), tree.about["record"])
    return replace(told, about={**tree.about, "record": joined})


def names(bundles: Iterable[Bundles], paths: Iterable[str]) -> Manifest:
    """Return a list of these bundles and other files that tells their names alone."""
    blocks = (Block(_named(each.paths), _named(each.hosts)) for each in bundles)
    return Manifest(files=_named(paths), bundles=tuple(blocks))


def _named(names: Iterable[str]) -> _Entries:
    return {name: {} for name in names}


def _entry(file: File) -> dict[str, str]:
    return {"sha256": file.digest, "mode": f"{file.mode:04o}", "source": file.source}


def _block(bundles: Bundles, before: Iterable[Block]) -> Block:
    files = {path: _entry(file) for path, file in bundles.shared.items()}
    for path, text in bundles.texts.items():
        files[path] = {"mode": "0644", "form": hashlib.sha256(text.encode()).hexdigest()}
    known: _Entries = next((block.hosts for block in before if block.files == files), {})
    hosts = {}
    for host, source in bundles.hosts.items():
        told = known.get(host, {})
        is_same = told.get("source") == source
        hosts[host] = told if is_same else {"source": source} | bundles.digests(host)
    return Block(files, hosts)


def cover(tree: Tree, manifest: Manifest) -> Tree:
    """Return the tree with the two files that cover it and all else that the manifest tells of."""
    files = {**tree.files, NAME: File(manifest.data(), "site")}
    lines = {path: f"{file.digest}  {path}\n".encode() for path, file in files.items()}
    for block in manifest.bundles:
        inside = Form(listing(block.files, _digests(block.files), f"hosts/{HOST}/"))
        for host, told in block.hosts.items():
            lines[f"hosts/{host}/"] = inside.filled(host, told).encode()
    files[SUMS] = File(b"".join([lines[path] for path in sorted(lines)]), "site")
    return Tree(tree.about, files, tree.bundles)


def read(data: bytes, *, is_sure: bool = False) -> Manifest:
    """Return what a text that `data` returned tells; `is_sure` if nobody but a run has written it.

    Raises:
        ValueError: it is no such text, or it names a file outside OUT.
    """
    try:
        about = json.loads(data)
        files, bundles = about.pop("files"), about.pop("bundles", [])
        blocks = [Block(block["files"], block["hosts"]) for block in bundles]
        blocks += _unfolded(files)
        if not is_sure:  # ten thousand hosts take as long again to be checked
            for entries in (files, *(block.files for block in blocks)):
                _check(entries, _are_paths)
            for block in blocks:
                _check(block.hosts, _are_names)
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("it has another form") from error
    return Manifest(about, files, tuple(blocks))


def _unfolded(files: _Entries) -> Iterator[Block]:
    """Take what is told of bundles file by file, as version 0.1.0 did, out of `files`."""
    inside: dict[str, _Entries] = {}
    for path in list(files):
        host, rest = split(path)
        if host is not None:
            inside.setdefault(host, {})[rest] = files.pop(path)
    return (Block(entries, {host: {}}) for host, entries in inside.items())


def _check(entries: _Entries, are_sound: Callable[[Collection[str]], bool]) -> None:
    """Refuse what was tampered with: names must stay below OUT, checksums be checksums."""
    digests = [
        digest
        for told in entries.values()
        for key, digest in told.items()
        if key not in {"source", "mode"}
    ]
    if not are_sound(entries) or not _are_digests(digests):
        raise ValueError("it is not what a run would write")


def _are_digests(digests: Collection[str]) -> bool:
    others = "".join(digests).encode().translate(None, delete=_HEXADECIMAL)
    return set(map(len, digests)) <= {64} and not others


def _are_paths(paths: Collection[str]) -> bool:
    parts = {part for path in paths for part in path.split("/")}
    return "".join(parts).isprintable() and {"", ".", ".."}.isdisjoint(parts)


def _are_names(hosts: Collection[str]) -> bool:
    return _are_paths(hosts) and "/" not in "".join(hosts)
