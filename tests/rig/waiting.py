"""Bounded waiting: every wait of the rig has an end, and says what it waited for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from rig.base import RigError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
PAUSE = 0.05


def until(
    what: str,
    probe: Callable[[], T | None],
    seconds: float,
    evidence: Callable[[], str] = lambda: "",
) -> T:
    """Call ``probe`` until it returns something true, and return that.

    Raises:
        RigError: it didn't within ``seconds``; the message ends with ``evidence()``.
    """
    deadline = time.monotonic() + seconds
    while True:
        if found := probe():
            return found
        if time.monotonic() > deadline:
            raise RigError(f"{what}: not within {seconds:.0f} s\n{evidence()}".rstrip())
        time.sleep(PAUSE)
