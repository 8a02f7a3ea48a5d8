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
import os
import shutil
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from cephos import manifest, sign
from cephos.diagnostics import Obstacle
from cephos.evidence import Evidence, Look
from cephos.manifest import Manifest
from cephos.parallel import pays, shared, started
from cephos.tree import PLAIN, SUMS, File, bundle_path, folders_of, split

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from cephos.manifest import Block
    from cephos.tree import Bundles, Tree

PENDING = ".cephos-pending.json"
_NEW = ".cephos-new"
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_BITS = 0o7777
_PIECE = 1 << 16


class OutError(Obstacle):
    """OUT cannot be brought to the tree; nothing was changed that a next run would not finish."""


@dataclass
class Change:
    """What writing a tree means for OUT; paths are relative to it."""

    rendered: Tree
    """The tree without the files that cover it."""
    kept: Manifest
    """What is told of bundles that stay beside it."""
    earlier: Manifest | None
    """What is true of OUT as it was, if that is sure."""
    bundles: list[str] = field(default_factory=list)
    """Hosts whose bundles are made as a whole."""
    made: list[str] = field(default_factory=list)
    """All other files that are made."""
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    """Files in the way that no run made."""
    outside: dict[str, os.stat_result] = field(default_factory=dict)
    """How the files outside bundles look, once they are as wanted."""
    inside: dict[str, dict[str, os.stat_result]] = field(default_factory=dict)
    """How the unchanged files look of bundles that were read and in which others change."""

    def __bool__(self) -> bool:
        return bool(self.bundles or self.made or self.changed or self.removed)

    @cached_property
    def manifest(self) -> Manifest:
        """Return what the run is to tell of all files; of new bundles that takes a while."""
        return manifest.of(self.rendered, self.kept, self.earlier)

    @cached_property
    def tree(self) -> Tree:
        """Return the tree with the files that cover it."""
        return manifest.cover(self.rendered, self.manifest)

    def new(self) -> list[str]:
        """Return all files that are made."""
        hosts = self.rendered.hosts
        inside = (bundle_path(host, path) for host in self.bundles for path in hosts[host].paths)
        return [*self.made, *inside]

    def counts(self) -> dict[str, int]:
        """Return how many files are new, changed and removed."""
        inside = sum(len(self.rendered.hosts[host].paths) for host in self.bundles)
        return {
            "new": len(self.made) + inside,
            "changed": len(self.changed),
            "removed": len(self.removed),
        }

    def begun(self) -> Manifest:
        """Return what may be half done while OUT is brought to it."""
        paths: list[str] = [*self.made, *self.changed, *self.removed]
        return manifest.names(self.rendered.only(set(self.bundles)).bundles, paths)


