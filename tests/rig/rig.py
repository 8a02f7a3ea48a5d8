"""The rig: hosts that share one network namespace, and end with the test that made them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Self

from rig import base
from rig.base import RigError
from rig.host import HERE, Host, Units, remove_cgroup

if TYPE_CHECKING:
    from collections.abc import Iterator

NETWORK = "192.168.8"
FIRST = 11
"""Hosts get 192.168.8.11 and up, on the loopback interface of the rig's own network namespace."""


class Rig:
    """A set of hosts on a network of their own; a context manager.

    All processes and mounts of the rig live in namespaces held by one process, the anchor, which
    ends when the pipe to it closes. So nothing outlives the test, not even when that is killed.
    What stays then, folders and empty control groups, is removed by the next rig.
    """

    def __init__(self, units: Units = "debian") -> None:
        """Make a rig whose hosts name their OpenStack units so by default."""
        self.units: Units = units
        self.members: dict[str, Host] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self.base = stack.enter_context(base.in_use())
            self.folder = stack.enter_context(_work_folder())
            self.anchor = stack.enter_context(_anchor(self.base))
            stack.callback(self._down)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def host(self, name: str, units: Units | None = None) -> Host:
        """Add one host and boot it."""
        return self.hosts(name, units=units)[0]

    def hosts(self, *names: str, units: Units | None = None) -> list[Host]:
        """Add several hosts and boot them side by side.

        Raises:
            RigError: a name is taken, or a host doesn't boot.
        """
        if taken := self.members.keys() & set(names):
            raise RigError(f"the rig already has {', '.join(sorted(taken))}")
        new = [self._add(name, units or self.units) for name in names]
        table = "127.0.0.1 localhost\n" + "".join(
            f"{host.address} {host.name}\n" for host in self.members.values()
        )
        for host in self.members.values():
            if host.is_up:
                host.write("/etc/hosts", table)
            else:
                (host.disk / "upper/etc").mkdir(parents=True, exist_ok=True)
                (host.disk / "upper/etc/hosts").write_text(table)
        with ThreadPoolExecutor(len(new)) as pool:
            list(pool.map(Host.up, new))
        return new

    def _down(self) -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(Host.down, self.members.values()))

    def _add(self, name: str, units: Units) -> Host:
        self.members[name] = Host(
            name=name,
            address=f"{NETWORK}.{FIRST + len(self.members)}",
            base=self.base,
            disk=self.folder / name,
            anchor=self.anchor,
            cgroups=tuple(root / self.folder.name / name for root in _cgroup_roots()),
            units=units,
        )
        return self.members[name]


@contextlib.contextmanager
def _anchor(tree: Path) -> Iterator[int]:
    """Start the process that holds the namespaces; yields its pid, kills it and all at the end."""
    with subprocess.Popen(
        [
            *("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
            *("bash", str(HERE / "anchor.sh"), str(tree)),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as unshare:
        assert unshare.stdin
        assert unshare.stdout
        try:
            if unshare.stdout.readline() != "up\n":
                raise RigError("the rig could not make its namespaces; see the messages above")
            children = Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children").read_text()
            yield int(children)
        finally:
            unshare.stdin.close()


@contextlib.contextmanager
def _work_folder() -> Iterator[Path]:
    """A folder for the hosts' disks, beside the base tree: ``/tmp`` may be memory."""
    with contextlib.ExitStack() as stack:
        with base.locked(base.CACHE / "run.lock", fcntl.LOCK_EX):
            _sweep()
            folder = Path(tempfile.mkdtemp(prefix="run-", dir=base.CACHE))
            stack.enter_context(_lock(folder))
        stack.callback(_erase, folder)
        yield folder


def _sweep() -> None:
    """Remove what rigs left that were killed."""
    for folder in base.CACHE.glob("run-*"):
        with contextlib.suppress(BlockingIOError, FileNotFoundError), _lock(folder):
            _erase(folder)


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _erase(folder: Path) -> None:
    for root in _cgroup_roots():
        remove_cgroup(root / folder.name)
    base.remove(folder)


def _cgroup_roots() -> list[Path]:
    """This process's control groups in the hierarchies that systemd uses for itself."""
    mounts = {"name=systemd": "systemd", "": "unified" if _hybrid() else ""}
    roots = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers in mounts:
            roots.append(CGROUPS / mounts[controllers] / path.lstrip("/"))
    return [root for root in roots if (root / "cgroup.procs").exists()]


CGROUPS = Path("/sys/fs/cgroup")


def _hybrid() -> bool:
    return (CGROUPS / "unified").is_dir()
