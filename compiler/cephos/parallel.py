"""Two processors for what is done to thousands of folders.

Python's threads would not help: the work is system calls, each too short to hand over for. A fork
costs some milliseconds and needs nothing copied to it.
"""

from __future__ import annotations

import os
import pickle
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence, Sized

_FEW = 500
"""Of fewer things a fork costs more than it saves."""

T = TypeVar("T")
R = TypeVar("R")


def halves(work: Callable[[Iterator[T]], R], things: Sequence[T]) -> list[R]:
    """Do the work for two halves of the things at once; return both results.

    The second half is done in a child process: what `work` changes in memory there is lost, and
    what it returns or raises must be fit for `pickle`. Few things are done in one go.

    Raises:
        ChildProcessError: the child was killed.
    """
    if not pays(things):
        return [work(iter(things))]
    middle = len(things) // 2
    with aside(work, things[middle:]) as second:
        return [work(iter(things[:middle])), second()]


def pays(things: Sized) -> bool:
    """Tell whether there are things and processors enough for another process."""
    return len(things) >= _FEW and len(os.sched_getaffinity(0)) > 1


@contextmanager
def aside(work: Callable[[Iterator[T]], R], things: Sequence[T]) -> Iterator[Callable[[], R]]:
    """Do the work in a child process meanwhile; give what waits for its result.

    See `halves`. The child has ended when the context does.
    """
    parent = os.getpid()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _be_child(work, _while_child_of(parent, things), writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:

        def result() -> R:
            told = pipe.read()
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


def _be_child(work: Callable[[Iterator[T]], R], things: Iterator[T], writing: int) -> None:
    """Do the work, send what it returns or raises, and end."""
    try:
        result: R | BaseException = work(things)
    except BaseException as error:  # noqa: BLE001  # the parent raises it
        result = error
    try:
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(result, pipe)
    finally:
        os._exit(0)


def _while_child_of(parent: int, things: Sequence[T]) -> Iterator[T]:
    """Yield the things as long as there is somebody to do them for."""
    for thing in things:
        if os.getppid() != parent:
            return
        yield thing
