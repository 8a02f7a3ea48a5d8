"""The base tree: a Debian system with every program of the rig, built once, shared by all hosts.

``python -m rig.base`` (from ``tests/``) builds it with progress lines and prints its path. The
machine itself needs root, ``mmdebstrap`` and ``systemd-container``; the packages come from the
archive that its own apt is set up for.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

SUITE = "bookworm"
PACKAGES = (
    "systemd systemd-sysv dbus iproute2 procps openssh-server openssh-client",
    "acl attr bc curl diffutils strace uuid-runtime crudini selinux-utils policycoreutils",
    "ceph-mon ceph-mgr ceph-osd ceph-common cephadm python3-rados python3-rbd",
    # libvirt-daemon-system makes the user that the qemu driver looks up before it reads qemu.conf
    "libvirt-daemon-system libvirt-daemon-driver-qemu libvirt-clients python3-libvirt",
    "qemu-system-x86 qemu-block-extra qemu-utils seabios",
    "glance-api cinder-api cinder-scheduler cinder-volume cinder-backup rabbitmq-server",
    "nova-compute nova-conductor placement-api",
    "python3-yaml",
)
RECIPE = (
    "--mode=root",
    "--variant=minbase",
    "--format=directory",
    # the tree is thrown away with its cache folder, so nothing in it is worth an fsync or a manual
    "--dpkgopt=force-unsafe-io",
    "--dpkgopt=force-confold",
    *(f"--dpkgopt=path-exclude=/usr/share/{x}/*" for x in ("man", "info", "locale", "doc")),
)
UNWANTED = (
    *(f"etc/systemd/system/{t}.target.wants" for t in ("sysinit", "sockets", "timers", "getty")),
    "etc/systemd/system/multi-user.target.wants",
    "etc/apt/apt.conf.d/99mmdebstrap",
)
"""What would start before a test asks for it, and this machine's own apt options."""
MASKED = (
    *("blk-availability", "e2scrub_reap", "iscsid", "lvm2-monitor", "open-iscsi"),
    *("systemd-firstboot", "systemd-networkd", "systemd-resolved"),
    *("systemd-udev-trigger", "systemd-udevd"),
)
EXTRA = Path(__file__).parent / "tree"
CACHE = Path(__file__).resolve().parents[2] / ".cache" / "rig"
TOOLS = {"systemd-nspawn": "systemd-container"}
"""What running a rig needs of this machine: programs, and the Debian packages that have them."""
BUILD_TOOLS = TOOLS | {"mmdebstrap": "mmdebstrap"}

CONTAINED = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
)
"""A build that is killed takes its processes and its mounts of /proc, /sys and /dev with it."""

Say = Callable[[str], None]


class RigError(Exception):
    """The rig itself cannot do what was asked; the message says what and what to do."""


def obstacle() -> str | None:
    """Why no rig can run here and now, with what to do; ``None`` when one can."""
    if reason := _lack(TOOLS):
        return reason
    if not path().is_dir():
        return "the rig's base tree isn't built: cd tests && python -m rig.base (a few minutes)"
    return None


def _lack(tools: dict[str, str]) -> str | None:
    if os.geteuid() != 0:
        return "the rig needs root: it mounts file systems and boots systemd in namespaces"
    missing = [package for tool, package in tools.items() if not shutil.which(tool)]
    if missing:
        return f"the rig needs more from Debian: apt-get install {' '.join(missing)}"
    return None


def path() -> Path:
    """Where the tree of this recipe is or will be; its name changes with the recipe."""
    digest = hashlib.sha256()
    for part in (SUITE, *PACKAGES, *RECIPE, *UNWANTED, *MASKED):
        digest.update(part.encode() + b"\0")
    for file in sorted(x for x in EXTRA.rglob("*") if x.is_file() and x.suffix != ".pyc"):
        digest.update(f"{file.relative_to(EXTRA)}\0".encode() + file.read_bytes() + b"\0")
    return CACHE / f"base-{digest.hexdigest()[:12]}"


def build(say: Say = lambda _: None) -> Path:
    """Return the base tree, built first if it isn't there yet.

    Raises:
        RigError: the machine lacks something, or the build failed (its log's end is quoted).
    """
    tree = path()
    CACHE.mkdir(parents=True, exist_ok=True)
    with locked(CACHE / "build.lock", fcntl.LOCK_EX):
        if tree.is_dir():
            return tree
        if reason := _lack(BUILD_TOOLS):
            raise RigError(reason)
        start = time.monotonic()

        def progress(line: str) -> None:
            say(f"[{time.monotonic() - start:5.0f} s] {line}")

        for unfinished in CACHE.glob("draft-*"):
            remove(unfinished)
        draft = tree.with_name(f"draft-{tree.name}")
        try:
            _bootstrap(draft, progress)
            _settle(draft, progress)
            draft.rename(tree)
            for old in set(CACHE.glob("base-*")) - {tree}:
                _discard(old, progress)
        except BaseException:
            remove(draft)
            raise
        progress(f"{tree} is ready")
        return tree


@contextlib.contextmanager
def in_use() -> Iterator[Path]:
    """The base tree, built if need be, and held so that no build of another recipe removes it."""
    while True:
        tree = build()
        with locked(tree.with_name(f"{tree.name}.lock"), fcntl.LOCK_SH):
            if tree.is_dir():
                yield tree
                return


