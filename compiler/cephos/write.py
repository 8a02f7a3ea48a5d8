"""Bringing OUT to the rendered tree: only files whose bytes change, each whole at every instant.

What a run made is known from `manifest.json`; while a run writes, also from `.cephos-pending.json`,
which lists what it is about to make. A file that neither lists was made by somebody else and is
never touched. Nothing is deleted first and made again: unchanged files keep their inode and time.

A bundle whose folder is not there yet is written beside its place and renamed as a whole; any other
file is, one by one. Bundles that `evidence.py` vouches for are not read.
"""

from __future__ import annotations

import difflib
import errno
import fcntl
import filecmp
import hashlib
import os
import shutil
import stat
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cephos import manifest, sign
from cephos.diagnostics import Obstacle
from cephos.evidence import Evidence, Look
from cephos.manifest import Manifest
from cephos.parallel import aside, halves, pays
from cephos.tree import SUMS, File, bundle_path, folders_of, split

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from cephos.manifest import Block
    from cephos.tree import Bundles, Tree

_Ahead = tuple["tuple[int, int] | None", dict[str, Look]]
"""What `Out.looking_ahead` brings: a witness of who was there, and how bundles looked by then."""

PENDING = ".cephos-pending.json"
_NEW = ".cephos-new"
_MODE = 0o644


class OutError(Obstacle):
    """OUT cannot be brought to the tree; nothing was changed that a next run would not finish."""


@dataclass
class Change:
    """What writing a tree means for OUT; paths are relative to it."""

    tree: Tree
    """The tree, with the files that cover it."""
    manifest: Manifest
    """What the run is to tell of all files."""
    bundles: list[str] = field(default_factory=list)
    """Hosts whose bundles are made as a whole."""
    made: list[str] = field(default_factory=list)
    """All other files that are made."""
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    """Files in the way that no run made."""
    looks: dict[str, dict[str, os.stat_result]] = field(default_factory=dict)
    """How the unchanged files of the bundles look in which others are made or changed."""

    def __bool__(self) -> bool:
        return bool(self.bundles or self.made or self.changed or self.removed)

    def new(self) -> list[str]:
        """Return all files that are made."""
        hosts = self.tree.hosts
        inside = (bundle_path(host, path) for host in self.bundles for path in hosts[host].paths)
        return [*self.made, *inside]

    def begun(self) -> Manifest:
        """Return what may be half done while OUT is brought to it."""
        paths: list[str] = [*self.made, *self.changed, *self.removed]
        return self.manifest.only(self.bundles) | Manifest(files={path: {} for path in paths})


