#!/usr/bin/env python3
"""Stands in for podman, whose containers cannot run in the hosts of the tests.

Of what Debian's own cephadm asks of it, this does all that a bundle could trip over: the command is
given standard input, output and status, and sees the host's files, but none in `HIDDEN` unless
they are mounted into the container. The image's programs lie in `IMAGE`.
"""

import os
import shlex
import subprocess
import sys

IMAGE = "/opt/ceph-image"
HIDDEN = ("/etc/ceph", "/root", "/run/cephos", "/var/lib/cephos")
WITH_VALUE = ("-e", "-v", "--entrypoint", "--mount")


def run(arguments: list[str]) -> int:
    """Carry out `podman run`."""
    entry, volumes = "", []
    while arguments[0].startswith("-"):
        option = arguments.pop(0)
        value = arguments.pop(0) if option in WITH_VALUE else ""
        if option == "--entrypoint":
            entry = value
        elif option == "-v":
            volumes.append(value.split(":")[:2])
    _image, *rest = arguments
    inside = [(a, b) for a, b in volumes if any(f"{b}/".startswith(f"{x}/") for x in HIDDEN)]
    lines = ["cd /", "mount -t tmpfs none /mnt"]
    for number, (source, _) in enumerate(inside):
        lines += [made(source, f"/mnt/{number}"), bind(source, f"/mnt/{number}")]
    lines += [f"mount -t tmpfs none {folder}" for folder in HIDDEN]
    for number, (source, target) in enumerate(inside):
        lines += [made(source, target), bind(f"/mnt/{number}", target)]
    script = "\n".join([*lines, f"PATH={IMAGE}:$PATH", 'exec "$@"'])
    command = ("unshare", "--mount", "--", "sh", "-ec", script, "sh", entry, *rest)
    return subprocess.call(command)


def made(like: str, path: str) -> str:
    """Return the command that makes a place to mount on, a folder or a file."""
    folder, place = shlex.quote(os.path.dirname(path)), shlex.quote(path)  # noqa: PTH120
    return f"mkdir -p {place}" if os.path.isdir(like) else f"mkdir -p {folder}; : >>{place}"  # noqa: PTH112


def bind(source: str, target: str) -> str:
    """Return the command that mounts one on the other."""
    return f"mount --bind {shlex.quote(source)} {shlex.quote(target)}"


def main() -> int:
    """Answer as podman would."""
    match sys.argv[1]:
        case "version" | "--version":
            print("4.3.1")  # noqa: T201
        case "images":
            print("localhost/ceph@sha256:1")  # noqa: T201
        case "run":
            return run(sys.argv[2:])
    return 0


if __name__ == "__main__":
    sys.exit(main())
