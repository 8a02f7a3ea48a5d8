"""Inputs made to exhaust: whatever their size and shape, little memory, little time, one clear end.

The limits are the system's own, set on the compiler as a process; they leave several times what it
needs on an idle machine.
"""

from __future__ import annotations

import re
import resource
import subprocess
from typing import TYPE_CHECKING

import pytest

from compiling import PROGRAM, SITE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MEMORY = 1 << 30
"""Bytes of address space."""
TIME = 30
"""Seconds of the processor."""
MIB = 1 << 20
BEFORE_HOSTS = SITE.partition("hosts:")[0]


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (TIME, TIME))


def hosts(lines: str) -> bytes:
    return f"{BEFORE_HOSTS}hosts:\n{lines}".encode()


def bomb() -> bytes:
    lines = (f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 100))
    return ("a0: &a0 [x, x]\n" + "".join(lines)).encode()


INPUTS: dict[str, tuple[int, Callable[[], bytes]]] = {
    "100 MB of text": (2, lambda: b"a: 1\n" * (20 * MIB)),
    "100 MB of NUL": (2, lambda: bytes(100 * MIB)),
    "15 MB of one key": (1, lambda: b"a: 1\n" * (3 * MIB)),
    "15 MB in a line": (1, lambda: b"a: " + b"x" * (15 * MIB)),
    "15 MB of control characters": (1, lambda: b"a: " + b"\x1b" * (15 * MIB)),
    "15 MB of quotes": (1, lambda: b'"' + b'\\"' * (7 * MIB)),
    "a number of 10 MB": (1, lambda: b"version: " + b"9" * (10 * MIB)),
    "aliases of aliases": (1, bomb),
    "100,000 levels of brackets": (1, lambda: b"a: " + b"[" * 100_000),
    "100,000 levels of dashes": (1, lambda: b"- " * 100_000),
    "3,000 levels of indentation": (1, lambda: b"".join(b" " * n + b"a:\n" for n in range(3000))),
    "a range of 99,999,999": (1, lambda: hosts("  h[1-99999999]: {roles: [glance]}\n")),
    "a range of many digits": (1, lambda: hosts(f"  h[1-{'9' * 900}]: {{roles: [glance]}}\n")),
    "ranges of ranges": (1, lambda: hosts("  h[1-9999][1-9999][1-9999]: {roles: [glance]}\n")),
    "300 large ranges": (
        1,
        lambda: hosts("".join(f"  h{n}x[1-99999]: {{roles: [glance]}}\n" for n in range(300))),
    ),
    "5,000 pools": (
        1,
        lambda: SITE.replace(
            "vms: {}", "".join(f"p{n}: {{}}\n      " for n in range(5000))
        ).encode(),
    ),
    "tabs": (1, lambda: SITE.replace("  ", "\t").encode()),
    "latin-1": (2, lambda: SITE.replace("lon1", "zürich").encode("latin-1")),
    "UTF-16": (2, lambda: SITE.encode("utf-16")),
    "a NUL": (2, lambda: SITE.replace("lon1", "lon\0").encode()),
    "a byte order mark": (0, lambda: b"\xef\xbb\xbf" + SITE.encode()),
}


@pytest.mark.parametrize("name", INPUTS)
def test_an_end_within_bounds(tmp_path: Path, name: str) -> None:
    status, make = INPUTS[name]
    (tmp_path / "site.yaml").write_bytes(make())
    done = subprocess.run(
        [PROGRAM, "site.yaml", "--check"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limited,
    )
    assert done.returncode == status, done.stderr[-1000:]
    assert len(done.stderr) < 20_000
    assert all(line.isprintable() for line in done.stderr.split("\n"))
    place = r":\d+:\d+" if status == 1 else r"(:\d+:\d+)?"
    if status:
        assert re.match(rf"site\.yaml{place}: error\[E\d+\]: ", done.stderr)


def test_standard_input_without_end(tmp_path: Path) -> None:
    with open("/dev/zero", "rb") as endless:  # noqa: PTH123  # a stream
        done = subprocess.run(
            [PROGRAM, "-", "--check"],
            cwd=tmp_path,
            stdin=endless,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=limited,
        )
    assert done.returncode == 2
    assert re.match(r"<stdin>: error\[E003\]: ", done.stderr)
