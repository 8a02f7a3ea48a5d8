"""Two processors for what is done to thousands of folders.

Python's threads would not help: the work is system calls, each too short to hand over for. A fork
costs some milliseconds and needs nothing copied to it. Two processes take things from one queue, so
that neither waits long for the other, whenever it began.
"""

from __future__ import annotations

import os
import pickle
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence, Sized

_FEW = 500
"""Of fewer things a fork costs more than it saves."""
_TURNS = 500
"""How often, at most, the processes take some of the things."""
_WIDTH = 4
"""Bytes that tell where these begin."""

_busy: set[int] = set()
"""Processes that have not told their result yet."""

T = TypeVar("T")
R = TypeVar("R")


def shared(work: Callable[[Iterator[T]], R], things: Sequence[T]) -> list[R]:
    """Do the work for all things in two processes; return both results.

    What `work` changes in memory of the child process is lost, and what it returns or raises must
    be fit for `pickle`. Few things are done by one process.

    Raises:
        ChildProcessError: the child was killed.
    """
    with started(work, things) as finish:
        return finish()


@contextmanager
def started(
    work: Callable[[Iterator[T]], R], things: Sequence[T]
) -> Iterator[Callable[[], list[R]]]:
    """Let a child begin the work; give what takes part in it and returns both results.

    See `shared`.
    """
    if not pays(things):
        yield lambda: [work(iter(things))]
        return
    queue = _Queue(things)
    with _child(work, queue) as second:
        try:
            yield lambda: [work(iter(queue)), second()]
        finally:
            queue.close()


class _Queue(Generic[T]):
    """Things of which each process that iterates takes some at a time, until none are left."""

    def __init__(self, things: Sequence[T]) -> None:
        self._things = things
        self._some = len(things) // _TURNS + 1
        self._starts, writing = os.pipe()
        # all of it is written before anybody reads: a pipe holds 4 KiB at least
        starts = range(0, len(things), self._some)
        os.write(writing, b"".join(start.to_bytes(_WIDTH) for start in starts))
        os.close(writing)

    def __iter__(self) -> Iterator[T]:
        while start := os.read(self._starts, _WIDTH):
            at = int.from_bytes(start)
            yield from self._things[at : at + self._some]

    def close(self) -> None:
        """Leave nothing to the other process, where this one has failed."""
        while os.read(self._starts, _TURNS * _WIDTH):
            pass
        os.close(self._starts)


def pays(things: Sized) -> bool:
    """Tell whether there are things enough for another process, and a processor."""
    return len(things) >= _FEW and _is_one_free()


def _is_one_free() -> bool:
    return len(os.sched_getaffinity(0)) > 1 + len(_busy)


@contextmanager
def aside(work: Callable[[Iterator[T]], R], things: Sequence[T]) -> Iterator[Callable[[], R]]:
    """Let a child do the work for all things meanwhile; give what waits for its result.

    See `shared`. Without a processor for it, it is done when its result is asked for.
    """
    if not _is_one_free():
        yield lambda: work(iter(things))
        return
    with _child(work, things) as result:
        yield result


@contextmanager
def _child(work: Callable[[Iterator[T]], R], things: Iterable[T]) -> Iterator[Callable[[], R]]:
    """Do the work in a child process; give what waits for its result.

    The child has ended when the context does.
    """
    parent = os.getpid()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _be_child(work, _while_child_of(parent, things), writing)
    _busy.add(child)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:

        def result() -> R:
            told = pipe.read()
            _busy.discard(child)
            if not told:
                raise ChildProcessError("a part of the work was killed")
            result: R | BaseException = pickle.loads(told)  # noqa: S301  # from our own child
            if isinstance(result, BaseException):
                raise result
            return result

        try:
            yield result
        finally:
            pipe.read()
            os.waitpid(child, 0)
            _busy.discard(child)


def _be_child(work: Callable[[Iterator[T]], R], things: Iterator[T], writing: int) -> None:
    """Do the work, send what it returns or raises, and end."""
    try:
        result: R | BaseException = work(things)
    except BaseException as error:  # noqa: BLE001  # the parent raises it
        import traceback  # noqa: PLC0415  # what goes wrong may take its time

        error.add_note("".join(traceback.format_tb(error.__traceback__)))
        result = error
    try:
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(result, pipe)
    finally:
        os._exit(0)


def _while_child_of(parent: int, things: Iterable[T]) -> Iterator[T]:
    """Yield the things as long as there is somebody to do them for."""
    for thing in things:
        if os.getppid() != parent:
            return
        yield thing
