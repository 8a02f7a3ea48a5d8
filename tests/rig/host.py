"""One host: the base tree with its own writable layer, booted by real systemd in a container."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from rig.base import RigError
from rig.waiting import until

Units = Literal["debian", "rdo"]

HERE = Path(__file__).parent
SERVICES = (
    *("glance-api", "cinder-api", "cinder-scheduler", "cinder-volume", "cinder-backup"),
    "nova-compute",
)
ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LANG=C.UTF-8",
    "TERM=dumb",
)
BOOT_SECONDS = 60.0
DEATH_SECONDS = 10.0
UNMOUNT = 'if mountpoint -q "$1"; then umount "$1"; fi'
NESTED = 4
"""Words of the NSpid line of a host's process: a label, then its pid in machine, rig and host."""


@dataclass(eq=False)
class Host:
    """A machine of the rig; ``up`` boots it, ``down`` is a power cut that keeps its disk.

    Attributes:
        name: its hostname.
        address: where its ssh listens; ``/etc/hosts`` of every host knows it.
        units: names of the OpenStack units: Debian's, or beside them copies named as RDO does.
    """

    name: str
    address: str
    base: Path
    disk: Path
    anchor: int
    """Pid that holds the namespaces of the rig."""
    cgroups: tuple[Path, ...]
    units: Units = "debian"
    _nspawn: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _leader: int = field(default=0, init=False)

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    @property
    def root(self) -> Path:
        """The live file system, ``/run`` and ``/tmp`` included, seen from outside.

        An absolute symlink in it leads out of it, and ``resolve()`` does too: ``read``, ``write``
        and ``put`` go through the host instead.
        """
        return Path(f"/proc/{self._alive()}/root")

    @property
    def is_up(self) -> bool:
        """Whether it has booted and not been cut off."""
        return bool(self._leader)

    def up(self) -> None:
        """Boot; returns when systemd has reached its target and ssh listens.

        Raises:
            RigError: it didn't within a minute (the console's end is quoted).
        """
        if self._nspawn:
            raise RigError(f"{self.name} is already up")
        for part in ("root", "work", "upper/etc/ssh/sshd_config.d", "upper/etc/systemd/system"):
            (self.disk / part).mkdir(parents=True, exist_ok=True)
        etc = self.disk / "upper/etc"
        (etc / "hostname").write_text(f"{self.name}\n")
        (etc / "ssh/sshd_config.d/address.conf").write_text(f"ListenAddress {self.address}\n")
        if self.units == "rdo":
            self._name_units_as_rdo(etc / "systemd/system")
        boot = [HERE / "boot.sh", self.base, self.disk, self.name, self.address, *self.cgroups]
        with (self.disk / "console").open("wb") as console:
            self._nspawn = subprocess.Popen(
                [*_enter(self.anchor, "mpn"), "bash", *map(str, boot)],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._await_boot()
        except BaseException:
            self.down()
            raise

    def down(self) -> None:
        """Cut the power: every process of the host is killed at once. The disk stays for ``up``."""
        if not self._nspawn:
            return
        with contextlib.suppress(ProcessLookupError):
            # without a leader nspawn has only begun; it takes with it what it started
            os.kill(self._leader or -self._nspawn.pid, signal.SIGKILL)
        try:
            self._nspawn.wait(DEATH_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._nspawn.pid, signal.SIGKILL)
            self._nspawn.wait()
        self._nspawn, self._leader = None, 0
        for group in self.cgroups:
            remove_cgroup(group)
        unmount = ["bash", "-c", UNMOUNT, "bash", str(self.disk / "root")]
        subprocess.run([*_enter(self.anchor, "mp"), *unmount], check=True)

    def run(
        self,
        *argv: str,
        check: bool = True,
        input: str | None = None,  # noqa: A002 (the name that subprocess.run gave it)
        user: str | None = None,
        env: dict[str, str] | None = None,
        timeout: float = 60.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program on the host, as root or ``user``, in a clean environment plus ``env``.

        Raises:
            subprocess.CalledProcessError: with ``check``, it failed (its output is in the notes).
            subprocess.TimeoutExpired: after ``timeout`` seconds; what it started is killed.
        """
        data = None if input is None else input.encode()
        done = self.run_bytes(*argv, check=check, input=data, user=user, env=env, timeout=timeout)
        out, err = (x.decode(errors="backslashreplace") for x in (done.stdout, done.stderr))
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def run_bytes(
        self,
        *argv: str,
        check: bool = True,
        input: bytes | None = None,  # noqa: A002 (as above)
        user: str | None = None,
        env: dict[str, str] | None = None,
        timeout: float = 60.0,
    ) -> subprocess.CompletedProcess[bytes]:
        """``run`` for input and output that isn't text."""
        with self.popen(*argv, user=user, env=env) as process:
            try:
                out, err = process.communicate(input, timeout)
            except BaseException:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
        if check and process.returncode:
            error = subprocess.CalledProcessError(process.returncode, argv, out, err)
            for name, stream in (("standard output", out), ("standard error", err)):
                error.add_note(f"{name} on {self.name}: {stream[-4000:].decode(errors='replace')}")
            raise error
        return subprocess.CompletedProcess(argv, process.returncode, out, err)

    def popen(
        self, *argv: str, user: str | None = None, env: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program on the host, all three streams piped, in a process group of its own.

        ``os.killpg(process.pid, …)`` therefore ends it together with what it started.
        """
        become = [*("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups") * bool(user)]
        extra = [f"{name}={value}" for name, value in (env or {}).items()]
        return subprocess.Popen(
            [
                *_enter(self._alive(), "muipn"),
                *("--root", "--wd", "env", "-i", *ENVIRONMENT, *extra, *become, *argv),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def put(self, source: Path, target: str) -> None:
        """Copy a file or a whole folder to ``target`` on the host: same modes, owned by root."""

        def as_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = "root"
            return entry

        parent, name = os.path.split(target.rstrip("/"))
        with io.BytesIO() as packed:
            with tarfile.open(fileobj=packed, mode="w") as archive:
                archive.add(source, name, filter=as_root)
            self.run("mkdir", "-p", parent)
            self.run_bytes("tar", "-xpC", parent, input=packed.getvalue())

    def write(self, target: str, text: str, mode: int = 0o644) -> None:
        """Write a file on the host, owned by root."""
        self.run("install", "-D", "-m", f"{mode:o}", "/dev/stdin", target, input=text)

    def read(self, source: str) -> str:
        """The text of a file on the host."""
        return self.run("cat", source).stdout

    def journal(self, unit: str, lines: int = 20) -> str:
        """The end of what a unit said, for messages."""
        return self.run("journalctl", "-q", "-n", str(lines), "-u", unit, check=False).stdout

    def _alive(self) -> int:
        if not self._leader:
            raise RigError(f"{self.name} is not up")
        return self._leader

    def _await_boot(self) -> None:
        def console() -> str:
            return (self.disk / "console").read_text(errors="replace")[-2000:]

        self._leader = until(
            f"{self.name} starts systemd", self._find_leader, BOOT_SECONDS, console
        )

        def booted() -> bool:
            state = self.run("systemctl", "is-active", "rig.target", check=False)
            return state.stdout.strip() == "active"

        until(f"{self.name} boots", booted, BOOT_SECONDS, console)

    def _find_leader(self) -> int | None:
        """Pid, seen from here, of the container's pid 1: that child of nspawn which is 1 within."""
        assert self._nspawn
        if self._nspawn.poll() is not None:
            raise RigError(
                f"{self.name} did not start:\n{(self.disk / 'console').read_text(errors='replace')}"
            )
        for nspawn in _children(self._nspawn.pid):
            for child in _children(nspawn):
                with contextlib.suppress(OSError):
                    status = Path(f"/proc/{child}/status").read_text()
                    pids = next(x for x in status.splitlines() if x.startswith("NSpid:")).split()
                    if len(pids) == NESTED and pids[-1] == "1":
                        return child
        return None

    def _name_units_as_rdo(self, units: Path) -> None:
        """Copy them: a glob matches no alias. Debian's stay, for the scripts that they run."""
        for service in SERVICES:
            unit = units / f"openstack-{service}.service"
            shutil.copy(self.base / f"lib/systemd/system/{service}.service", unit)
            extra = self.base / f"etc/systemd/system/{service}.service.d"
            if extra.is_dir():
                shutil.copytree(extra, unit.with_name(f"{unit.name}.d"), dirs_exist_ok=True)


def remove_cgroup(group: Path) -> None:
    """Remove a control group and those in it, once the last of its dying processes is gone."""

    def gone() -> bool:
        for folder, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()
        return not group.exists()

    until(f"{group} is empty", gone, DEATH_SECONDS)


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(x) for x in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _enter(pid: int, namespaces: str) -> list[str]:
    return ["nsenter", f"--target={pid}", *(f"-{letter}" for letter in namespaces)]