@contextlib.contextmanager
def locked(file: Path, how: int) -> Iterator[None]:
    """Hold a lock file; the kernel lets go of it when this process ends in whatever way."""
    with file.open("a") as lock:
        fcntl.flock(lock, how)
        yield


def _discard(old: Path, say: Say) -> None:
    if not old.is_dir():
        return
    lock = old.with_name(f"{old.name}.lock")
    try:
        with locked(lock, fcntl.LOCK_EX | fcntl.LOCK_NB):
            say(f"removing {old.name}, made by another recipe")
            remove(old)
            lock.unlink()
    except BlockingIOError:
        say(f"{old.name} is another recipe's, but in use: left")


def remove(tree: Path) -> None:
    """Remove a folder of the rig, but never what is mounted in it, such as the machine's ``/sys``.

    Raises:
        RigError: something is mounted there.
    """
    lines = Path("/proc/self/mounts").read_text().splitlines()
    mounts = [line.split()[1].replace("\\040", " ") for line in lines]
    if inside := [mount for mount in mounts if mount.startswith(f"{tree}/")]:
        raise RigError(f"{tree} cannot be removed, unmount first: {' '.join(inside)}")
    if tree.exists():
        shutil.rmtree(tree)


def _bootstrap(tree: Path, say: Say) -> None:
    """Install all packages in one apt transaction."""
    options = tree.with_name("apt.conf")
    options.write_text(_apt_options())
    include = ",".join(" ".join(PACKAGES).split())
    say(f"installing Debian {SUITE} with the rig's packages (1 GB on disk, a few minutes)")
    _logged(
        [
            "mmdebstrap",
            *RECIPE,
            f"--include={include}",
            f"--aptopt={options}",
            SUITE,
            str(tree),
            "-",
        ],
        tree.with_name("build.log"),
        say,
        stdin=_apt_sources(),
    )


def _apt_sources() -> str:
    """The archive of this machine's own apt, as ``sources.list`` lines.

    Raises:
        RigError: apt knows no source of the suite.
    """
    form = "deb $(REPO_URI) $(RELEASE) $(COMPONENT)"
    lines = _output(["apt-get", "indextargets", "--format", form, "Identifier: Packages"])
    ours = [line for line in lines if line.split()[2].split("-")[0] == SUITE]
    if not ours:
        raise RigError(
            f"this machine's apt has no source of Debian {SUITE}, from which the base tree is made:"
            " add one to /etc/apt/sources.list.d and run apt-get update"
        )
    return "\n".join(dict.fromkeys(ours)) + "\n"


def _apt_options() -> str:
    """How this machine's apt reaches its archive: proxies, retries, tolerance of old snapshots."""
    kept = ("Acquire::http", "Acquire::https", "Acquire::Check-", "Acquire::Retries")
    return "".join(f"{x}\n" for x in _output(["apt-config", "dump"]) if x.startswith(kept))


def _settle(tree: Path, say: Say) -> None:
    """Make the tree boot into nothing but systemd and dbus, and do slow first starts once."""
    for name in UNWANTED:
        unwanted = tree / name
        if unwanted.is_dir():
            shutil.rmtree(unwanted)
        else:
            unwanted.unlink(missing_ok=True)
    units = tree / "etc/systemd/system"
    for unit in MASKED:
        mask = units / f"{unit}.service"
        mask.unlink(missing_ok=True)
        mask.symlink_to("/dev/null")
    policy = tree / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    (tree / "etc/machine-id").write_text("")
    shutil.copytree(EXTRA, tree, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    _logged(
        [
            *("systemd-nspawn", "--quiet", f"--directory={tree}", "--machine=season", "--pipe"),
            *("--register=no", "--keep-unit", "--private-network", "--resolv-conf=off"),
            *("--timezone=off", "/opt/rig/season.sh"),
        ],
        tree.with_name("season.log"),
        say,
    )


def _output(argv: list[str]) -> list[str]:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()


def _logged(argv: list[str], log: Path, say: Say, stdin: str = "") -> None:
    """Run a long command, its output in ``log``, its headlines (``I: …``) said as they come."""
    with (
        log.open("w") as record,
        subprocess.Popen(
            [*CONTAINED, *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process,
    ):
        assert process.stdin
        assert process.stdout
        try:
            process.stdin.write(stdin)
            process.stdin.close()
            for line in process.stdout:
                record.write(line)
                if line.startswith("I: "):
                    say(line[3:].rstrip())
        except BaseException:
            process.terminate()
            process.stdout.read()  # its end: the last process that could still write is gone
            raise
    if process.returncode != 0:
        tail = "".join(log.read_text().splitlines(keepends=True)[-15:])
        raise RigError(f"{argv[0]} failed with {process.returncode}; the end of {log}:\n{tail}")


def main() -> int:
    """Build the base tree; 0 when it is there, 1 with the reason when it cannot be."""

    def say(line: str) -> None:
        sys.stderr.write(f"{line}\n")

    try:
        tree = build(say)
    except RigError as error:
        say(f"rig.base: {error}")
        return 1
    sys.stdout.write(f"{tree}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