class Out:
    """The output folder."""

    def __init__(self, folder: Path) -> None:
        """Take this folder, which need not exist."""
        self._folder = folder
        self._evidence = Evidence(folder)
        self._ahead: Callable[[], _Ahead] | None = None

    def made(self) -> Manifest:
        """Return what the last complete run made.

        Raises:
            OutError: the manifest is none, or cannot be read.
        """
        return self._listed(manifest.NAME)

    def interrupted(self) -> bool:
        """Tell whether a run began here that no other has completed."""
        return bool(self._listed(PENDING))

    def compare(self, tree: Tree, *, partial: bool = False) -> Change:
        """Return what `write` would do; with `partial`, bundles of other hosts stay as they are.

        Raises:
            OutError: a file that no run made is in the way, or something cannot be read.
        """
        made, begun = self.made(), self._listed(PENDING)
        if partial and begun:
            raise OutError(
                f"an earlier run on {self._folder} was interrupted",
                "complete it first: run once without --host",
            )
        kept = made.without(tree.hosts) if partial else Manifest()
        known = made | begun | (manifest.COVERING if made else Manifest())
        told = manifest.of(tree, kept)
        change = Change(manifest.cover(tree, told), told)
        self._compare_files(change, known.files)
        self._compare_bundles(change, known.hosts(), kept.hosts())
        if change.foreign:
            others = len(change.foreign) - 1
            raise OutError(
                f"{self._path(change.foreign[0])} was not made by this compiler"
                + (f" (nor were {others} others)" if others else ""),
                "move it away, or compile into another folder",
            )
        return change

    def diff(self, change: Change) -> Iterator[str]:
        """Yield the lines of a unified diff from OUT to the changed tree."""
        for path in sorted([*change.new(), *change.changed, *change.removed]):
            there, file = self.read(path), change.tree.find(path)
            before, after = there[0] if there else b"", file.data if file else b""
            if file and before == after:
                yield f"mode of {path} becomes {file.mode:04o}\n"
            for line in difflib.unified_diff(
                before.decode(errors="backslashreplace").splitlines(keepends=True),
                after.decode(errors="backslashreplace").splitlines(keepends=True),
                path if there else "/dev/null",
                path if file else "/dev/null",
            ):
                yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"

    def standing(self, made_of: str) -> tuple[int, int] | None:
        """Return how many hosts and files OUT holds, if all that it should and made of just this.

        None means that nobody knows: OUT must be compared with the tree.

        Raises:
            OutError: another compiler is writing it, or something in it cannot be read.
        """
        if self._evidence.recalled.made_of != made_of:
            return None
        with self.alone():
            outside = self._evidence.recalled.outside
            if self.interrupted() or not all(self._is(*told) for told in outside.items()):
                return None
            self._drop(_temporary(PENDING))
            self._bundles_there()  # refuses links
            blocks = self.made().blocks()
            looks = self._looks(list(blocks), blocks)
            if not all(
                host in looks and self._evidence.holds(host, block.identity(host), looks[host])
                for host, block in blocks.items()
            ):
                return None
            return len(blocks), len(outside) + sum(len(each.paths) for each in blocks.values())

    @contextmanager
    def looking_ahead(self) -> Iterator[None]:
        """Look at bundles in another process, while this one makes the tree to compare with."""
        known = list(self._evidence.recalled.bundles)
        if pays(known):
            with aside(self._look_ahead, known) as self._ahead:
                yield
        else:
            yield

    def remember(self, change: Change, made_of: str) -> None:
        """Keep for the next run how OUT looks now that it was brought to this.

        `made_of` is what stands for all that it depends on, or empty if the next run is to compare.
        """
        files = change.tree.files if made_of else {}
        outside = {path: file.digest for path, file in files.items()}
        self._evidence.save(made_of, outside, change.manifest.hosts())

    def write(self, tree: Tree, *, partial: bool = False) -> Change:
        """Bring OUT to the tree; `partial` as in `compare`.

        Raises:
            OutError: it cannot; what was written so far is whole, and a next run completes it.
        """
        with self.alone():
            self._clear()
            change = self.compare(tree, partial=partial)
            if change:
                self._write(change)
            self._drop(PENDING)
            return change

    # ---------------------------------------------------------------------------------------------
    # Looking

    def _path(self, path: str) -> Path:
        return self._folder / path

    def _listed(self, name: str) -> Manifest:
        """Return what a list of files that a run left here tells."""
        there = self.read(name)
        if there is None:
            return Manifest()
        try:
            listed = manifest.read(there[0])
            if name == manifest.NAME and not listed.is_whole():
                raise ValueError  # noqa: TRY301  # one handler for every way of being no list
        except ValueError:
            raise OutError(
                f"{self._path(name)} is not a list of files that this compiler wrote",
                "restore it from version control, or compile into an empty folder",
            ) from None
        return listed

    def _compare_files(self, change: Change, known: Collection[str]) -> None:
        """Compare the files outside bundles."""
        wanted = change.tree.files
        self.refuse_links(folders_of([*wanted, *known]))
        for path, file in wanted.items():
            self._compare_file(change, path, file, is_ours=path in known)
        change.removed += self._those_there(path for path in known if path not in wanted)

    def _compare_bundles(
        self, change: Change, known: Mapping[str, frozenset[str]], kept: Collection[str]
    ) -> None:
        wanted, there = change.tree.hosts, self._bundles_there()
        change.bundles += [host for host in wanted if host not in there]
        present = [host for host in wanted if host in there]
        blocks = change.manifest.blocks()
        looks = self._looked_ahead() or self._looks(present, blocks)
        for host in present:
            identity, look = blocks[host].identity(host), looks.get(host)
            if not look or not self._evidence.holds(host, identity, look):
                self._compare_bundle(change, host, blocks[host], known.get(host, frozenset()))
        for host, paths in known.items():
            gone = paths.difference(wanted[host].paths) if host in wanted else paths
            if gone and host in there and host not in kept:
                places = [bundle_path(host, path) for path in gone]
                self.refuse_links(folders_of(places))
                change.removed += self._those_there(places)

    def _bundles_there(self) -> set[str]:
        """Return the names in `hosts`, none of which may be a link."""
        self.refuse_links(["hosts"])
        place = self._path("hosts")
        try:
            entries = list(os.scandir(place))
        except FileNotFoundError:
            return set()
        except OSError as error:
            raise _os_error(f"cannot read {place}", error) from error
        self.refuse_links(f"hosts/{entry.name}" for entry in entries if entry.is_symlink())
        return {entry.name for entry in entries}

    def _look_ahead(self, hosts: Iterator[str]) -> _Ahead:
        witness, blocks = self._witness(), self.made().blocks()
        return witness, self._looks_of((host for host in hosts if host in blocks), blocks)

    def _looked_ahead(self) -> dict[str, Look]:
        """Return how bundles looked when the run began, unless another compiler came since."""
        ahead, self._ahead = self._ahead, None
        witness, looks = ahead() if ahead else (None, {})
        return looks if witness and witness == self._witness() else {}

    def _witness(self) -> tuple[int, int] | None:
        """Return what any compiler changes that changes a bundle; None if one is at it."""
        there = self.read(manifest.NAME)
        return (there[1].st_ino, there[1].st_ctime_ns) if there and not self.interrupted() else None

    def _looks(self, hosts: Sequence[str], blocks: Mapping[str, Block]) -> dict[str, Look]:
        """Return how these bundles look, if anything is remembered of them and they are whole."""
        known = [host for host in hosts if self._evidence.knows(host)]
        both = halves(lambda part: self._looks_of(part, blocks), known)
        return {host: look for half in both for host, look in half.items()}

    def _looks_of(self, hosts: Iterable[str], blocks: Mapping[str, Block]) -> dict[str, Look]:
        found = ((host, self._look(host, blocks[host])) for host in hosts)
        return {host: look for host, look in found if look}

    def _look(self, host: str, block: Block) -> Look | None:
        """Return how a bundle looks; None if a file is missing, or a folder is a link."""
        folder = f"{self._folder}/hosts/{host}/"
        try:
            if any(stat.S_ISLNK(os.lstat(folder + each).st_mode) for each in block.folders):
                return None
            return Look.of(block, {path: os.lstat(folder + path) for path in block.paths})
        except OSError:
            return None

    def _compare_bundle(
        self, change: Change, host: str, block: Block, known: Collection[str]
    ) -> None:
        self.refuse_links(bundle_path(host, folder) for folder in block.folders)
        files, looks = change.tree.hosts[host].files(host), {}
        for path in block.paths:
            place = bundle_path(host, path)
            look = self._compare_file(change, place, files[path], is_ours=path in known)
            if look:
                looks[path] = look
        if len(looks) == len(files):
            self._evidence.see(host, block.identity(host), Look.of(block, looks))
        else:
            change.looks[host] = looks

    def _compare_file(
        self, change: Change, path: str, file: File, *, is_ours: bool
    ) -> os.stat_result | None:
        """Return how the file looks if it is as wanted; else put it down for a change."""
        there = self.read(path)
        if there is None:
            change.made.append(path)
            return None
        data, look = there
        if data == file.data and bool(look.st_mode & stat.S_IXUSR) == file.executable:
            return look
        (change.changed if is_ours else change.foreign).append(path)
        return None

    def _is(self, path: str, digest: str) -> bool:
        """Tell whether a file outside bundles has this checksum, and the mode that it should."""
        there = self.read(path)
        if there is None or there[1].st_mode & stat.S_IXUSR:
            return False
        return hashlib.sha256(there[0]).hexdigest() == digest

    def _those_there(self, paths: Iterable[str]) -> list[str]:
        return sorted(path for path in paths if os.path.lexists(self._path(path)))

    def refuse_links(self, paths: Iterable[str]) -> None:
        """Refuse a folder below OUT that is a link: writing or removing there would leave OUT."""
        for path in paths:
            place = f"{self._folder}/{path}"
            if os.path.islink(place):  # noqa: PTH114  # hundred thousands of them
                raise OutError(f"{place} is a symbolic link", "remove it: it leads out of OUT")

    def read(self, path: str) -> tuple[bytes, os.stat_result] | None:
        """Return a file's bytes and how it looks; None if there is no file."""
        place = self._path(path)
        try:
            # opening must not wait for the other end of what turns out to be a pipe
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(place, flags)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise OutError(
                    f"{place} is a symbolic link", "remove it: it could lead out of OUT"
                ) from error
            raise _os_error(f"cannot read {place}", error) from error
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise OutError(f"{place} is not a regular file", "move it away")
            with open(descriptor, "rb", closefd=False) as stream:
                return stream.read(), status
        except OSError as error:
            raise _os_error(f"cannot read {place}", error) from error
        finally:
            os.close(descriptor)

    # ---------------------------------------------------------------------------------------------
    # Writing

    def _make_out(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            advice = "move it away, or compile into another folder"
            raise OutError(f"{self._folder} is not a folder", advice) from None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold OUT, made if need be, against another compiler.

        Raises:
            OutError: another one holds it, or what is done meanwhile cannot be written.
        """
        try:
            self._make_out()
            descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                self._lock(descriptor)
                yield
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _os_error(f"cannot write {error.filename or self._folder}", error) from error

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutError(
                f"another compiler is writing {self._folder}", "wait for it and run again"
            ) from None

    def _clear(self) -> None:
        """Take away what an interrupted run was in the middle of making."""
        self._drop(_temporary(PENDING))
        begun = self._listed(PENDING)
        if not begun:
            return
        there = self._bundles_there()
        paths = list(begun.files)
        for host, inside in begun.hosts().items():
            if _temporary(host) in there:
                shutil.rmtree(self._path(_temporary(f"hosts/{host}")))
            if host in there:
                paths += [bundle_path(host, path) for path in inside]
        self.refuse_links(folders_of(paths))
        for path in paths:
            self._path(_temporary(path)).unlink(missing_ok=True)
            self._remove_empty(self._path(path))

    def _write(self, change: Change) -> None:
        tree, blocks = change.tree, change.manifest.blocks()
        begun = self._listed(PENDING) | change.begun()
        self.put(PENDING, File(begun.names().data(), "site"))
        for path in [*change.changed, *change.removed]:
            if split(path)[1] == SUMS:
                self._unsign(path)
        if change.bundles:
            self._make_folder(self._path("hosts"))
        outside, inside = _by_host([*change.made, *change.changed])
        for looked in (
            *halves(lambda hosts: self._make_bundles(hosts, tree, blocks), change.bundles),
            *halves(lambda hosts: self._mend_bundles(hosts, change, inside), list(inside)),
        ):
            for host, look in looked.items():
                self._evidence.see(host, blocks[host].identity(host), look)
        # the manifest last: until it stands, the list of what is pending tells what is ours
        for path in sorted(outside, key=lambda path: path == manifest.NAME):
            self.put(path, tree.files[path])
        for path in change.removed:
            self.remove(path)

    def _unsign(self, path: str) -> None:
        """Remove the signature of a file before that changes; somebody else's stays."""
        signature = path + sign.SUFFIX
        there = self.read(signature)
        if there and sign.is_ours(there[0]):
            self._path(signature).unlink()

    def _make_bundles(
        self, hosts: Iterator[str], tree: Tree, blocks: Mapping[str, Block]
    ) -> dict[str, Look]:
        """Make bundles that are not there; return how they look."""
        return {
            host: Look.of(blocks[host], self._make_bundle(host, tree.hosts[host])) for host in hosts
        }

    def _mend_bundles(
        self, hosts: Iterator[str], change: Change, inside: Mapping[str, Sequence[str]]
    ) -> dict[str, Look]:
        """Make or replace files of bundles that are there; return how the bundles look then."""
        blocks, mended = change.manifest.blocks(), {}
        for host in hosts:
            files = change.tree.hosts[host].files(host)
            looks = {path: self.put(bundle_path(host, path), files[path]) for path in inside[host]}
            mended[host] = Look.of(blocks[host], change.looks[host] | looks)
        return mended

    def _make_bundle(self, host: str, bundles: Bundles) -> dict[str, os.stat_result]:
        """Make a bundle beside its place, and bring it there in one step; return how it looks."""
        place, new = (f"{self._folder}/hosts/{name}" for name in (host, _temporary(host)))
        files = bundles.files(host)
        # plain calls: a Path for each of a hundred thousand files would cost as much as to write it
        try:
            os.mkdir(new)  # noqa: PTH102
            for folder in bundles.folders:
                os.mkdir(f"{new}/{folder}")  # noqa: PTH102
            looks = {path: _create(f"{new}/{path}", files[path]) for path in bundles.paths}
            os.rename(new, place)  # noqa: PTH104
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        return looks

    def put(self, path: str, file: File) -> os.stat_result:
        """Make or replace one file; return how it looks then."""
        place, new = (f"{self._folder}/{each}" for each in (path, _temporary(path)))
        self._make_folder(self._path(path).parent)
        self.clear(path)
        # plain calls, as in _make_bundle
        try:
            _create(new, file)
            os.replace(new, place)  # noqa: PTH105
        except BaseException:
            self.clear(path)
            raise
        return os.lstat(place)

    @contextmanager
    def stream(self, path: str) -> Iterator[BinaryIO]:
        """Give a stream whose bytes make or replace one file, unless it has just these already."""
        place, new = self._path(path), self._path(_temporary(path))
        self._make_folder(place.parent)
        new.unlink(missing_ok=True)
        try:
            with new.open("xb") as stream:
                yield stream
            if place.exists() and filecmp.cmp(place, new, shallow=False):
                return
            new.chmod(_MODE)
            new.replace(place)
        finally:
            new.unlink(missing_ok=True)

    def remove(self, path: str) -> None:
        """Remove a file, and folders that hold nothing any more."""
        self.clear(path)
        self._path(path).unlink(missing_ok=True)
        self._remove_empty(self._path(path))

    def clear(self, path: str) -> None:
        """Remove what a killed run left of a file that it was making."""
        self._drop(_temporary(path))

    def _make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            self._make_folder(folder.parent)
            if os.path.lexists(folder):
                raise OutError(f"{folder} is in the way of a folder", "move it away")
            folder.mkdir()

    def _drop(self, path: str) -> None:
        """Remove a file if there is one: on a read-only disk even removing none is refused."""
        if os.path.lexists(self._path(path)):
            self._path(path).unlink()

    def _remove_empty(self, place: Path) -> None:
        """Remove the folders around a place that hold nothing any more."""
        for folder in place.parents:
            if folder == self._folder:
                return
            try:
                folder.rmdir()
            except FileNotFoundError:
                continue
            except OSError as error:
                if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
                    return
                raise


def _by_host(paths: Iterable[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Return the paths that lead into no bundle, and those in each host's."""
    outside: list[str] = []
    inside: dict[str, list[str]] = {}
    for path in paths:
        host, rest = split(path)
        (outside if host is None else inside.setdefault(host, [])).append(rest)
    return outside, inside


def _temporary(path: str) -> str:
    """Return where a file or bundle is written before it takes its place."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}.{name}{_NEW}"


def _create(place: Path | str, file: File) -> os.stat_result:
    """Make a file where there is none; return how it looks."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(place, flags, file.mode)
    try:
        left = file.data
        while left:
            left = left[os.write(descriptor, left) :]
        look = os.fstat(descriptor)
        if stat.S_IMODE(look.st_mode) != file.mode:  # the umask took bits away
            os.fchmod(descriptor, file.mode)
            look = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    return look


def _os_error(what: str, error: OSError) -> OutError:
    return OutError(f"{what}: {error.strerror or error}")