class Out:
    """The output folder."""

    def __init__(self, folder: Path) -> None:
        """Take this folder, which need not exist."""
        self._folder = folder
        self._evidence = Evidence(folder)
        self._made: tuple[Look | None, Manifest] = (None, Manifest())
        self._ahead: tuple[Look | None, Callable[[], list[list[str]]] | None] = (None, None)

    def made(self) -> Manifest:
        """Return what the last complete run made.

        Raises:
            OutError: the manifest is none, or cannot be read.
        """
        look = self._look(manifest.NAME)
        if look is None or look != self._made[0]:
            self._made = (look, self._listed(manifest.NAME))
        return self._made[1]

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
        is_known = self._is_remembered(manifest.NAME)
        if not is_known:
            self._evidence.forget()
        change = Change(tree, kept, made if is_known else None)
        self._compare_files(change, known.files)
        there = self._bundles_there()
        self._compare_bundles(change, there, made, known)
        self._find_removed(change, there, known, kept.hosts())
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
            made = self.made()
            outside = [*made.files, *manifest.COVERING.files]
            if self.interrupted() or not all(map(self._is_remembered, outside)):
                return None
            self._drop(_temporary(PENDING))
            self._bundles_there()  # refuses links
            blocks = made.blocks()
            if self._touched(list(blocks)):
                return None
            return len(blocks), len(outside) + sum(len(each.paths) for each in blocks.values())

    @contextmanager
    def looking_ahead(self) -> Iterator[None]:
        """Let another process look at bundles, while this one makes the tree to compare with.

        What it has not come to when the tree is made is shared.
        """
        known = list(self._evidence.recalled.bundles)
        if pays(known) and self._is_remembered(manifest.NAME):
            witness = self._witness()
            with started(self._touched_of, known) as finish:
                self._ahead = (witness, finish)
                yield
        else:
            yield

    def remember(self, change: Change, made_of: str) -> None:
        """Keep for the next run how OUT looks now that it was brought to this.

        `made_of` is what stands for all that it depends on, or empty if the next run is to compare.
        """
        outside = {path: Look.of([look]) for path, look in change.outside.items()}
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

    def _path(self, path: str) -> str:
        return f"{self._folder}/{path}"

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
        wanted = [*change.rendered.files, *manifest.COVERING.files]
        self.refuse_links(folders_of([*wanted, *known]))
        for path in wanted:
            if not os.path.lexists(self._path(path)):
                change.made.append(path)  # what is to be in it may be found out later
                continue
            look = self._compare_file(change, path, change.tree.files[path], is_ours=path in known)
            if look:
                change.outside[path] = look
        change.removed += self._those_there(path for path in known if path not in wanted)

    def _compare_bundles(
        self, change: Change, there: Collection[str], made: Manifest, known: Manifest
    ) -> None:
        """Compare the bundles of the tree's hosts; of those that nobody touched, `made` tells."""
        wanted = change.rendered.hosts
        change.bundles += [host for host in wanted if host not in there]
        present = [host for host in wanted if host in there]
        if not present:
            return
        before, after, ours = made.blocks(), change.manifest.blocks(), known.hosts()
        touched = self._touched(present)
        for host in present:
            if host in touched:
                self._read_bundle(change, host, after[host], ours.get(host, frozenset()))
            elif before[host].identity(host) != after[host].identity(host):
                self._infer(change, host, before[host], after[host], ours[host])

    def _read_bundle(self, change: Change, host: str, block: Block, known: Collection[str]) -> None:
        """Compare a bundle, file by file."""
        self.refuse_links(bundle_path(host, folder) for folder in block.folders)
        files, looks = change.rendered.hosts[host].files(host), self._folder_looks(host, block)
        for path in block.paths:
            place = bundle_path(host, path)
            look = self._compare_file(change, place, files[path], is_ours=path in known)
            if look:
                looks[path] = look
        if len(looks) == len(block.looked_at):
            self._evidence.see({host: Look.of(looks.values())})
        else:
            change.inside[host] = looks

    def _folder_looks(self, host: str, bundle: Block | Bundles) -> dict[str, os.stat_result]:
        """Return how folders of a bundle look that show a change; {} if one is missing."""
        folder = f"{self._folder}/hosts/{host}/"
        folders = bundle.looked_at[: -len(bundle.paths)]
        with suppress(OSError):
            return {each: os.lstat(folder + each) for each in folders}
        return {}

    def _infer(
        self, change: Change, host: str, before: Block, after: Block, known: Collection[str]
    ) -> None:
        """Find what changes in a bundle that is as `before` tells."""
        for path in after.paths:
            place = bundle_path(host, path)
            if path not in before.files:
                file = change.rendered.hosts[host].file(host, path)
                self._compare_file(change, place, file, is_ours=path in known)
            elif before.told(host, path) != after.told(host, path):
                change.changed.append(place)

    def _find_removed(
        self, change: Change, there: Collection[str], known: Manifest, kept: Collection[str]
    ) -> None:
        """Find what is left in bundles of what earlier runs made."""
        wanted = change.rendered.hosts
        for host, paths in known.hosts().items():
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

    def _look(self, path: str) -> Look | None:
        """Return how a file looks; None if nobody can tell."""
        try:
            return Look.of([os.lstat(self._path(path))])
        except OSError:
            return None

    def _is_remembered(self, path: str) -> bool:
        """Tell whether a file outside bundles looks as remembered."""
        return self._evidence.is_file(path, self._look(path))

    def _witness(self) -> Look | None:
        """Return what differs if any compiler changes a bundle meanwhile; None if one is at it."""
        return None if self.interrupted() else self._look(manifest.NAME)

    def _touched(self, hosts: Sequence[str]) -> set[str]:
        """Return those of the hosts whose bundles may hold something else than is told of them."""
        known = self._evidence.recalled.bundles
        unknown = {host for host in hosts if host not in known}
        witness, ahead = self._ahead
        if ahead and witness and witness == self._witness():
            return unknown.union(*ahead())
        return unknown.union(
            *shared(self._touched_of, [host for host in hosts if host not in unknown])
        )

    def _touched_of(self, hosts: Iterable[str]) -> list[str]:
        blocks = self.made().blocks()
        return [host for host in hosts if not self._is_bundle_remembered(host, blocks.get(host))]

    def _is_bundle_remembered(self, host: str, block: Block | None) -> bool:
        looks = self._looks(host, block) if block else []
        return bool(looks) and self._evidence.is_bundle(host, Look.of(looks))

    def _looks(self, host: str, block: Block) -> list[os.stat_result]:
        """Return how a bundle looks, in the order of `looked_at`; [] if something is missing."""
        folder = f"{self._folder}/hosts/{host}/"
        try:
            return [os.lstat(folder + each) for each in block.looked_at]
        except OSError:
            return []

    def _compare_file(
        self, change: Change, path: str, file: File, *, is_ours: bool
    ) -> os.stat_result | None:
        """Return how the file looks if it is as wanted; else put it down for a change."""
        with self._open(path) as there:
            if there is None:
                change.made.append(path)
                return None
            stream, look = there
            if bool(look.st_mode & stat.S_IXUSR) == file.executable and _holds(stream, file.data):
                return look
        (change.changed if is_ours else change.foreign).append(path)
        return None

    def _those_there(self, paths: Iterable[str]) -> list[str]:
        return sorted(path for path in paths if os.path.lexists(self._path(path)))

    def refuse_links(self, paths: Iterable[str]) -> None:
        """Refuse a folder below OUT that is a link: writing or removing there would leave OUT."""
        for path in paths:
            place = self._path(path)
            if os.path.islink(place):
                raise OutError(f"{place} is a symbolic link", "remove it: it leads out of OUT")

    def read(self, path: str) -> tuple[bytes, os.stat_result] | None:
        """Return a file's bytes and how it looks; None if there is no file."""
        with self._open(path) as there:
            return there and (there[0].read(), there[1])

    def holds(self, path: str, data: bytes) -> bool:
        """Tell whether there is a file with these bytes."""
        with self._open(path) as there:
            return there is not None and _holds(there[0], data)

    @contextmanager
    def _open(self, path: str) -> Iterator[tuple[BinaryIO, os.stat_result] | None]:
        place = self._path(path)
        try:
            # opening must not wait for the other end of what turns out to be a pipe
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(place, flags)
        except FileNotFoundError:
            yield None
            return
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
                yield stream, status
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
            self.clear(path)
            self._remove_empty(path)

    def _write(self, change: Change) -> None:
        pending = self._listed(PENDING) | change.begun()
        self.put(PENDING, File(pending.data(), "site"))
        for path in [*change.changed, *change.removed]:
            if split(path)[1] == SUMS:
                self._unsign(path)
        if change.bundles:
            self._make_folder("hosts")
        outside, inside = _by_host([*change.made, *change.changed])
        before = self.made().blocks()
        with started(lambda hosts: self._make_bundles(hosts, change), change.bundles) as finish:
            tree = change.tree  # if nobody has asked for it yet, now another process has begun
            made = finish()
        mended = shared(lambda hosts: self._mend_bundles(hosts, change, before, inside), [*inside])
        for looks in (*made, *mended):
            self._evidence.see(looks)
        # the manifest last: until it stands, the list of what is pending tells what is ours
        for path in sorted(outside, key=lambda path: path == manifest.NAME):
            change.outside[path] = self.put(path, tree.files[path])
        for path in change.removed:
            self.remove(path)

    def _unsign(self, path: str) -> None:
        """Remove the signature of a file before that changes; somebody else's stays."""
        signature = path + sign.SUFFIX
        there = self.read(signature)
        if there and sign.is_ours(there[0]):
            os.unlink(self._path(signature))

    def _make_bundles(self, hosts: Iterator[str], change: Change) -> dict[str, Look]:
        """Make bundles that are not there; return how they look."""
        made = {}
        for host in hosts:
            bundles = change.rendered.hosts[host]
            looks = self._make_bundle(host, bundles)
            made[host] = Look.of([*self._folder_looks(host, bundles).values(), *looks])
        return made

    def _mend_bundles(
        self,
        hosts: Iterator[str],
        change: Change,
        before: Mapping[str, Block],
        inside: Mapping[str, Sequence[str]],
    ) -> dict[str, Look]:
        """Make or replace files of bundles that are there; return how the bundles look then."""
        mended = {}
        for host in hosts:
            bundles = change.rendered.hosts[host]
            files, looks = bundles.files(host), self._unchanged(change, host, before)
            looks |= {path: self.put(bundle_path(host, path), files[path]) for path in inside[host]}
            looks |= self._folder_looks(host, bundles)
            if all(each in looks for each in bundles.looked_at):
                mended[host] = Look.of([looks[each] for each in bundles.looked_at])
        return mended

    def _unchanged(
        self, change: Change, host: str, before: Mapping[str, Block]
    ) -> dict[str, os.stat_result]:
        """Return how files of a bundle look that hold what they should, or are about to change."""
        if host in change.inside:
            return change.inside[host]
        looks = self._looks(host, before[host])
        if not looks or not self._evidence.is_bundle(host, Look.of(looks)):
            return {}  # somebody has been here since
        return dict(zip(before[host].looked_at, looks, strict=True))

    def _make_bundle(self, host: str, bundles: Bundles) -> list[os.stat_result]:
        """Make a bundle beside its place, and bring it there in one step; return how it looks."""
        place, new = (f"{self._folder}/hosts/{name}" for name in (host, _temporary(host)))
        own = bundles.own(host)
        try:
            os.mkdir(new)
            for folder in bundles.folders:
                os.mkdir(f"{new}/{folder}")
            looks = [
                _create(f"{new}/{path}", own[path] if data is None else data, mode)
                for path, data, mode in bundles.contents
            ]
            os.rename(new, place)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        return looks

    def put(self, path: str, file: File) -> os.stat_result:
        """Make or replace one file; return how it looks then."""
        place, new = self._path(path), self._path(_temporary(path))
        self._make_folder(path.rpartition("/")[0])
        self.clear(path)
        try:
            _create(new, file.data, file.mode)
            os.replace(new, place)
        except BaseException:
            self.clear(path)
            raise
        return os.lstat(place)

    @contextmanager
    def stream(self, path: str) -> Iterator[BinaryIO]:
        """Give a stream whose bytes make or replace one file, unless it has just these already."""
        place, new = self._path(path), self._path(_temporary(path))
        self._make_folder(path.rpartition("/")[0])
        self.clear(path)
        try:
            with open(new, "xb") as stream:
                yield stream
            if os.path.exists(place) and filecmp.cmp(place, new, shallow=False):
                return
            os.chmod(new, PLAIN)
            os.replace(new, place)
        finally:
            self.clear(path)

    def remove(self, path: str) -> None:
        """Remove a file, and folders that hold nothing any more."""
        self.clear(path)
        self._drop(path)
        self._remove_empty(path)

    def clear(self, path: str) -> None:
        """Remove what a killed run left of a file that it was making."""
        self._drop(_temporary(path))

    def _make_folder(self, path: str) -> None:
        """Make a folder below OUT, which is there itself."""
        place = self._path(path)
        if path and not os.path.isdir(place):
            self._make_folder(path.rpartition("/")[0])
            if os.path.lexists(place):
                raise OutError(f"{place} is in the way of a folder", "move it away")
            os.mkdir(place)

    def _drop(self, path: str) -> None:
        """Remove a file if there is one: on a read-only disk even removing none is refused."""
        place = self._path(path)
        if os.path.lexists(place):
            os.unlink(place)

    def _remove_empty(self, path: str) -> None:
        """Remove the folders around a path that hold nothing any more."""
        while path := path.rpartition("/")[0]:
            try:
                os.rmdir(self._path(path))
            except FileNotFoundError:
                continue
            except OSError as error:
                if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
                    return
                raise


def _holds(stream: BinaryIO, data: bytes) -> bool:
    """Tell whether a stream gives just these bytes; piece by piece, since it may be a large one."""
    at = 0
    while piece := stream.read(_PIECE):
        if not data.startswith(piece, at):
            return False
        at += len(piece)
    return at == len(data)


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


def _create(place: str, data: bytes, mode: int) -> os.stat_result:
    """Make a file where there is none; return how it looks."""
    descriptor = os.open(place, _CREATE, mode)
    try:
        while data:
            data = data[os.write(descriptor, data) :]
        look = os.fstat(descriptor)
        if look.st_mode & _BITS != mode:  # the umask took some away
            os.fchmod(descriptor, mode)
            look = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    return look


def _os_error(what: str, error: OSError) -> OutError:
    return OutError(f"{what}: {error.strerror or error}")
