"""Bringing OUT to the rendered tree: only files whose bytes change, each whole at every instant.

What a run made is known from `manifest.json`; while a run writes, also from `.cephos-pending.json`,
which lists what it is about to make. A file that neither lists was made by somebody else and is
never touched. Nothing is deleted first and made again: unchanged files keep their inode and time.
"""

from __future__ import annotations

import difflib
import errno
import fcntl
import json
import os
import re
import stat
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from cephos.render import Tree

MANIFEST = "manifest.json"
COVERING = (MANIFEST, "SHA256SUMS")
"""Files that no manifest lists, since they cover all that it does."""
PENDING = ".cephos-pending.json"
_NEW = ".cephos-new"
_SHA256 = re.compile("[0-9a-f]{64}")


class OutError(Exception):
    """OUT cannot be brought to the tree; `advice` says what to do.

    Nothing was changed that a next run would not finish.
    """

    def __init__(self, message: str, advice: str | None = None) -> None:
        """Keep the advice beside the message."""
        super().__init__(message)
        self.advice = advice


@dataclass
class Change:
    """What writing the tree means for OUT; paths are relative to it, in order."""

    made: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unchanged: int = 0

    def __bool__(self) -> bool:
        return bool(self.made or self.changed or self.removed)


class Out:
    """The output folder."""

    def __init__(self, folder: Path) -> None:
        """Read what earlier runs made there.

        Raises:
            OutError: OUT is no folder, or its manifest is not one.
        """
        self._folder = folder
        self.files: dict[str, Any] = self._listed(MANIFEST)
        """Manifest entries of the files that the last complete run made, by path."""

    def interrupted(self) -> bool:
        """Tell whether a run began here that no other has completed."""
        return bool(self._listed(PENDING))

    def _path(self, path: str) -> Path:
        return self._folder / path

    def _listed(self, name: str) -> dict[str, Any]:
        """Return the entries of a list of files that a run left here; {} if there is none."""
        there = self._read(name)
        if there is None:
            return {}
        try:
            files = json.loads(there[0])["files"]
            if not isinstance(files, dict) or not all(map(_is_inside, files)):
                raise ValueError  # noqa: TRY301  # one handler for every way of being no list
            if name == MANIFEST and not all(map(_is_entry, files.values())):
                raise ValueError  # noqa: TRY301  # one handler for every way of being no list
        except (ValueError, LookupError, TypeError, RecursionError):
            raise OutError(
                f"{self._folder / name} is not a list of files that this compiler wrote",
                "restore it from version control, or compile into an empty folder",
            ) from None
        return dict(files)

    def compare(self, tree: Tree, kept: Collection[str] = ()) -> Change:
        """Return what `write` would do; `kept` are files of earlier runs to leave as they are.

        Raises:
            OutError: a file that no run made is in the way, or something cannot be read.
        """
        known = self.files | self._listed(PENDING)
        if self.files:
            known |= dict.fromkeys(COVERING)
        self._refuse_links({*tree, *known})
        change, foreign = Change(), []
        for path, file in tree.items():
            there = self._read(path)
            if there is None:
                change.made.append(path)
            elif there == (file.data, file.executable):
                change.unchanged += 1
            elif path in known:
                change.changed.append(path)
            else:
                foreign.append(path)
        if foreign:
            raise OutError(
                f"{self._path(foreign[0])} was not made by this compiler"
                + (f" (nor were {len(foreign) - 1} others)" if len(foreign) > 1 else ""),
                "move it away, or compile into another folder",
            )
        change.removed = [
            path
            for path in known
            if path not in tree and path not in kept and os.path.lexists(self._path(path))
        ]
        return change

    def _refuse_links(self, paths: Iterable[str]) -> None:
        """Refuse a folder below OUT that is a link: writing or removing there would leave OUT."""
        inner = {PurePosixPath(folder) for folder in {path.rpartition("/")[0] for path in paths}}
        for folder in sorted({parent for each in inner for parent in (each, *each.parents)}):
            place = self._folder / folder
            if place != self._folder and place.is_symlink():
                raise OutError(f"{place} is a symbolic link", "remove it: it leads out of OUT")

    def _read(self, path: str) -> tuple[bytes, bool] | None:
        """Return a file's bytes and whether its owner may run it; None if there is no file."""
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
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                raise OutError(f"{place} is not a regular file", "move it away")
            with open(descriptor, "rb", closefd=False) as stream:
                return stream.read(), bool(mode & stat.S_IXUSR)
        except OSError as error:
            raise _os_error(f"cannot read {place}", error) from error
        finally:
            os.close(descriptor)

    def diff(self, tree: Tree, change: Change) -> Iterator[str]:
        """Yield the lines of a unified diff from OUT to the tree."""
        for path in sorted([*change.made, *change.changed, *change.removed]):
            there = self._read(path)
            before = there[0] if there else b""
            after = tree[path].data if path in tree else b""
            old = path if there else "/dev/null"
            new = path if path in tree else "/dev/null"
            if before == after:
                yield f"mode of {path} becomes {tree[path].mode:04o}\n"
            for line in difflib.unified_diff(
                before.decode(errors="backslashreplace").splitlines(keepends=True),
                after.decode(errors="backslashreplace").splitlines(keepends=True),
                old,
                new,
            ):
                yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"

    def write(self, tree: Tree, kept: Collection[str] = ()) -> Change:
        """Bring OUT to the tree; `kept` as in `compare`.

        Raises:
            OutError: it cannot; what was written so far is whole, and a next run completes it.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with self._alone():
                self.files = self._listed(MANIFEST)
                self._clear(tree, kept)
                change = self.compare(tree, kept)
                if change:
                    self._write(tree, change)
                (self._folder / PENDING).unlink(missing_ok=True)
                return change
        except OSError as error:
            raise _os_error(f"cannot write {error.filename or self._folder}", error) from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold OUT against another compiler."""
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OutError(
                    f"another compiler is writing {self._folder}", "wait for it and run again"
                ) from None
            yield
        finally:
            os.close(descriptor)

    def _clear(self, tree: Tree, kept: Collection[str]) -> None:
        """Take away what an interrupted run was in the middle of making."""
        _temporary(self._folder / PENDING).unlink(missing_ok=True)
        begun = self._listed(PENDING)
        self._refuse_links(begun)
        for path in begun:
            _temporary(self._path(path)).unlink(missing_ok=True)
            if path not in tree and path not in kept:
                self._remove_empty(self._path(path))

    def _write(self, tree: Tree, change: Change) -> None:
        pending = self._listed(PENDING) | self.files | dict.fromkeys(tree)
        self._put(PENDING, json.dumps({"files": dict.fromkeys(pending)}).encode(), 0o644)
        # the manifest last: until it stands, the list of what is pending tells what is ours
        for path in sorted([*change.made, *change.changed], key=lambda path: path == MANIFEST):
            file = tree[path]
            self._put(path, file.data, file.mode)
        for path in change.removed:
            self._path(path).unlink(missing_ok=True)
            self._remove_empty(self._path(path))

    def _put(self, path: str, data: bytes, mode: int) -> None:
        """Replace one file."""
        place = self._path(path)
        new = _temporary(place)
        self._make_folder(place.parent)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with open(os.open(new, flags, mode), "wb") as stream:  # noqa: PTH123  # it is a descriptor
                stream.write(data)
                os.fchmod(stream.fileno(), mode)
            new.replace(place)
        except BaseException:
            new.unlink(missing_ok=True)
            raise

    def _make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            self._make_folder(folder.parent)
            if os.path.lexists(folder):
                raise OutError(f"{folder} is in the way of a folder", "move it away")
            folder.mkdir()

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


def _temporary(place: Path) -> Path:
    """Return where a file is written before it takes its place."""
    return place.with_name(f".{place.name}{_NEW}")


def _is_inside(path: object) -> bool:
    """Tell whether a listed path stays below OUT: the list may have been tampered with."""
    return (
        isinstance(path, str) and path.isprintable() and {"", ".", ".."}.isdisjoint(path.split("/"))
    )


def _is_entry(entry: object) -> bool:
    """Tell whether a manifest entry has the one thing that is asked of it again: a checksum."""
    digest = entry.get("sha256") if isinstance(entry, dict) else None
    return isinstance(digest, str) and _SHA256.fullmatch(digest) is not None


def _os_error(what: str, error: OSError) -> OutError:
    return OutError(f"{what}: {error.strerror or error}")
