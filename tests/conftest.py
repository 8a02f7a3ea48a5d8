"""What all tests share: when those marked ``real`` may run, and a rig for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from compiling import leave_out
from rig import Rig, base

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a ``real`` test that cannot run here, but never in CI: there it fails."""
    needs_hosts = item.get_closest_marker("real") and not item.get_closest_marker("hostless")
    if needs_hosts and (reason := base.obstacle()):
        leave_out(reason)


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    """A rig without hosts, shared by the tests of a module."""
    with Rig() as made:
        yield made


@pytest.fixture(scope="session", autouse=True)
def _lint_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One cache of clean scripts for all tests: shellcheck sees each distinct script once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
