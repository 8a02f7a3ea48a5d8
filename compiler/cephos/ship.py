"""What OUT is carried with: a signature beside each SHA256SUMS, and archives.

Both follow from what `write.py` has brought to OUT, and no manifest lists them: whether they are
made leaves every other file as it is. A signature that is there belongs to the SHA256SUMS that is
there, as `write.py` removes it before that changes. `archives/SHA256SUMS` tells which archives are
ours; while they are being made it tells of the new ones a checksum that none has.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from cephos import archive, sign
from cephos.folder import OutError
from cephos.parallel import aside
from cephos.tree import ARCHIVES, SUMS, File, bundle_path, listing

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from cephos.folder import Folder
    from cephos.tree import Tree

LISTED = f"{ARCHIVES}/{SUMS}"

_LINE = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9][A-Za-z0-9._-]*\.tar\.gz)")
_UNFINISHED = "0" * 64


@dataclass(frozen=True)
class Shipped:
    """How many bundles have a signature, and how many archives there are."""

    signed: int
    archives: int


def ship(
    out: Folder, tree: Tree, *, key: str | None, signers: Collection[str], archives: bool
) -> Shipped:
    """Sign what OUT holds, if there is a key; make its archives, or remove those of earlier runs.

    Args:
        out: the folder, as `write` left it.
        tree: what `write` brought it to.
        key: as in `sign.sign`; None leaves signatures as they are.
        signers: as in `sign.sign`.
        archives: whether there are to be archives.

    Raises:
        OutError: a file that no run made is in the way, or OUT changed meanwhile.
        SigningError: the key signs nothing for this site.
    """
    with out.alone():
        if not (key or signers or archives or out.has(LISTED)):
            return Shipped(0, 0)
        if not out.holds(SUMS, tree.files[SUMS].data):
            raise OutError("another compiler has changed OUT meanwhile", "run again")
        if key is not None:
            _sign(out, tree, key, signers)
        # nobody asks for signatures of a site without signers, but its archives take them along
        signatures = dict(_signatures(out, tree)) if key or signers or archives else {}
        count = _archive(out, tree, signatures) if archives else _remove_archives(out)
        return Shipped(len(signatures), count)


def _sign(out: Folder, tree: Tree, key: str, signers: Collection[str]) -> None:
    texts = {SUMS: tree.files[SUMS].data}
    for host, bundles in tree.hosts.items():
        texts[bundle_path(host, SUMS)] = bundles.own(host)[SUMS]
    made = sign.sign(list(texts.values()), key, signers)
    for path, signature in zip(texts, made, strict=True):
        there = out.read(path + sign.SUFFIX)
        if there is not None and not sign.is_ours(there):
            raise _foreign(path + sign.SUFFIX)
        _put(out, path + sign.SUFFIX, signature)


def _signatures(out: Folder, tree: Tree) -> Iterator[tuple[str, bytes]]:
    """Yield each host whose bundle is signed, with the signature."""
    out.clear(SUMS + sign.SUFFIX)
    for host in tree.hosts:
        path = bundle_path(host, SUMS + sign.SUFFIX)
        out.clear(path)
        there = out.read(path)
        if there and sign.is_ours(there):
            yield host, there


def _archive(out: Folder, tree: Tree, signatures: Mapping[str, bytes]) -> int:
    """Make every archive; return how many there are."""
    top = str(tree.about["site"])
    site = f"site_{top}.tar.gz"  # no host's name has an underscore
    wanted = {site, *map(_name, tree.hosts)}
    ours = _listed(out)
    for name in sorted(wanted - ours.keys()):
        if out.has(f"{ARCHIVES}/{name}"):
            raise _foreign(f"{ARCHIVES}/{name}")
    if wanted - ours.keys():
        pending = dict.fromkeys(wanted, _UNFINISHED) | ours
        _put(out, LISTED, listing(sorted(pending), pending).encode())
    archives = archive.HostArchives(tree.bundles, signatures)
    carried = _carried(out, tree)

    def whole(hosts: Iterable[str]) -> Iterator[bytes]:
        packed = ((f"{ARCHIVES}/{_name(host)}", archives.of(host)) for host in hosts)
        return archive.of_site(top, chain(carried.items(), packed))

    hosts, digests = [*tree.hosts], {}
    # the checksum of the whole takes as long as all else, and its bytes are soon made again
    with aside(lambda hosts: _digest(whole(hosts)), hosts) as digest_of_whole:
        with out.stream(f"{ARCHIVES}/{site}") as stream:
            stream.writelines(whole(hosts))
        for host in hosts:
            data = archives.of(host)
            _put(out, f"{ARCHIVES}/{_name(host)}", data)
            digests[_name(host)] = archives.digest(host, data)
        digests[site] = digest_of_whole()
    for name in ours.keys() - wanted:
        out.remove(f"{ARCHIVES}/{name}")
    _put(out, LISTED, listing(sorted(digests), digests).encode())
    return len(digests)


def _carried(out: Folder, tree: Tree) -> dict[str, bytes]:
    """Return what the archive of the site holds beside those of hosts, by path."""
    carried = {path: file.data for path, file in tree.files.items()}
    signature = out.read(SUMS + sign.SUFFIX)
    if signature and sign.is_ours(signature):
        carried[SUMS + sign.SUFFIX] = signature
    return carried


def _digest(pieces: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def _name(host: str) -> str:
    return f"{host}.tar.gz"


def _remove_archives(out: Folder) -> int:
    """Remove the archives of an earlier run, which need not be of what OUT holds now."""
    if out.has(LISTED):
        for name in _listed(out):
            out.remove(f"{ARCHIVES}/{name}")
        out.remove(LISTED)
    return 0


def _listed(out: Folder) -> dict[str, str]:
    """Return the archives that earlier runs made, or began to make, with their checksums."""
    out.refuse_links([ARCHIVES])
    there = out.read(LISTED)
    if there is None:
        return {}
    lines = [_LINE.fullmatch(line) for line in there.decode(errors="replace").splitlines()]
    if not all(lines):
        raise _foreign(LISTED)
    return {line[2]: line[1] for line in lines if line}


def _put(out: Folder, path: str, data: bytes) -> None:
    """Make a file of OUT say this, unless it does."""
    if not out.holds(path, data):
        out.put(path, File(data, ""))


def _foreign(path: str) -> OutError:
    return OutError(f"{path} in OUT was not made by this compiler", "move it away")
