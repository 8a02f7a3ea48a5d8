"""OUT as a folder of files: each whole at every instant, and nothing outside of it ever touched.

A file is written beside its place and renamed; so is a folder that is made with all that is in it.
What a killed run leaves lies beside the place, under a name that the next run knows. A link in the
place of a file or folder could lead out of OUT, so it is refused.

Paths are relative to the folder, with `/` between their parts. Plain texts and calls: a `Path` for
each of hundred thousands of files would cost as much as to write it.
"""

from __future__ import annotations

import errno
import fcntl
import filecmp
import os
import shutil
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cephos.diagnostics import Obstacle
from cephos.tree import PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from cephos.tree import File

_NEW = ".cephos-new"
# opening must not wait for the other end of what turns out to be a pipe
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_BITS = 0o7777
_PIECE = 1 << 16


class OutError(Obstacle):
    """OUT cannot be brought to the tree; nothing was changed that a next run would not finish."""


class Folder:
    """A folder that may not exist yet."""

    def __init__(self, folder: Path) -> None:
        """Take this folder."""
        self._folder = folder

    def __str__(self) -> str:
        return str(self._folder)

    def place(self, path: str) -> str:
        """Return where a path leads."""
        return f"{self._folder}/{path}"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder, made if need be, against another compiler.

        Raises:
            OutError: another one holds it, or what is done meanwhile cannot be written.
        """
        try:
            self._make_outermost()
            descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                self._lock(descriptor)
                yield
            finally:
                os.close(descriptor)
        except OSError as error:
            raise os_error(f"cannot write {error.filename or self._folder}", error) from error

    def _make_outermost(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            advice = "move it away, or compile into another folder"
            raise OutError(f"{self._folder} is not a folder", advice) from None

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutError(
                f"another compiler is writing {self._folder}", "wait for it and run again"
            ) from None

    # ---------------------------------------------------------------------------------------------
    # Looking

    def has(self, path: str) -> bool:
        """Tell whether there is anything at all."""
        return os.path.lexists(self.place(path))

    def refuse_links(self, paths: Iterable[str]) -> None:
        """Refuse folders that are links: writing or removing there would leave OUT."""
        for path in paths:
            place = self.place(path)
            if os.path.islink(place):
                raise OutError(f"{place} is a symbolic link", "remove it: it leads out of OUT")

    def names(self, path: str) -> set[str]:
        """Return the names in a folder, none of which may be a link, nor it; none if it is not."""
        self.refuse_links([path])
        place = self.place(path)
        try:
            entries = list(os.scandir(place))
        except FileNotFoundError:
            return set()
        except OSError as error:
            raise os_error(f"cannot read {place}", error) from error
        self.refuse_links(f"{path}/{entry.name}" for entry in entries if entry.is_symlink())
        return {entry.name for entry in entries}

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes; None if there is no file."""
        with self.open(path) as there:
            return there and there[0].read()

    def holds(self, path: str, data: bytes) -> bool:
        """Tell whether there is a file with these bytes."""
        with self.open(path) as there:
            return there is not None and is_all(there[0], data)

    @contextmanager
    def open(self, path: str) -> Iterator[tuple[BinaryIO, os.stat_result] | None]:
        """Give a file's stream and how it looks; None if there is no file.

        Raises:
            OutError: it is a link or no file, or cannot be read.
        """
        place = self.place(path)
        try:
            descriptor = os.open(place, _READ)
        except FileNotFoundError:
            yield None
            return
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise OutError(
                    f"{place} is a symbolic link", "remove it: it could lead out of OUT"
                ) from error
            raise os_error(f"cannot read {place}", error) from error
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise OutError(f"{place} is not a regular file", "move it away")
            with open(descriptor, "rb", closefd=False) as stream:
                yield stream, status
        except OSError as error:
            raise os_error(f"cannot read {place}", error) from error
        finally:
            os.close(descriptor)

    # ---------------------------------------------------------------------------------------------
    # Writing

    def put(self, path: str, file: File) -> os.stat_result:
        """Make or replace one file; return how it looks then."""
        place, new = self.place(path), self.place(_beside(path))
        self.make(path.rpartition("/")[0])
        self.clear(path)
        try:
            _create(new, file.data, file.mode)
            os.replace(new, place)
        except BaseException:
            self.clear(path)
            raise
        return os.lstat(place)

    def put_folder(
        self, path: str, folders: Iterable[str], files: Iterable[tuple[str, bytes, int]]
    ) -> list[os.stat_result]:
        """Make a folder with all that is in it, where there is nothing; return how files look.

        `folders` in it come outer ones first; of `files` there are path, content and permissions.
        """
        place, new = self.place(path), self.place(_beside(path))
        try:
            os.mkdir(new)
            for folder in folders:
                os.mkdir(f"{new}/{folder}")
            looks = [_create(f"{new}/{inside}", data, mode) for inside, data, mode in files]
            os.rename(new, place)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        return looks

    def clear_folder(self, path: str) -> None:
        """Remove what a killed run left of a folder that it was making."""
        if self.has(_beside(path)):
            shutil.rmtree(self.place(_beside(path)))

    @contextmanager
    def stream(self, path: str) -> Iterator[BinaryIO]:
        """Give a stream whose bytes make or replace one file, unless it has just these already."""
        place, new = self.place(path), self.place(_beside(path))
        self.make(path.rpartition("/")[0])
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

    def make(self, path: str) -> None:
        """Make a folder, and those that it lies in, unless they are there."""
        place = self.place(path)
        if path and not os.path.isdir(place):
            self.make(path.rpartition("/")[0])
            if os.path.lexists(place):
                raise OutError(f"{place} is in the way of a folder", "move it away")
            os.mkdir(place)

    def remove(self, path: str) -> None:
        """Remove a file, and folders that hold nothing any more."""
        self.clear(path)
        self.drop(path)
        self.prune(path)

    def clear(self, path: str) -> None:
        """Remove what a killed run left of a file that it was making."""
        self.drop(_beside(path))

    def drop(self, path: str) -> None:
        """Remove a file if there is one: on a read-only disk even removing none is refused."""
        if self.has(path):
            os.unlink(self.place(path))

    def prune(self, path: str) -> None:
        """Remove the folders around a path that hold nothing any more."""
        while path := path.rpartition("/")[0]:
            try:
                os.rmdir(self.place(path))
            except FileNotFoundError:
                continue
            except OSError as error:
                if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
                    return
                raise


def _beside(path: str) -> str:
    """Return where a file or folder is made before it takes its place."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}.{name}{_NEW}"


def is_all(stream: BinaryIO, data: bytes) -> bool:
    """Tell whether a stream gives just these bytes; piece by piece, since it may be a large one."""
    at = 0
    while piece := stream.read(_PIECE):
        if not data.startswith(piece, at):
            return False
        at += len(piece)
    return at == len(data)


def os_error(what: str, error: OSError) -> OutError:
    """Return what could not be done, and why."""
    return OutError(f"{what}: {error.strerror or error}")


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
