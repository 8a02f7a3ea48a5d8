"""Runs of a bundle that end in the middle, and what the host has become by then and afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from real.bundles import strip_comments
from real.kills_on_host import FOLDERS

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Collection, Iterator

    from rig import Host

HERE = Path(__file__).parent
APPLY = "/root/cephos/apply"
TOOL = "/root/kills_on_host.py"
RUN_SECONDS = 300.0
WOULD_CHANGE = 10
PAUSE = 0.002
SCRATCH = "/run/cephos/run."
NOT_FILES = ("ceph ", "rbd ", "virsh ", "systemctl ")
STILL = """[Unit]
StartLimitIntervalSec=0
[Service]
Type=simple
ExecStart=
ExecStart=/usr/lib/alive/sleep infinity
"""
"""What a service does here is proven elsewhere: these tests restart it hundreds of times."""
MARKED = """
for file in /etc/ceph/ceph.conf /etc/glance/*-api.conf /etc/cinder/cinder.conf /etc/nova/nova.conf
do
  if [ -e $file ]; then setfattr -n user.site -v kept $file; setfacl -m u:daemon:r $file; fi
done
"""
"""What nothing but a copy of all attributes keeps."""


@dataclass(frozen=True)
class State:
    """What a host is.

    Attributes:
        facts: all that must come out the same: files with content, owner, mode and extended
            attributes, libvirt's secrets, the cluster's pools and clients.
        stale: for each service that is down, or runs since before one of its files changed, why.
    """

    facts: dict[str, dict[str, Any]]
    stale: dict[str, list[str]]

    def finds(self) -> str:
        """Return all of it that a run finds: what a killed one left in `/run` it throws away."""
        files = {x: y for x, y in self.facts["files"].items() if SCRATCH not in x}
        return json.dumps([self.facts | {"files": files}, self.stale], sort_keys=True)

    def beside(self, whole: State, *, only: str = "") -> list[str]:
        """Return what is not as in a state that an unbroken run left, in files below `only`."""
        found = [f"{unit}: {why}" for unit, why in self.stale.items()]
        for kind, facts in self.facts.items():
            if only and kind != "files":
                continue
            for name in sorted(facts.keys() | whole.facts[kind].keys()):
                now, wanted = facts.get(name), whole.facts[kind].get(name)
                if now != wanted and name.startswith(only):
                    found.append(f"{kind}: {name} is {now}, not {wanted}")
        return found


@dataclass(frozen=True)
class Victim:
    """A host that is killed, and the services on it with the files that each reads."""

    host: Host
    services: dict[str, tuple[str, ...]]

    def prepare(self) -> None:
        """Make it fit for hundreds of runs, and remember it so as `before`."""
        self.host.put(HERE / "kills_on_host.py", TOOL)
        self._tool("begin")
        strip_comments(self.host)
        self.host.run("sh", "-ec", MARKED)
        for unit in self.services:
            self.host.write(f"/etc/systemd/system/{unit}.service.d/still.conf", STILL)
        if self.services:
            self.host.run("systemctl", "daemon-reload")
        self.keep("before")

    def keep(self, name: str) -> None:
        """Remember the host as it is now."""
        self._tool("keep", name)

    def reset(self, name: str) -> None:
        """Make the host what it was when that name was given; its services start then."""
        self._tool("reset", name, *self.services)

    def state(self, *, gone: Collection[str] = ()) -> State:
        """Return what the host is now; `gone` are services of which files are no longer there.

        When a file went, only its folder tells.
        """
        found = json.loads(self._tool("state", *self.services))
        changed, started = found.pop("changed"), found.pop("started")
        stale = {}
        for unit, files in self.services.items():
            read = (*files, *["/etc/ceph"] * (unit in gone))
            if late := [x for x in read if changed.get(x, 0) > started[unit]]:
                stale[unit] = late if started[unit] else ["it is down"]
        return State(found, stale)

    def changed(self, state: State, whole: State) -> set[str]:
        """Return the services of which a file is another one, or is not there, in these states."""
        now, then = state.facts["files"], whole.facts["files"]
        return {
            unit
            for unit, files in self.services.items()
            if any(now.get(file) != then.get(file) for file in files)
        }

    def run(self, *mode: str, **env: str) -> str:
        """Run the bundle to its end, which must be a good one; return what it said."""
        with self.begun(*mode, **env) as process:
            return self._ended(process)

    def check(self, *mode: str) -> str:
        """Return what `--check` announces of a run."""
        with self.begun(*mode, "--check") as process:
            return self._ended(process, 0, WOULD_CHANGE)

    def _ended(self, process: subprocess.Popen[bytes], *statuses: int) -> str:
        said, errors = (x.decode() for x in process.communicate(timeout=RUN_SECONDS))
        assert process.returncode in (statuses or (0,)), f"{self.host.name}: {said}{errors}"
        assert errors == "", f"{self.host.name}: {said}{errors}"
        return said

    @contextlib.contextmanager
    def begun(self, *mode: str, **env: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run the bundle; what `env` can say to the wrappers is in kills_on_host.py."""
        notes = self.notes
        shutil.rmtree(notes, ignore_errors=True)
        notes.mkdir()
        notes.chmod(0o777)  # some commands run as the services' users
        (notes / "seen").touch()
        (notes / "seen").chmod(0o666)
        os.mkfifo(notes / "never")
        # whoever runs the tests may ignore a signal, and what it starts would then, too
        argv = ("env", "--default-signal", APPLY, *mode)
        with self.host.popen(*argv, env=env or {"HASTE": "yes"}) as process:
            try:
                yield process
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    @contextlib.contextmanager
    def hanging(self, count: int, *mode: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run the bundle until it hangs before its COUNTth command, or ends."""
        with self.begun(*mode, COUNT=str(count)) as process:
            while process.poll() is None and not (self.notes / "reached").exists():
                time.sleep(PAUSE)
            yield process

    @property
    def notes(self) -> Path:
        """Where the wrappers write what the host's last run did."""
        return self.host.root / "run/kills"

    def commands(self, *mode: str) -> list[str]:
        """Run the bundle to its end, and return each command that it ran, with its arguments."""
        self.run(*mode, COUNT="1000000")
        return self._seen()

    def _seen(self) -> list[str]:
        return (self.notes / "seen").read_text().splitlines()

    def moments(self, *mode: str) -> list[int]:
        """Run the bundle, and return before which of its commands the host is as never before.

        To kill it before another one would leave what a kill before one of these leaves.
        """
        found: dict[str, int] = {}
        states: dict[object, str] = {}
        asked: list[str] = []
        with self.begun(*mode, PACE="yes") as process:
            while process.poll() is None:
                before, asked = asked, self._seen()
                if len(asked) > len(before):
                    # what a bundle changes that is no file, it changes by one of these
                    objects = [x for x in asked[: len(before)] if x.startswith(NOT_FILES)]
                    key = (self._files(), len(objects))
                    if key not in states:
                        states[key] = self.state().finds()
                    found.setdefault(states[key], len(asked))
                with contextlib.suppress(OSError):  # nobody waits there yet
                    os.close(os.open(self.notes / "never", os.O_WRONLY | os.O_NONBLOCK))
                time.sleep(PAUSE)
            self._ended(process)
        return list(found.values())

    def _files(self) -> tuple[tuple[str, int, int], ...]:
        """Return what tells cheaply whether any file that a bundle writes to has changed."""
        folders = (self.host.root / folder[1:] for folder in FOLDERS)
        paths = [path for folder in folders for path in (folder, *folder.rglob("*"))]
        found = []
        for path in paths:
            if SCRATCH in str(path):
                continue
            with contextlib.suppress(FileNotFoundError):
                status = path.lstat()
                found.append((str(path), status.st_ino, status.st_ctime_ns))
        return tuple(found)

    def kill_before(self, count: int, *mode: str) -> None:
        """SIGKILL to all processes of a run, before its COUNTth command."""
        with self.hanging(count, *mode) as process:
            self._kill(process)

    def kill_after(self, seconds: float, *mode: str) -> None:
        """SIGKILL to all processes of a run at an instant, if it has not ended by then."""
        with self.begun(*mode) as process:
            time.sleep(seconds)
            self._kill(process)

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=RUN_SECONDS)
        # all are gone when nobody holds the lock; a run killed early enough has not made it
        self.host.run("flock", "-w", "30", "/run/cephos/lock", "true", check=False)

    def _tool(self, *arguments: str) -> str:
        return self.host.run("python3", TOOL, *arguments, timeout=120).stdout
