"""What a run did with keys: every program it started, every file that ever held one, by strace."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from rig import Host

SYSCALLS = (
    *("clone", "clone3", "fork", "vfork", "execve", "umask"),
    *("open", "openat", "creat", "dup", "dup2", "dup3", "fcntl", "chmod", "fchmod", "fchmodat"),
    *("write", "writev", "pwrite64", "sendto", "sendmsg", "copy_file_range", "sendfile", "splice"),
)
PRIVATE = ("pipe:", "UNIX-STREAM:", "unix:", "socket:")
"""What a key may pass through unseen by others: pipes, and the socket of libvirt."""

_FORK = re.compile(r"^(?:clone3?|v?fork)\(.*= (\d+)$")
_RESULT = re.compile(r"= (\d+)<(.*?)(?:\(deleted\))?>$")
_MODE = re.compile(r"\b(0[0-7]*)\)? += ")
_CHMOD = re.compile(r'^f?chmod(?:at)?\((?:AT_FDCWD[^,]*, )?(?:"(.*?)"|\d+<(.*?)>), (0[0-7]*)')
_DESCRIPTOR = re.compile(r"^/(?:proc/self|dev)/fd/(\d+)$")
_COPY = re.compile(r"^(?:copy_file_range|splice|sendfile)\((\d+)<(.*?)>,.*?(\d+)<(.*?)>")
_WRITE = re.compile(r"^(?:write|writev|pwrite64|sendto|sendmsg)\(\d+<(.*?)>, ")


@dataclass
class Trace:
    """What was seen.

    Attributes:
        programs: how many were started.
        told: lines that show a key where none may be: in an argument, an environment, a path.
        held: each file that held key bytes, by the name that it had then.
        modes: the permission bits that each file was created with, or given later.
    """

    programs: int = 0
    told: list[str] = field(default_factory=list)
    held: set[str] = field(default_factory=set)
    modes: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))

    def readable_by_others(self) -> set[str]:
        """Return the files that held a key and could be read by everybody at any instant."""
        return {path for path in self.held if any(mode & 0o004 for mode in self.modes[path])}

    def created_open(self) -> set[str]:
        """Return the files that held a key and were not created for their owner alone."""
        return {
            path for path in self.held if not any(mode & 0o077 == 0 for mode in self.modes[path])
        }


def traced(host: Host, keys: Collection[str], *command: str, status: int = 0) -> Trace:
    """Run a command with its output in `/root/said`, and return what it did with the keys."""
    strace = (
        *("strace", "-ff", "-v", "-yy", "-s", "65536", "--seccomp-bpf"),
        *("-e", f"trace={','.join(SYSCALLS)}", "-o", "/root/trace/of"),
    )
    host.run("sh", "-c", "rm -rf /root/trace; mkdir /root/trace")
    quiet = ("sh", "-c", 'exec "$@" >/root/said 2>&1 </dev/null', "sh")
    done = host.run(*quiet, *strace, *command, check=False, timeout=300)
    assert done.returncode == status, host.read("/root/said")
    raw = host.run_bytes("sh", "-c", "cd /root/trace; tail -n +1 -- *").stdout
    parts = re.split(rb"(?m)^==> of\.(\d+) <==\n", raw)[1:]
    lines = {
        int(pid): text.decode(errors="replace").splitlines()
        for pid, text in zip(parts[::2], parts[1::2], strict=True)
    }
    trace = Trace()
    children = {int(pid) for text in lines.values() for line in text if (pid := _forked(line))}
    for first in lines.keys() - children:
        _Follower(trace, keys, lines).follow(first, 0o022, {})
    return trace


def programs(host: Host, *command: str) -> list[str]:
    """Run a command, which must end well; return the command lines that it started, in order."""
    host.run(
        *("strace", "-f", "-qq", "-s", "4096", "--seccomp-bpf", "-e", "trace=execve"),
        *("-e", "status=successful", "-e", "signal=none", "-o", "/root/programs", *command),
        timeout=300,
    )
    started = re.findall(r'(?m)execve\("[^"]+", \[(.*)\], ', host.read("/root/programs"))
    return [" ".join(re.findall(r'"((?:[^"\\]|\\.)*)"', words)) for words in started]


def _forked(line: str) -> str | None:
    fork = _FORK.match(line)
    return fork[1] if fork else None


@dataclass(frozen=True)
class _Follower:
    """Walks the processes from parent to child, since a child has its parent's umask and files."""

    trace: Trace
    keys: Collection[str]
    lines: Mapping[int, list[str]]

    def follow(self, pid: int, umask: int, files: dict[int, str]) -> None:
        for line in self.lines.get(pid, ()):
            if child := _forked(line):
                self.follow(int(child), umask, dict(files))
            elif line.startswith("umask("):
                umask = int(line[6 : line.index(")")], 8)
            elif write := _WRITE.match(line):
                if any(key in line for key in self.keys):
                    self._hold(write[1])
            elif copy := _COPY.match(line):
                if copy[2] in self.trace.held:
                    self._hold(copy[4])
            else:
                self._see(line, umask, files)

    def _see(self, line: str, umask: int, files: dict[int, str]) -> None:
        if any(key in line for key in self.keys):
            self.trace.told.append(line)
        if line.startswith("execve("):
            self.trace.programs += 1
        elif chmod := _CHMOD.match(line):
            path = chmod[1] or chmod[2]
            if descriptor := _DESCRIPTOR.match(path):
                path = files.get(int(descriptor[1]), path)
            self.trace.modes[path].add(int(chmod[3], 8))
        elif result := _RESULT.search(line):
            files[int(result[1])] = result[2]
            if ("O_CREAT" in line or line.startswith("creat(")) and (mode := _MODE.search(line)):
                self.trace.modes[result[2]].add(int(mode[1], 8) & ~umask)

    def _hold(self, path: str) -> None:
        if not path.startswith(PRIVATE):
            self.trace.held.add(path)
