"""lib/ini-patch against the parser that reads its files, and lib/files.sh against real filesystems.

oslo.config is the oracle: it says which files can be loaded, what is read before and after, and so
that a merge changed what the patch asks for and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import struct
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from oslo_config import cfg, iniparser

from compiling import leave_out

if TYPE_CHECKING:
    from collections.abc import Iterator

LIB = Path(__file__).parents[1] / "templates" / "runtime" / "lib"
INI_PATCH = LIB / "ini-patch"
# A shell to run them under other than the system's, such as an old one.
BASH = os.environ.get("CEPHOS_TEST_BASH", "bash")

DONE, DIFFERS, USAGE, BAD_FILE, NO_FILE, CANNOT_CREATE, CANNOT_WRITE = 0, 10, 64, 65, 66, 73, 74


def ini_patch(
    *arguments: str | Path, cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [BASH, INI_PATCH, *arguments], capture_output=True, check=False, cwd=cwd, timeout=60
    )


# ------------------------------------------------------------------------------------- the oracle


class Oracle(cfg.ConfigParser):
    """oslo.config's own parser, with its section identity, that also notes who owns which line."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), {})
        self.owners: dict[int, tuple[str | None, str]] = {}
        with path.open(encoding="utf-8") as file:
            iniparser.BaseParser.parse(self, file.readlines())

    def new_section(self, section: str) -> None:
        super().new_section(section if section == "DEFAULT" else section.lower())

    def _split_key_value(self, line: str) -> tuple[str, list[str]]:
        self.start = self.lineno
        return super()._split_key_value(line)

    def assignment(self, key: str, value: list[str]) -> None:
        super().assignment(key, value)
        for number in range(self.start, self.start + len(value)):
            self.owners[number] = (self.section, key)

    @property
    def values(self) -> dict[tuple[str, str], list[str]]:
        return {(s, k): v for s, keys in self.sections.items() for k, v in keys.items()}


def oracle(path: Path) -> Oracle | None:
    """What oslo.config makes of a file; None if it cannot load it."""
    try:
        return Oracle(path)
    except (cfg.ConfigFileParseError, iniparser.ParseError, UnicodeDecodeError):
        return None


def lines_of(path: Path) -> list[str]:
    """The lines as oslo.config counts them, each with its own end."""
    with path.open(encoding="utf-8", newline="") as file:
        return file.readlines()


def assert_merged(before: Path, patch: Path, after: Path) -> None:
    """AFTER reads as PATCH where PATCH speaks, and as BEFORE, to the byte, where it does not."""
    old, wish, new = Oracle(before), Oracle(patch), Oracle(after)
    assert new.values == {**old.values, **wish.values}

    def foreign(parsed: Oracle, path: Path) -> list[str]:
        return [
            line
            for number, line in enumerate(lines_of(path), 1)
            if parsed.owners.get(number) not in wish.values
        ]

    kept, rest = foreign(old, before), foreign(new, after)
    if kept and not kept[-1].endswith(("\n", "\r")):  # it need not be the last line any more
        rest[len(kept) - 1] = rest[len(kept) - 1].rstrip("\r\n")
    assert rest[: len(kept)] == kept
    added = [line.strip() for line in rest[len(kept) :]]
    assert all(not line or line.startswith("[") for line in added)
    assert len(added) <= 2 * len({section for section, _ in wish.values})


def state(path: Path) -> tuple[bytes, int, int]:
    status = path.stat()
    return path.read_bytes(), status.st_ino, status.st_mtime_ns


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def merge(folder: Path, target: bytes, patch: bytes, *arguments: str) -> bytes:
    """Merges for real and holds every promise against it: what TARGET holds then."""
    before, path, wish = folder / "before", folder / "target.conf", folder / "patch.conf"
    for file, content in ((before, target), (path, target), (wish, patch)):
        file.write_bytes(content)
    untouched = state(path)

    would = ini_patch("--check", *arguments, path, wish)
    assert state(path) == untouched
    run = ini_patch(*arguments, path, wish)
    assert (run.returncode, run.stdout, run.stderr) == (DONE, b"", b"")
    changed = path.read_bytes() != target
    assert would.returncode == (DIFFERS if changed else DONE)
    assert would.stdout == would.stderr == b""
    if not changed:
        assert state(path) == untouched

    settled = state(path)
    again = ini_patch(*arguments, path, wish)
    assert again.returncode == DONE
    assert state(path) == settled
    assert sorted(p.name for p in folder.iterdir()) == ["before", "patch.conf", "target.conf"]
    if not arguments:
        assert_merged(before, wish, path)
    return path.read_bytes()


# ------------------------------------------------------------------------- what a merge looks like


@dataclass(frozen=True)
class Case:
    name: str
    target: bytes
    patch: bytes
    result: bytes
    arguments: tuple[str, ...] = ()


CASES = [
    Case(
        "a value is replaced where it stands",
        b"[libvirt]\nimages_type = raw\nvirt_type = kvm\n",
        b"[libvirt]\nimages_type = rbd\n",
        b"[libvirt]\nimages_type = rbd\nvirt_type = kvm\n",
    ),
    Case(
        "all values of a repeated key are replaced by those of the patch",
        b"[pci]\nalias = A1\nalias = A2\nother = 1\nalias = A3\n",
        b"[pci]\nalias = NEW\n",
        b"[pci]\nother = 1\nalias = NEW\n",
    ),
    Case(
        "a repeated key of the patch becomes a repeated key",
        b"[pci]\nalias = A1\nx = 1\n",
        b"[pci]\nalias = A1\nalias = A2\n",
        b"[pci]\nalias = A1\nalias = A2\nx = 1\n",
    ),
    Case(
        "a patch that states one of several values states them all",
        b"[pci]\nalias = A1\nalias = A2\n",
        b"[pci]\nalias = A1\n",
        b"[pci]\nalias = A1\n",
    ),
    Case(
        "a repeated key beside the one that is asked for stays",
        b"[pci]\nalias = A1\nalias = A2\nx = 1\n",
        b"[pci]\nx = 2\n",
        b"[pci]\nalias = A1\nalias = A2\nx = 2\n",
    ),
    Case(
        "in the first of repeated sections, where it stands",
        b"[a]\nk = 1\n[b]\n[a]\nx = 1\n",
        b"[a]\nk = 2\n",
        b"[a]\nk = 2\n[b]\n[a]\nx = 1\n",
    ),
    Case(
        "values with JSON and commas stay whole",
        b'[pci]\ndevice_spec = {"vendor_id": "10de"}\n',
        b'[pci]\ndevice_spec = {"vendor_id": "10de"}\ndevice_spec = {"vendor_id": "15b3"}\n',
        b'[pci]\ndevice_spec = {"vendor_id": "10de"}\ndevice_spec = {"vendor_id": "15b3"}\n',
    ),
    Case(
        "a semicolon is part of the value",
        b"[libvirt]\nx = raw ; local\n",
        b"[libvirt]\nx = rbd\n",
        b"[libvirt]\nx = rbd\n",
    ),
    Case(
        "a hash is part of the value",
        b"[libvirt]\nx = raw # local\n",
        b"[libvirt]\nx = a ; b\n",
        b"[libvirt]\nx = a ; b\n",
    ),
    Case(
        "keys keep their case",
        b"[libvirt]\nImages_Type = raw\n",
        b"[libvirt]\nimages_type = rbd\n",
        b"[libvirt]\nImages_Type = raw\nimages_type = rbd\n",
    ),
    Case(
        "section names ignore case",
        b"[LibVirt]\nimages_type = raw\n",
        b"[libvirt]\nimages_type = rbd\n",
        b"[LibVirt]\nimages_type = rbd\n",
    ),
    Case(
        "but DEFAULT is not default",
        b"[default]\ndebug = false\n",
        b"[DEFAULT]\ndebug = true\n",
        b"[default]\ndebug = false\n\n[DEFAULT]\ndebug = true\n",
    ),
    Case(
        "a value of DEFAULT is not the section's",
        b"[DEFAULT]\nstores = swift\n\n[glance_store]\nx = 1\n",
        b"[glance_store]\nstores = rbd\n",
        b"[DEFAULT]\nstores = swift\n\n[glance_store]\nx = 1\nstores = rbd\n",
    ),
    Case("an empty file", b"", b"[DEFAULT]\nx = 1\n", b"[DEFAULT]\nx = 1\n"),
    Case(
        "of repeated sections the last that sets the key counts",
        b"[a]\nk = 1\n[b]\nz = 1\n[A]\nk = 2\n[a]\ny = 1\n",
        b"[a]\nk = 3\n",
        b"[a]\n[b]\nz = 1\n[A]\nk = 3\n[a]\ny = 1\n",
    ),
    Case(
        "a new key of a repeated section",
        b"[a]\nx = 1\n[b]\n[a]\n[c]\n",
        b"[a]\nk = 3\n",
        b"[a]\nx = 1\nk = 3\n[b]\n[a]\n[c]\n",
    ),
    Case(
        "a value that goes over lines is replaced with them",
        b"[a]\nk = one,\n  two,\n\tthree\nx = 1\n",
        b"[a]\nk = 1\n",
        b"[a]\nk = 1\nx = 1\n",
    ),
    Case(
        "a new key never stands between a value and the lines that continue it",
        b"[a]\n# k = 5\nx = one,\n  two\n\n[b]\n",
        b"[a]\nz = 1\nk = 2\n",
        b"[a]\n# k = 5\nk = 2\nx = one,\n  two\nz = 1\n\n[b]\n",
    ),
    Case(
        "a value over lines can be asked for",
        b"[a]\nk = 1\nx = 1\n",
        b"[a]\nk = one,\n    two\n",
        b"[a]\nk = one,\n    two\nx = 1\n",
    ),
    Case(
        "an indented key is a part of the value before it",
        b"[libvirt]\nvirt_type = kvm\n  images_type = raw\n",
        b"[libvirt]\nimages_type = rbd\n",
        b"[libvirt]\nvirt_type = kvm\n  images_type = raw\nimages_type = rbd\n",
    ),
    Case(
        "percent and dollar signs are nothing special",
        b"[a]\nf = %(asctime)s 50%\n% odd = 1\n",
        b"[a]\nk = $state_path/%d $$x ${y} $(z) `w`\n",
        b"[a]\nf = %(asctime)s 50%\n% odd = 1\nk = $state_path/%d $$x ${y} $(z) `w`\n",
    ),
    Case(
        "globs, backslashes and quotes are nothing special",
        b"[a]\nk = *\n",
        b"[a]\nk = /* \\n \\ '\" ~ ? [x] {a,b} !!\n",
        b"[a]\nk = /* \\n \\ '\" ~ ? [x] {a,b} !!\n",
    ),
    Case("an empty value", b"[a]\nk =\n", b"[a]\nk = 1\n", b"[a]\nk = 1\n"),
    Case("to an empty value", b"[a]\nk = 1\n", b"[a]\nk =\n", b"[a]\nk =\n"),
    Case(
        "a value with the same reading stays", b"[a]\nk:  1\t\n", b"[a]\nk = 1\n", b"[a]\nk:  1\t\n"
    ),
    Case(
        "quotes around a value are not read",
        b'[a]\nk = "x y"\n',
        b"[a]\nk = x y\n",
        b'[a]\nk = "x y"\n',
    ),
    Case("a lone quote reads as nothing", b"[a]\nk = '\n", b"[a]\nk =\n", b"[a]\nk = '\n"),
    Case(
        "a value that is there is no change, even without a final newline",
        b"[a]\nk = 1",
        b"[a]\nk = 1\n",
        b"[a]\nk = 1",
    ),
    Case("a file without a final newline stays so", b"[a]\nk = 1", b"[a]\nk = 2\n", b"[a]\nk = 2"),
    Case(
        "also with a new section",
        b"[a]\nk = 1",
        b"[b]\nk = 2\n",
        b"[a]\nk = 1\n\n[b]\nk = 2",
    ),
    Case(
        "a section in blanks is another section",
        b"[ libvirt ]\nx = 1\n",
        b"[libvirt]\nx = 1\n",
        b"[ libvirt ]\nx = 1\n\n[libvirt]\nx = 1\n",
    ),
    Case(
        "CRLF",
        b"[a]\r\nk = 1\r\n\r\n[b]\r\nx = 1\r\n",
        b"[a]\nk = 2\nn = 1\n[c]\nz = 3\n",
        b"[a]\r\nk = 2\r\nn = 1\r\n\r\n[b]\r\nx = 1\r\n\r\n[c]\r\nz = 3\r\n",
    ),
    Case(
        "a lone carriage return ends a line, too",
        b"[a]\rk = 1\rx = 2\r",
        b"[a]\nk = 2\n",
        b"[a]\rk = 2\rx = 2\r",
    ),
    Case(
        "a patch with CRLF is written with the line ends of the target",
        b"[a]\nk = 1\n",
        b"[a]\r\nk = 2\r\n",
        b"[a]\nk = 2\n",
    ),
    Case(
        "a new key stands below its last sample",
        b"[libvirt]\n\n# images_type = raw is the default\n# (string)\n#images_type = default\n\n"
        b"# next\n;rbd_user =\n# rbd_secret_uuid=<None>\n\n[neutron]\n#images_type = x\n",
        b"[libvirt]\nrbd_secret_uuid = u\nrbd_user = nova\nimages_type = rbd\n",
        b"[libvirt]\n\n# images_type = raw is the default\n# (string)\n#images_type = default\n"
        b"images_type = rbd\n\n# next\n;rbd_user =\nrbd_user = nova\n# rbd_secret_uuid=<None>\n"
        b"rbd_secret_uuid = u\n\n[neutron]\n#images_type = x\n",
    ),
    Case(
        "or after the last key of its section, or on top of it",
        b"[a]\nx = 1\n\n# about y\n\n[b]\n# about z\n\n[c]\n",
        b"[a]\nk = 1\nl = 2\n[b]\nk = 3\n",
        b"[a]\nx = 1\nk = 1\nl = 2\n\n# about y\n\n[b]\nk = 3\n# about z\n\n[c]\n",
    ),
    Case(
        "new sections stand at the end, in the order of the patch",
        b"[a]\nx = 1\n\n",
        b"[c]\nk = 1\n[b]\nk = 2\n[c]\nl = 3\n[nothing]\n",
        b"[a]\nx = 1\n\n[c]\nk = 1\nl = 3\n\n[b]\nk = 2\n",
    ),
    Case(
        "the order of the values of a repeated key counts",
        b"[a]\nk = 2\nk = 1\n",
        b"[a]\nk = 1\nk = 2\n",
        b"[a]\nk = 1\nk = 2\n",
    ),
    Case(
        "a key with blanks and a colon for its sign",
        b"[a]\nx y: 1\n",
        b"[a]\nx y = 2\n",
        b"[a]\nx y = 2\n",
    ),
    Case(
        "what Python takes for white space",
        "[a]\nk\xa0= \u2003v\u3000\n\xa0l = 1\n".encode(),
        b"[a]\nk = v\nl = 1\n",
        "[a]\nk\xa0= \u2003v\u3000\n\xa0l = 1\n".encode(),
    ),
    Case(
        "UTF-8",
        "# élève 𝄞\n[a]\nk = ñ\n".encode(),
        "[a]\nk = 水\n".encode(),
        "# élève 𝄞\n[a]\nk = 水\n".encode(),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_merge(case: Case, folder: Path) -> None:
    assert merge(folder, case.target, case.patch, *case.arguments) == case.result


UNSET = b"[glance_store]\n#stores = file,http\n"
INCLUDES = [
    Case(
        "an unset list starts from the upstream default",
        UNSET,
        b"",
        UNSET + b"stores = rbd,file,http\n",
        ("--include", "glance_store.stores=rbd"),
    ),
    Case(
        "the items come first, the others follow",
        b"[glance_store]\nstores = file , swift,http\n",
        b"",
        b"[glance_store]\nstores = rbd,http,file,swift\n",
        ("--include", "glance_store.stores=rbd,http"),
    ),
    Case(
        "a list that has them first is left alone",
        b"[glance_store]\nstores = rbd, file\n",
        b"",
        b"[glance_store]\nstores = rbd, file\n",
        ("--include=glance_store.stores=rbd",),
    ),
    Case(
        "an item that stands twice stands once",
        b"[DEFAULT]\nenabled_backends = rbd,lvm,rbd\n",
        b"",
        b"[DEFAULT]\nenabled_backends = rbd,lvm\n",
        ("--include", "DEFAULT.enabled_backends=rbd"),
    ),
    Case(
        "several options for a key add up, and a missing section is made",
        b"[a]\nx = 1\n",
        b"[a]\nx = 2\n",
        b"[a]\nx = 2\n\n[DEFAULT]\nenabled_backends = rbd,ssd\n",
        ("--include", "DEFAULT.enabled_backends=rbd", "--include", "DEFAULT.enabled_backends=ssd"),
    ),
    Case(
        "the patch's own list is what items are included in",
        b"[glance_store]\nstores = swift\n",
        b"[glance_store]\nstores = file\n",
        b"[glance_store]\nstores = rbd,file\n",
        ("--include", "glance_store.stores=rbd"),
    ),
    Case(
        "a patch that lists it is written as it is",
        b"[Glance_Store]\nstores = swift\n",
        b"[glance_store]\nstores = rbd, file\n",
        b"[Glance_Store]\nstores = rbd, file\n",
        ("--include", "glance_store.stores=rbd"),
    ),
    Case(
        "the last of several values is the list",
        b"[a]\nk = x\nk = rbd,y\n",
        b"",
        b"[a]\nk = rbd,y\n",
        ("--include", "a.k=rbd"),
    ),
    Case(
        "a list over lines",
        b"[a]\nk = x,\n  rbd,\n  y\n",
        b"",
        b"[a]\nk = rbd,x,y\n",
        ("--include", "a.k=rbd"),
    ),
    Case(
        "the key is what follows the last dot",
        b"[backend.one]\nk = x\n",
        b"",
        b"[backend.one]\nk = rbd,x\n",
        ("--include", "backend.one.k=rbd"),
    ),
    Case(
        "globs are items like others",
        b"[a]\nk = *,?\n",
        b"",
        b"[a]\nk = rbd,*,?\n",
        ("--include", "a.k=rbd"),
    ),
]


@pytest.mark.parametrize("case", INCLUDES, ids=lambda case: case.name)
def test_include(case: Case, folder: Path) -> None:
    assert merge(folder, case.target, case.patch, *case.arguments) == case.result


# ---------------------------------------------------------------- what an earlier merge set, undone


@dataclass(frozen=True)
class Return:
    """TARGET after a merge of BEFORE into PRISTINE, and after it goes on to PATCH."""

    name: str
    pristine: bytes | None
    before: bytes
    target: bytes
    patch: bytes
    result: bytes
    arguments: tuple[str, ...] = ()


RETURNS = [
    Return(
        "a value is again what it was, with its own spelling",
        b"[a]\nk:raw\nx = 1\n",
        b"[a]\nk = rbd\n",
        b"[a]\nk = rbd\nx = 2\n",
        b"",
        b"[a]\nk:raw\nx = 2\n",
    ),
    Return(
        "a value that was none goes, and one that goes on stays",
        b"[a]\n#k = 1\n",
        b"[a]\nk = rbd\nl = 1\n",
        b"# theirs\n[a]\n#k = 1\nk = rbd\nl = 1\n",
        b"[a]\nl = 2\n",
        b"# theirs\n[a]\n#k = 1\nl = 2\n",
    ),
    Return(
        "a value that somebody changed since is theirs",
        b"[a]\nk = raw\n",
        b"[a]\nk = rbd\nl = 1\n",
        b"[a]\nk = qcow2\nl = 1\nl = 2\n",
        b"",
        b"[a]\nk = qcow2\nl = 1\nl = 2\n",
    ),
    Return(
        "also if they took it away",
        b"[a]\nk = raw\n",
        b"[a]\nk = rbd\n",
        b"[a]\n",
        b"",
        b"[a]\n",
    ),
    Return(
        "the same value in another spelling is not theirs",
        b"[a]\nk = raw\n",
        b"[a]\nk = rbd\n",
        b"[a]\nk: 'rbd'\n",
        b"",
        b"[a]\nk = raw\n",
    ),
    Return(
        "a key that the patch still sets is the patch's",
        b"[a]\nk = raw\n",
        b"[A]\nk = rbd\nl = 1\n",
        b"[a]\nk = rbd\nl = 1\n",
        b"[a]\nk = nfs\n",
        b"[a]\nk = nfs\n",
    ),
    Return(
        "a value over lines, and a repeated key, in the place of what goes",
        b"[a]\nk = one,\n  two\nx = 1\nl = 1\ny = 1\nl = 2\n",
        b"[a]\nk = 1\nl = 3\n",
        b"# theirs\n[a]\nk = 1\nx = 1\ny = 1\nl = 3\nz = 1\n",
        b"",
        b"# theirs\n[a]\nk = one,\n  two\nx = 1\ny = 1\nl = 1\nl = 2\nz = 1\n",
    ),
    Return(
        "scattered lines go back to where they were if nobody changed anything",
        b"[a]\nk = 1\nx = 1\nk = 2\r\n[b]\n\n[a]\nk = 3",
        b"[a]\nk = 4\n[c]\nl = 1\n",
        b"[a]\nx = 1\n[b]\n\n[a]\nk = 4\n\n[c]\nl = 1",
        b"",
        b"[a]\nk = 1\nx = 1\nk = 2\r\n[b]\n\n[a]\nk = 3",
    ),
    Return(
        "a section that a merge made goes with its last key",
        b"[a]\nx = 1\n",
        b"[b]\nk = 1\n[c]\nk = 1\n[d]\nk = 1\n",
        b"[a]\nx = 2\n\n[b]\nk = 1\n\n[c]\nk = 1\n\n[d]\nk = 1\n\n[e]\nk = 1\n",
        b"[c]\nl = 1\n",
        b"[a]\nx = 2\n\n[c]\nl = 1\n\n[e]\nk = 1\n",
    ),
    Return(
        "but not with a comment or a key of others",
        b"[a]\nx = 1\n",
        b"[b]\nk = 1\n[c]\nk = 1\n",
        b"[a]\nx = 1\n\n[b]\nk = 1\n# theirs\n\n[c]\nk = 1\nl = 1\n",
        b"",
        b"[a]\nx = 1\n\n[b]\n# theirs\n\n[c]\nl = 1\n",
    ),
    Return(
        "nor one that was there, or that others made",
        b"[a]\n\n",
        b"[a]\nk = 1\n",
        b"[a]\nk = 1\n\n[b]\n",
        b"",
        b"[a]\n\n[b]\n",
    ),
    Return(
        "its header goes alone if no blank line is before it",
        b"[a]\nx = 1\n",
        b"[b]\nk = 1\n",
        b"[a]\nx = 2\n[b]\nk = 1\n",
        b"",
        b"[a]\nx = 2\n",
    ),
    Return(
        "a header that was there stays",
        b"[b]\n\n[a]\n",
        b"[b]\nk = 1\n",
        b"[b]\nk = 1\n\n[a]\nx = 1\n",
        b"",
        b"[b]\n\n[a]\nx = 1\n",
    ),
    Return(
        "a blank line that was there stays",
        b"[a]\nx = 1\n\n",
        b"[b]\nk = 1\n[c]\nk = 1\n",
        b"[a]\nx = 2\n\n[b]\nk = 1\n\n[c]\nk = 1\n",
        b"",
        b"[a]\nx = 2\n\n",
    ),
    Return("of a file that was none, all goes", None, b"[a]\nk = 1\n", b"[a]\nk = 1\n", b"", b""),
    Return(
        "and only what others added stays",
        None,
        b"[a]\nk = 1\n",
        b"[a]\nk = 1\n[b]\nx = 1",
        b"",
        b"[b]\nx = 1",
    ),
    Return("even its last line end", None, b"[a]\nk = 1\n", b"[a]\nk = 1", b"", b""),
    Return(
        "a patch in another order is no reason to write",
        b"[a]\n",
        b"[a]\nk = 1\nl = 1\n",
        b"[a]\nk = 1\nl = 1\n",
        b"[a]\nl = 1\nk = 1\n",
        b"[a]\nk = 1\nl = 1\n",
    ),
    Return(
        "an item that others follow leaves the list",
        b"[a]\nk = file\n",
        b"",
        b"[a]\nk = rbd,file,swift\n",
        b"",
        b"[a]\nk = file,swift\n",
        ("--before-include", "a.k=rbd"),
    ),
    Return(
        "a list that is as it was has its own line",
        b"[a]\nk = y , x,\n",
        b"",
        b"[a]\nk =x, rbd,y,ssd\n",
        b"",
        b"[a]\nk = x,y\n",
        ("--before-include=a.k=rbd", "--before-include=a.k=ssd"),
    ),
    Return(
        "also one that an item was moved in",
        b"[a]\nk = file , rbd\n",
        b"",
        b"#\n[a]\nk = rbd,file\n",
        b"",
        b"#\n[a]\nk = file , rbd\n",
        ("--before-include", "a.k=rbd"),
    ),
    Return(
        "and one that others reordered around it",
        b"[a]\nk = x , y\n",
        b"",
        b"[a]\nk = x,y,rbd\n",
        b"",
        b"[a]\nk = x , y\n",
        ("--before-include", "a.k=rbd"),
    ),
    Return(
        "an item that was there stays",
        b"[a]\nk = file,rbd\n",
        b"",
        b"[a]\nk = rbd,ssd,file,swift\n",
        b"",
        b"[a]\nk = rbd,file,swift\n",
        ("--before-include", "a.k=rbd,ssd"),
    ),
    Return(
        "the upstream default was there, too",
        UNSET,
        b"",
        UNSET + b"stores = http,rbd,file,swift\n",
        b"",
        UNSET + b"stores = http,file,swift\n",
        ("--before-include", "glance_store.stores=rbd,http"),
    ),
    Return(
        "a list of it alone need not be set",
        UNSET,
        b"",
        b"#\n" + UNSET + b"stores = file,rbd,http\n",
        b"",
        b"#\n" + UNSET,
        ("--before-include", "glance_store.stores=rbd"),
    ),
    Return(
        "nor an empty list",
        b"[a]\nx = 1\n",
        b"",
        b"[DEFAULT]\nk = ssd, rbd\n[a]\nx = 1\n",
        b"",
        b"[a]\nx = 1\n",
        ("--before-include", "DEFAULT.k=rbd,ssd"),
    ),
    Return(
        "nor one of nothing else",
        UNSET,
        b"",
        UNSET + b"stores = rbd\n",
        b"",
        UNSET,
        ("--before-include", "glance_store.stores=rbd"),
    ),
    Return(
        "a list that lacks the item is left alone",
        b"[a]\nk = x\n",
        b"",
        b"[a]\nk = x , y\n",
        b"",
        b"[a]\nk = x , y\n",
        ("--before-include", "a.k=rbd"),
    ),
    Return(
        "and so is one that has it and is to have it",
        b"[a]\nk = x\n",
        b"",
        b"[a]\nk = rbd , y\n",
        b"",
        b"[a]\nk = rbd , y\n",
        ("--before-include", "a.k=rbd", "--include", "a.k=rbd"),
    ),
    Return(
        "an item that is included again stays, and its companion goes",
        b"[a]\nk = file\n",
        b"",
        b"[a]\nk = rbd,ssd,file\n",
        b"",
        b"[a]\nk = rbd,file\n",
        ("--before-include", "a.k=rbd,ssd", "--include", "a.k=rbd"),
    ),
    Return(
        "one item takes the place of another in a list of others",
        UNSET,
        b"",
        UNSET + b"stores = rbd,file,http,swift\n",
        b"",
        UNSET + b"stores = s3,file,http,swift\n",
        ("--before-include", "glance_store.stores=rbd", "--include", "glance_store.stores=s3"),
    ),
    Return(
        "a list of the earlier patch that items were included in",
        b"[a]\nk = 1\n",
        b"[a]\nk = x\n",
        b"#\n[a]\nk = rbd,x\n",
        b"",
        b"#\n[a]\nk = 1\n",
        ("--before-include", "a.k=rbd"),
    ),
    Return(
        "a list that is included in now is not taken back",
        b"[a]\nk = 1\n",
        b"[a]\nk = x\n",
        b"[a]\nk = x\n",
        b"",
        b"[a]\nk = rbd,x\n",
        ("--include", "a.k=rbd"),
    ),
    Return(
        "a list of the patch's own is the patch's",
        b"",
        b"",
        b"[a]\nk = rbd\n",
        b"[a]\nk = rbd\n",
        b"[a]\nk = rbd\n",
        ("--before-include", "a.k=rbd"),
    ),
    Return(
        "a list that somebody removed stays so",
        b"[a]\nk = x\n",
        b"",
        b"[a]\n",
        b"",
        b"[a]\n",
        ("--before-include", "a.k=rbd"),
    ),
    Return(
        "ceph.conf, with its blanks, comments and joined lines",
        b"[client]\nrbd  cache = tr\\\nue # why\nx = 1\n",
        b"[client]\nrbd_cache = false\n[client.a] # ours\nkeyring = /k\n",
        b"#\n[client]\nrbd cache = false ; ours\nx = 1\n\n[client.a] # ours\nkeyring = /k\n",
        b"",
        b"#\n[client]\nrbd  cache = tr\\\nue # why\nx = 1\n",
        ("--grammar", "ceph"),
    ),
    Return(
        "a last comment of ceph.conf without a newline",
        b"[global]\nx = 1\n# end",
        b"[client]\ny = 1\n",
        b"[global]\nx = 1\n# end\n\n[client]\ny = 1\n",
        b"",
        b"[global]\nx = 1\n# end",
        ("--grammar", "ceph"),
    ),
]


@pytest.mark.parametrize("case", RETURNS, ids=lambda case: case.name)
def test_return(case: Return, folder: Path) -> None:
    path, wish, before, pristine = (folder / name for name in ("t", "p", "before", "pristine"))
    contents = {path: case.target, wish: case.patch, before: case.before, pristine: case.pristine}
    for file, content in contents.items():
        if content is not None:
            file.write_bytes(content)
    arguments: tuple[str | Path, ...] = (*case.arguments, path, wish)
    arguments = ("--before", before, "--pristine", pristine, *arguments)
    untouched = state(path)
    changes = case.result != case.target

    assert ini_patch("--check", *arguments).returncode == (DIFFERS if changes else DONE)
    assert state(path) == untouched
    run = ini_patch(*arguments)
    assert (run.returncode, run.stdout, run.stderr) == (DONE, b"", b"")
    assert path.read_bytes() == case.result
    settled = state(path)
    assert changes or settled == untouched
    assert ini_patch(*arguments).returncode == DONE
    assert state(path) == settled


def test_a_file_that_was_none_can_be_named_so(folder: Path) -> None:
    target, patch, before = folder / "t", folder / "p", folder / "b"
    before.write_bytes(b"[a]\nk = 1\n")
    patch.write_bytes(b"# nothing\n")
    for pristine in (Path("/dev/null"), folder / "none"):
        target.write_bytes(b"[a]\nk = 1\n\n[b]\nx = 1\n")
        run = ini_patch("--before", before, "--pristine", pristine, target, patch)
        assert (run.returncode, target.read_bytes()) == (DONE, b"\n[b]\nx = 1\n")


@pytest.mark.parametrize("option", ["--before", "--pristine"])
def test_what_is_taken_back_by_must_be_readable(option: str, folder: Path) -> None:
    target, patch, bad, link = folder / "t", folder / "p", folder / "bad", folder / "link"
    target.write_bytes(b"[a]\nk = 1\n")
    patch.write_bytes(b"")
    bad.write_bytes(b"[a]\nk\n")
    link.symlink_to("nowhere")
    other = {"--before": "--pristine", "--pristine": "--before"}[option]
    before = state(target)
    for file, status, cause in (
        (bad, BAD_FILE, f"{bad}:2: "),
        (link, NO_FILE, f"ini-patch: {link}"),
    ):
        run = ini_patch(option, file, other, patch, target, patch)
        assert (run.returncode, run.stdout) == (status, b"")
        assert run.stderr.decode().startswith(cause)
        assert state(target) == before


# --------------------------------------------------------------------- what cannot be parsed at all


@pytest.mark.parametrize(
    ("bad", "line", "cause"),
    [
        (b"k = 1\n", 1, "before the first section header"),
        (b"[a]\nk\n", 2, "neither a section, a comment nor key = value"),
        (b"[a]\n= 1\n", 2, "a value without a key"),
        (b"[a]\n  k = 1\n", 2, "an indented line that continues no value"),
        (b"[a]\nk = 1,\n\n  2\n", 4, "an indented line that continues no value"),
        (b"[a]\nk = 1,\n# 2\n  3\n", 4, "an indented line that continues no value"),
        (b"[a]\n[libvirt] # note\n", 2, "does not end with ]"),
        (b"[]\n", 1, "a section header without a name"),
        (b"\xef\xbb\xbf[a]\nk = 1\n", 1, "byte order mark"),
        (b"[a]\n# caf\xe9\n", 2, "not UTF-8"),
        (b"[a]\nk = \xed\xa0\x80\n", 2, "not UTF-8"),
        (b"[a]\nk = \xc0\xaf\n", 2, "not UTF-8"),
        (b"[a]\nk = \xf4\x90\x80\x80\n", 2, "not UTF-8"),
        (b"[a]\n\nk = x\0y\n", 3, "NUL"),
    ],
)
def test_refused(bad: bytes, line: int, cause: str, folder: Path) -> None:
    path, fine = folder / "bad.conf", folder / "fine.conf"
    path.write_bytes(bad)
    fine.write_bytes(b"[a]\nk = 2\n")
    assert (oracle(path) is None) is (b"\0" not in bad)  # NUL: a shell cannot keep it
    for arguments in (
        (path, fine),
        (fine, path),
        ("--check", path, fine),
        ("--stdout", fine, path),
    ):
        before = state(path), state(fine)
        run = ini_patch(*arguments)
        assert run.returncode == BAD_FILE
        assert run.stdout == b""
        assert run.stderr.decode().startswith(f"{path}:{line}: ")
        assert cause in run.stderr.decode()
        assert (state(path), state(fine)) == before


def test_a_refused_line_is_not_shown(folder: Path) -> None:
    (folder / "t").write_bytes(b"[a]\nsecret_without_sign\n")
    (folder / "p").write_bytes(b"[a]\nk = 2\n")
    assert b"secret" not in ini_patch(folder / "t", folder / "p").stderr


# ------------------------------------------------------------------------------------- properties

SECTIONS = st.sampled_from(["DEFAULT", "default", "libvirt", "LibVirt", "a b", "a]b", " libvirt "])
KEYS = st.sampled_from(
    ["k", "K", "stores", "x y", "%k", "$(k)", "k]", "@", "*", "k[0]", "'k", "né"]
)
CHARACTERS = st.sampled_from(
    [*"ab =:,;#%$\"'\\`*?[](){}~!&|<>/-\t\x01\x0b\x0c\x1c\x7f\x85\xa0é\u2028水𝄞"]
)
VALUES = st.one_of(
    st.sampled_from(["", "1", '"1"', "'1'", '"', "$(id)", "rbd,file", " 1 ", "x" * 5000]),
    st.text(CHARACTERS, max_size=8),
)
SIGNS = st.sampled_from([" = ", "=", ":", " : ", "= ", "\t=\t", " =\xa0"])
ASSIGNMENTS = st.tuples(KEYS, SIGNS, VALUES).map("".join)
HEADERS = SECTIONS.map("[{}]".format)
CONTINUATIONS = st.tuples(st.sampled_from([" ", "\t", "    "]), VALUES).map("".join)
COMMENTS = st.tuples(st.sampled_from(["#", "# ", ";", "# about "]), ASSIGNMENTS).map("".join)
BLANKS = st.sampled_from(["", "", " ", "\t ", "\x0c"])
NONSENSE = st.one_of(
    st.text(CHARACTERS, max_size=6), st.sampled_from(["[a", "[]", "= 1", "k", "[a] # b", "\ufeff"])
)
ENDS = st.sampled_from(["\n", "\r\n"])
PLAIN = st.one_of(ASSIGNMENTS, ASSIGNMENTS, ASSIGNMENTS, HEADERS, COMMENTS, BLANKS)
LINES = st.one_of(PLAIN, PLAIN, PLAIN, CONTINUATIONS, NONSENSE)


@st.composite
def files(draw: st.DrawFn, line: st.SearchStrategy[str]) -> bytes:
    """An INI file: mostly one that can be loaded; its last line need not have an end."""
    end = draw(st.sampled_from([st.just("\n"), ENDS, st.just("\r\n"), st.just("\r")]))
    body = [draw(HEADERS), *draw(st.lists(line, max_size=14))]
    ends = [*(draw(end) for _ in body[1:]), draw(st.one_of(end, st.just("")))]
    return "".join(map("".join, zip(body, ends, strict=True))).encode()


PROPERTY = settings(
    max_examples=int(os.environ.get("CEPHOS_TEST_EXAMPLES", "40")),
    deadline=None,
    derandomize="CEPHOS_TEST_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    database=None,
)


# For properties of several runs each.
FEWER = settings(PROPERTY, max_examples=max(1, PROPERTY.max_examples // 5))


@PROPERTY
@given(target=files(LINES), patch=files(PLAIN))
@example(target=b"[a]\nk = 1\n", patch=b"[a]\nk = 1\n\n")
def test_oslo_config_reads_what_the_patch_asks_and_all_else_as_before(
    folder: Path, target: bytes, patch: bytes
) -> None:
    path, wish, after = folder / "target.conf", folder / "patch.conf", folder / "after.conf"
    path.write_bytes(target)
    wish.write_bytes(patch)
    run = ini_patch("--stdout", path, wish)
    assert path.read_bytes() == target

    if oracle(path) is None or oracle(wish) is None:
        assert run.returncode == BAD_FILE
        return
    assert (run.returncode, run.stderr) == (DONE, b"")
    after.write_bytes(run.stdout)
    assert_merged(path, wish, after)
    assert ini_patch("--check", after, wish).returncode == DONE


@PROPERTY
@given(st.lists(st.binary(max_size=4), max_size=6))
def test_bytes_that_are_not_utf8_are_refused_and_no_others(
    folder: Path, parts: list[bytes]
) -> None:
    target, patch = folder / "target.conf", folder / "patch.conf"
    target.write_bytes(b"# " + b"\xe2\x80".join(parts).replace(b"\0", b"") + b"\n")
    patch.write_bytes(b"")
    refused = ini_patch("--check", target, patch).returncode == BAD_FILE
    assert refused == (oracle(target) is None)


@FEWER
@given(target=files(PLAIN), patch=files(PLAIN), more=files(PLAIN))
def test_what_is_merged_and_taken_back_leaves_no_trace(
    folder: Path, target: bytes, patch: bytes, more: bytes
) -> None:
    path, pristine, before, after = (folder / name for name in ("t", "pristine", "before", "after"))
    for file, content in ((path, target), (pristine, target), (before, patch), (after, b"# none")):
        file.write_bytes(content)
    if oracle(pristine) is None or oracle(before) is None:
        return
    assert ini_patch(path, before).returncode == DONE
    back = ("--before", before, "--pristine", pristine, path, after)
    assert ini_patch("--stdout", *back).stdout == target

    after.write_bytes(more)
    if oracle(after) is None:
        return
    run = ini_patch(*back)
    assert (run.returncode, run.stderr) == (DONE, b"")
    assert_merged(pristine, after, path)
    assert ini_patch("--check", *back).returncode == DONE


@FEWER
@given(target=files(PLAIN), patch=files(PLAIN))
def test_what_others_changed_stays_when_all_else_is_taken_back(
    folder: Path, target: bytes, patch: bytes
) -> None:
    path, pristine, before, empty = (folder / name for name in ("t", "pristine", "before", "empty"))
    for file, content in ((pristine, target), (before, patch), (empty, b"")):
        file.write_bytes(content)
    old, wish = oracle(pristine), oracle(before)
    if old is None or wish is None:
        return
    ends = [line[len(line.rstrip("\r\n")) :] for line in lines_of(pristine)]
    theirs = f"# theirs{ends[0] or chr(10)}".encode()
    path.write_bytes(theirs + ini_patch("--stdout", pristine, before).stdout)
    back = ("--before", before, "--pristine", pristine, path, empty)
    run = ini_patch(*back)
    assert (run.returncode, run.stderr) == (DONE, b"")
    assert Oracle(path).values == old.values
    assert ini_patch("--check", *back).returncode == DONE

    result = path.read_bytes()
    assert result.startswith(theirs)
    result = result.removeprefix(theirs)
    # Nobody can tell any more where the lines of a key had been if they did not stand together, and
    # a line that is written ends as the first one does.
    blocks = [o for at, o in old.owners.items() if o in wish.values and old.owners.get(at - 1) != o]
    if len(blocks) == len(set(blocks)) and len(set(ends)) == 1:
        assert result == target
    else:
        assert sorted(result.split()) == sorted(target.split())


# ------------------------------------------------------------------------------------- ceph.conf

CEPH = [
    Case(
        "blanks in a key are an underscore, in any number",
        b"[global]\n\tmon   host = a\n",
        b"[global]\nmon_host = b\n",
        b"[global]\nmon_host = b\n",
    ),
    Case(
        "but capitals make another key",
        b"[global]\nMon_Host = a\n",
        b"[global]\nmon_host = b\n",
        b"[global]\nMon_Host = a\nmon_host = b\n",
    ),
    Case(
        "a dash is an underscore too",
        b"[global]\nmon-host = a\n",
        b"[global]\nmon_host = b\n",
        b"[global]\nmon_host = b\n",
    ),
    Case(
        "but Ceph ignores a key with a dash, so its value is not what Ceph reads",
        b"[global]\nmon-host = b\n",
        b"[global]\nmon_host = b\n",
        b"[global]\nmon_host = b\n",
    ),
    Case(
        "and what is written has none",
        b"[global]\n",
        b"[global]\nmon-host = b-c\n",
        b"[global]\nmon_host = b-c\n",
    ),
    Case(
        "section names are exact",
        b"[Client]\nx = 1\n[ client ]\nx = 1\n",
        b"[client]\nx = 1\n",
        b"[Client]\nx = 1\n[ client ]\nx = 1\n\n[client]\nx = 1\n",
    ),
    Case(
        "the last value counts and the others go",
        b"[client]\nx = 1\n[osd]\nx = 1\n[client]\nx = 2\n",
        b"[client]\nx = 3\n",
        b"[client]\n[osd]\nx = 1\n[client]\nx = 3\n",
    ),
    Case(
        "if it is right, all stay",
        b"[client]\nx = 1\nx = 2\n",
        b"[client]\nx = 1\nx = 2\n",
        b"[client]\nx = 1\nx = 2\n",
    ),
    Case(
        "of a key that the patch repeats, the last",
        b"[client]\n",
        b"[client]\nlog file = 1\nlog_file = 2\n",
        b"[client]\nlog_file = 2\n",
    ),
    Case(
        "comments after a value are none of it",
        b"[client]\nx = a b # c\ny = 1 ; 2\n",
        b"[client]\nx = a b\ny = 1 2\n",
        b"[client]\nx = a b # c\ny = 1 2\n",
    ),
    Case(
        "an escaped hash is part of it",
        b"[client]\nx = a\\#b\n",
        b'[client]\nx = "a\\#b"\n',
        b"[client]\nx = a\\#b\n",
    ),
    Case(
        "quotes around a value are not read",
        b'[client]\nx = "a b" ; c\ny = \' c \'\nz = a "b"\n',
        b'[client]\nx = a b\ny = c\nz = a "b"\n',
        b'[client]\nx = "a b" ; c\ny = \' c \'\nz = a "b"\n',
    ),
    Case(
        "a backslash joins lines, also those that look like others",
        b"[client]\nx = a\\\n[osd]\\\n y = 1\nz = 1\n",
        b"[client]\nx = 1\ny = 2\n",
        b"[client]\nx = 1\nz = 1\ny = 2\n",
    ),
    Case(
        "what it joins reads as one",
        b"[client]\nx = /a\\\n/b\n",
        b"[client]\nx = /a/b\n",
        b"[client]\nx = /a\\\n/b\n",
    ),
    Case(
        "not in a comment",
        b"[client]\n# x = a \\\ny = 1\n",
        b"[client]\nx = 1\ny = 2\n",
        b"[client]\n# x = a \\\nx = 1\ny = 2\n",
    ),
    Case(
        "a new key stands below its sample",
        b"[client]\n  ; rbd cache = true\n\nx = 1\n",
        b"[client]\nrbd_cache = false\n",
        b"[client]\n  ; rbd cache = true\nrbd_cache = false\n\nx = 1\n",
    ),
    Case(
        "indented, CRLF, comments after headers",
        b"[global] # all\r\n  fsid = a\r\n  mon host = [v2:10.0.0.1:3300/0]\r\n",
        b"[global]\nfsid = b\nmon_host = [v2:10.0.0.1:3300/0]\n[client.images]\nkeyring = /k\n",
        b"[global] # all\r\nfsid = b\r\n  mon host = [v2:10.0.0.1:3300/0]\r\n\r\n"
        b"[client.images]\r\nkeyring = /k\r\n",
    ),
    Case(
        "a last comment without a newline, which Ceph accepts, gets one with what follows it",
        b"[global]\nx = 1\n# end",
        b"[client]\ny = 1\n",
        b"[global]\nx = 1\n# end\n\n[client]\ny = 1\n",
    ),
]


@pytest.mark.parametrize("case", CEPH, ids=lambda case: case.name)
def test_ceph(case: Case, folder: Path) -> None:
    assert merge(folder, case.target, case.patch, "--grammar", "ceph") == case.result


# What ceph-conf 16.2.15 says to each; asked again where there is one.
CEPH_FILES = [
    (b"[global]\nx = a\n", True),
    (b"[global]\nx = a\n\t\n  # c\n;", True),
    (b"[global]\nx = a b [c] = d\n", True),
    (b"[global]\nx =\n", True),
    (b"[global]\nx = it's\n", True),
    (b"[global]\nx = 'a'\\\n\n", True),
    (b"[glo\\\nbal]\nx = a\n", True),
    (b"[global]\nx = a # c \\\ny = 1\n", True),
    (b"[global]\rx = a\r", True),
    (b"[global]\nx = a\n\\\n", True),
    (b"", True),
    (b"# c", True),
    (b"[global]\nx = a", False),
    (b"[global]\nx = a \\\n", False),
    (b"[global]", False),
    (b" [global]\nx = a\n", False),
    (b"[global]\n  [client]\n", False),
    (b" \n[global]\nx = a\n", False),
    (b"[global] x\n", False),
    (b"[global\nx = a\n", False),
    (b"[glo#bal]\nx = a\n", False),
    (b"[]\nx = a\n", False),
    (b"x = a\n[global]\n", False),
    (b"[global]\nx\n", False),
    (b"[global]\nx : a\n", False),
    (b"[global]\n= a\n", False),
    (b"[global]\nx # = a\n", False),
    (b"[global]\n  \\\n x = a\n", False),
    (b'[global]\nx = "a\n', False),
    (b'[global]\nx = "a # b"\n', False),
    (b'[global]\nx = "a" b\n', False),
    (b'[global]\nx = "a \\\n b"\n', False),
    (b"[global]\nx = \xff\n", False),
]


@pytest.mark.parametrize(("content", "fine"), CEPH_FILES, ids=repr)
def test_ceph_refusals(content: bytes, fine: bool, folder: Path) -> None:  # noqa: FBT001
    target, patch = folder / "ceph.conf", folder / "patch.conf"
    target.write_bytes(content)
    patch.write_bytes(b"[osd]\nz = 1\n")
    run = ini_patch("--stdout", target, patch)
    assert run.returncode == (DONE if fine else BAD_FILE)
    assert run.stderr.startswith(b"" if fine else bytes(target) + b":")
    if not fine:
        assert target.read_bytes() == content
        return
    merged = folder / "merged" / "ceph.conf"
    merged.parent.mkdir()
    merged.write_bytes(run.stdout)
    assert ini_patch("--check", merged, patch).returncode == DONE


@pytest.mark.parametrize(
    ("name", "ceph"),
    [
        ("ceph.conf", True),
        ("ceph/east.conf", True),
        ("ceph/east.ini", False),
        ("ceph/more/east.conf", False),
        ("nova/nova.conf", False),
    ],
)
def test_the_grammar_follows_the_path(name: str, ceph: bool, folder: Path) -> None:  # noqa: FBT001
    target = folder / "etc" / name
    target.parent.mkdir(parents=True)
    target.write_bytes(b"[a]\nx y = 1\n")
    patch = folder / "patch.conf"
    patch.write_bytes(b"[a]\nx_y = 1\n")
    assert ini_patch("--check", target, patch).returncode == (DONE if ceph else DIFFERS)
    assert ini_patch("--check", target.name, patch, cwd=target.parent).returncode == (
        DONE if ceph else DIFFERS
    )
    assert ini_patch("--check", "--grammar", "oslo", target, patch).returncode == DIFFERS
    assert ini_patch("--check", "--grammar=ceph", target, patch).returncode == DONE


# --------------------------------------------------------------------------------- the command line


@pytest.fixture
def pair(folder: Path) -> tuple[Path, Path]:
    target, patch = folder / "t.conf", folder / "p.conf"
    target.write_bytes(b"[database]\npassword = s3cret\n[a]\nk = 1\n")
    patch.write_bytes(b"[a]\nk = 2\n")
    return target, patch


def test_diff_shows_what_changes_and_none_of_its_neighbours(pair: tuple[Path, Path]) -> None:
    before = state(pair[0])
    run = ini_patch("--diff", *pair)
    assert run.returncode == DIFFERS
    name = str(pair[0])
    assert run.stdout.decode().splitlines() == [
        f"--- {name}",
        f"+++ {name} (merged)",
        "@@ -4 +4 @@ [a]",
        "-k = 1",
        "+k = 2",
    ]
    assert state(pair[0]) == before
    ini_patch(*pair)
    run = ini_patch("--diff", *pair)
    assert (run.returncode, run.stdout) == (DONE, b"")


@pytest.mark.parametrize("eol", [b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
def test_diff_shows_no_password_of_a_last_line_that_does_not_end(
    pair: tuple[Path, Path], eol: bytes
) -> None:
    pair[0].write_bytes(eol.join([b"[a]", b"l = 1", b"[database]", b"password = s3cret"]))
    run = ini_patch("--diff", *pair)
    assert run.stdout.decode().splitlines()[2:] == ["@@ -2,0 +3 @@ [a]", "+k = 2"]
    pair[1].write_bytes(b"[b]\nk = 2\n")
    run = ini_patch("--diff", *pair)
    added = ["+", "+[b]", "+k = 2"]
    assert run.stdout.decode().splitlines()[2:] == ["@@ -4,0 +5,3 @@ [database]", *added]


def test_diff_and_stdout_show_what_is_taken_back(pair: tuple[Path, Path], folder: Path) -> None:
    pristine, before = folder / "pristine", folder / "before"
    pristine.write_bytes(pair[0].read_bytes().replace(b"k = 1", b"k = 0"))
    before.write_bytes(b"[a]\nk = 1\n")
    pair[1].write_bytes(b"[a]\nl = 2\n")
    untouched = state(pair[0])
    back = ("--before", before, "--pristine", pristine, *pair)
    run = ini_patch("--diff", *back)
    assert run.returncode == DIFFERS
    assert run.stdout.decode().splitlines()[2:] == [
        "@@ -4 +4,2 @@ [a]",
        "-k = 1",
        "+k = 0",
        "+l = 2",
    ]
    run = ini_patch("--stdout", *back)
    assert (run.returncode, run.stdout) == (DONE, pristine.read_bytes() + b"l = 2\n")
    assert state(pair[0]) == untouched


def test_get_prints_what_the_service_reads(folder: Path) -> None:
    target = folder / "t.conf"
    target.write_bytes(b"[DEFAULT]\nk = 0\n[Backend.One]\nk = 1\nk = 'a %(b)s $(c)'\nempty =\n")
    before = state(target)
    for asked, status, value in (
        ("backend.one.k", DONE, b"a %(b)s $(c)\n"),
        ("backend.one.empty", DONE, b"\n"),
        ("backend.one.K", DIFFERS, b""),
        ("default.k", DIFFERS, b""),
    ):
        run = ini_patch("--get", asked, target)
        assert (run.returncode, run.stdout, run.stderr) == (status, value, b"")
    assert ini_patch("--get", "a.k", target, target).returncode == USAGE
    assert ini_patch("--get", "k", target).returncode == USAGE
    assert ini_patch("--get", "a.k", folder / "none").returncode == NO_FILE
    assert state(target) == before


def test_conflicts_names_keys_that_are_set_otherwise_but_no_value(folder: Path) -> None:
    target, patch = folder / "t.conf", folder / "p.conf"
    target.write_bytes(b"[a]\nsame = 1\nother = s3cret\nlist = 1\n[b]\n")
    patch.write_bytes(b"[A]\nsame = 1\nother = 2\nlist = 1\nlist = 2\nnew = 1\n[b]\nnew = 1\n")
    before = state(target)
    run = ini_patch("--conflicts", target, patch)
    assert run.returncode == DIFFERS
    assert run.stdout.decode().splitlines() == [
        f"{target}:3: it sets [a] other otherwise",
        f"{target}:4: it sets [a] list otherwise",
    ]
    assert state(target) == before
    ini_patch(target, patch)
    run = ini_patch("--conflicts", target, patch)
    assert (run.returncode, run.stdout) == (DONE, b"")


def test_create(pair: tuple[Path, Path], folder: Path) -> None:
    new = folder / "new.conf"
    assert ini_patch(new, pair[1]).returncode == NO_FILE
    assert ini_patch("--check", "--create", new, pair[1]).returncode == DIFFERS
    assert b"\n+k = 2\n" in ini_patch("--diff", "--create", new, pair[1]).stdout
    assert not new.exists()
    assert ini_patch("--create", new, pair[1]).returncode == DONE
    assert new.read_bytes() == pair[1].read_bytes()
    assert stat.S_IMODE(new.stat().st_mode) == 0o644
    settled = state(new)
    assert ini_patch("--create", new, pair[1]).returncode == DONE
    assert state(new) == settled
    assert ini_patch("--create", folder / "none" / "new.conf", pair[1]).returncode == CANNOT_CREATE

    new.unlink()
    pair[1].write_bytes(b"# nothing\n")
    assert ini_patch("--check", "--create", new, pair[1]).returncode == DIFFERS
    assert ini_patch("--create", new, pair[1]).returncode == DONE
    assert new.read_bytes() == b""


def test_files_that_cannot_be_read(pair: tuple[Path, Path], folder: Path) -> None:
    for arguments in ((pair[0], folder / "none"), (folder / "none", pair[1]), (folder, pair[1])):
        run = ini_patch(*arguments)
        assert run.returncode == NO_FILE
        assert run.stderr.startswith(b"ini-patch: " + bytes(folder))


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("one",),
        ("one", "two", "three"),
        ("--frob", "one", "two"),
        ("--check", "--diff", "one", "two"),
        ("--grammar", "ini", "one", "two"),
        ("one", "two", "--include"),
        ("one", "two", "--include", "key=rbd"),
        ("one", "two", "--include", "a.=rbd"),
        ("one", "two", "--include", "a.k="),
        ("one", "two", "--include", 'a.k="rbd"'),
        ("one", "two", "--include", "a.k=rbd # x"),
        ("one", "two", "--include", "a.k=rbd\n[b]"),
        ("one", "two", "--pristine"),
        ("one", "two", "--pristine", ""),
        ("one", "two", "--pristine", "one"),
        ("one", "two", "--before", "two"),
        ("one", "two", "--before-include", "a.k=rbd"),
        ("one", "two", "--pristine", "one", "--before-include", "a.k"),
        ("one", "two", "--pristine", "one", "--before-include", "a.k=#"),
        ("--conflicts", "one", "two", "--pristine", "one", "--before", "two"),
        ("--get", "a.k", "one", "--pristine", "one", "--before", "two"),
    ],
)
def test_misuse(arguments: tuple[str, ...], folder: Path) -> None:
    (folder / "one").write_bytes(b"[a]\nk = 1\n")
    (folder / "two").write_bytes(b"")
    run = ini_patch(*arguments, cwd=folder)
    assert (run.returncode, run.stdout) == (USAGE, b"")
    assert run.stderr.startswith(b"ini-patch: ")
    assert (folder / "one").read_bytes() == b"[a]\nk = 1\n"


def test_names_with_odd_characters(folder: Path) -> None:
    target, patch = folder / "-t $(id) 'x\n", folder / "--check"
    target.write_bytes(b"[a]\nk = 1\n")
    patch.write_bytes(b"[a]\nk = 2\n")
    assert ini_patch("--", target.name, patch.name, cwd=folder).returncode == DONE
    assert target.read_bytes() == b"[a]\nk = 2\n"


def test_hostile_content_is_data(folder: Path) -> None:
    keys = ["$(touch pwned)", "`touch pwned`", "a[$(touch pwned)]", "x;touch pwned", "@", "*", "~"]
    body = "".join(f"{key} = {key}\n" for key in keys)
    target = ("[$(touch pwned)]\n" + body).encode()
    patch = ("[$(touch pwned)]\n" + body.replace("\n", " $(touch pwned) \\\n")).encode()
    result = merge(folder, target, patch)
    assert result == patch
    assert not (folder / "pwned").exists()
    assert not Path("pwned").exists()


def test_a_sample_file_of_ten_thousand_lines(folder: Path) -> None:
    lines = ["[DEFAULT]", ""]
    for number in range(2000):
        if number % 50 == 49:
            lines += [f"[section{number}]", "", "#", "# From nova.conf", "#", ""]
        lines += ["# What the option does, at some length, with an x = y", "# in it.", "#"]
        lines += [f"#option_{number} = <None>", ""]
        lines += [f"set_{number} = {number}"] if number % 7 == 0 else []
    target = "\n".join(lines) + "\n" + "long = " + "x," * 50_000 + "\n"
    assert target.count("\n") > 10_000
    asked = "".join(f"option_{number} = rbd\n" for number in range(50, 80))
    result = merge(folder, target.encode(), f"[section49]\n{asked}".encode()).decode().splitlines()
    for number in range(50, 80):
        assert result[result.index(f"#option_{number} = <None>") + 1] == f"option_{number} = rbd"
    assert len(result) == target.count("\n") + 30


# ------------------------------------------------------------------------------------ replace_file


def replace_file(
    *arguments: str | Path, content: bytes = b"new\n", cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Calls it as a script does that checks its status, so without `set -e` to help."""
    script = 'set -u; source "$1"; shift; if replace_file "$@"; then exit 0; else exit $?; fi'
    return subprocess.run(
        [BASH, "-c", script, "-", LIB / "files.sh", *arguments],
        input=content,
        capture_output=True,
        check=False,
        cwd=cwd,
        timeout=60,
    )


@pytest.fixture
def root() -> None:
    if os.geteuid() != 0:
        leave_out("it needs root: it mounts, changes owners and makes files immutable")


@pytest.fixture
def disk(root: None, folder: Path) -> Iterator[Path]:  # noqa: ARG001 - root comes first
    """A small filesystem of its own, as a full or read-only disk."""
    mountpoint = folder / "disk"
    mountpoint.mkdir()
    options = "size=64k,noexec,mode=0755"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", mountpoint], check=True)
    try:
        yield mountpoint
    finally:
        subprocess.run(["umount", mountpoint], check=True)


def assert_old_and_alone(target: Path, content: bytes) -> None:
    assert target.read_bytes() == content
    assert [p.name for p in target.parent.iterdir()] == [target.name]


@pytest.mark.usefixtures("root")
def test_an_existing_file_keeps_all_but_its_content(folder: Path) -> None:
    target = folder / "f"
    target.write_bytes(b"old\n")
    os.chown(target, 1, 2)
    target.chmod(0o4750)
    access = [(0x01, 6, -1), (0x02, 4, 1234), (0x04, 4, -1), (0x10, 5, -1), (0x20, 0, -1)]
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in access)
    try:
        os.setxattr(target, "user.note", b"kept")
        os.setxattr(target, "system.posix_acl_access", acl)
    except OSError as error:
        pytest.fail(f"the temporary folder has no extended attributes: {error}")
    before = target.stat()

    assert replace_file(target).returncode == DONE
    after = target.stat()
    assert target.read_bytes() == b"new\n"
    assert (after.st_uid, after.st_gid, after.st_mode) == (1, 2, before.st_mode)
    assert os.getxattr(target, "user.note") == b"kept"
    assert os.getxattr(target, "system.posix_acl_access") == acl
    assert after.st_mtime_ns > before.st_mtime_ns

    assert replace_file("--mode", "0600", "--owner", "3:4", target).returncode == DONE
    after = target.stat()
    assert (after.st_uid, after.st_gid, stat.S_IMODE(after.st_mode)) == (3, 4, 0o600)


def test_a_new_file(folder: Path) -> None:
    assert replace_file(folder / "a").returncode == DONE
    assert stat.S_IMODE((folder / "a").stat().st_mode) == 0o600
    assert replace_file("--mode", "0640", "b", cwd=folder).returncode == DONE
    assert stat.S_IMODE((folder / "b").stat().st_mode) == 0o640
    assert (folder / "b").read_bytes() == b"new\n"
    assert replace_file("-c", content=b"", cwd=folder).returncode == DONE
    assert sorted(p.name for p in folder.iterdir()) == ["-c", "a", "b"]


@pytest.mark.usefixtures("root")
def test_content_that_was_not_read_yet_is_nobody_elses(folder: Path) -> None:
    """Owner and mode are right while the content is still on its way."""
    target = folder / "keyring"
    script = 'source "$1"; replace_file --mode 0640 --owner 1:2 "$2"'
    with subprocess.Popen(
        [BASH, "-c", script, "-", LIB / "files.sh", target], stdin=subprocess.PIPE
    ) as run:
        assert run.stdin is not None
        run.stdin.write(b"half a k")
        run.stdin.flush()
        staged = folder / ".keyring.cephos-new"
        deadline = time.monotonic() + 30
        while not (staged.exists() and staged.stat().st_size):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        status = staged.stat()
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (1, 2, 0o640)
        assert not target.exists()
        run.stdin.write(b"ey\n")
        run.stdin.close()
    assert_old_and_alone(target, b"half a key\n")


def test_links(folder: Path) -> None:
    real, link, broken = folder / "real" / "f", folder / "link", folder / "broken"
    real.parent.mkdir()
    real.write_bytes(b"old\n")
    link.symlink_to("real/f")
    broken.symlink_to("nowhere")
    assert replace_file(link).returncode == DONE
    assert (link.readlink(), real.read_bytes()) == (Path("real/f"), b"new\n")
    run = replace_file(broken)
    assert run.returncode == CANNOT_CREATE
    assert b"symbolic link to nothing" in run.stderr
    assert not (folder / "nowhere").exists()


def test_what_a_killed_run_left_is_cleared_and_a_planted_link_is_not_followed(folder: Path) -> None:
    target, staged, victim = folder / "f", folder / ".f.cephos-new", folder / "victim"
    for plant in (lambda: staged.write_bytes(b"half"), lambda: staged.symlink_to(victim)):
        victim.write_bytes(b"victim\n")
        plant()
        assert replace_file(target).returncode == DONE
        assert (target.read_bytes(), victim.read_bytes()) == (b"new\n", b"victim\n")
        assert not target.is_symlink()
        assert not staged.is_symlink()
        assert not staged.exists()


@pytest.mark.parametrize(
    "arguments", [(), ("",), ("a", "b"), ("--mode", "0600"), ("--frob", "x", "a"), ("--size",)]
)
def test_misused(arguments: tuple[str, ...], folder: Path) -> None:
    assert replace_file(*arguments, cwd=folder).returncode == USAGE
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("arguments", "status", "cause"),
    [
        (("--size", "5", "f"), CANNOT_WRITE, "not the 5 bytes"),
        (("--owner", "no-such-user:", "f"), CANNOT_CREATE, "no-such-user"),
        (("--mode", "rw", "f"), CANNOT_CREATE, "rw"),
        (("none/f",), CANNOT_CREATE, "does not exist"),
        ((".",), CANNOT_CREATE, "not a regular file"),
        (("/dev/null",), CANNOT_CREATE, "not a regular file"),
    ],
)
def test_failures(arguments: tuple[str, ...], status: int, cause: str, folder: Path) -> None:
    target = folder / "f"
    target.write_bytes(b"old\n")
    run = replace_file(*arguments, cwd=folder)
    assert run.returncode == status
    assert run.stderr.decode().startswith(f"replace_file: {arguments[-1]}: not replaced: ")
    assert cause in run.stderr.decode()
    assert run.stderr.count(b"\n") == 1
    assert_old_and_alone(target, b"old\n")


@pytest.mark.usefixtures("root")
def test_an_immutable_file(folder: Path) -> None:
    target = folder / "f"
    target.write_bytes(b"[a]\nk = 1\n")
    if subprocess.run(["chattr", "+i", target], check=False, capture_output=True).returncode:
        leave_out("the file system of the temporary folder knows no immutable files")
    try:
        run = replace_file(target)
        assert run.returncode == CANNOT_WRITE
        assert b"Operation not permitted" in run.stderr
        assert_old_and_alone(target, b"[a]\nk = 1\n")
    finally:
        subprocess.run(["chattr", "-i", target], check=True)


def test_a_full_disk(disk: Path, folder: Path) -> None:
    target, patch = disk / "f", folder / "patch"
    target.write_bytes(b"[a]\nk = 1\n")
    run = replace_file(target, content=bytes(200_000))
    assert run.returncode == CANNOT_WRITE
    assert b"No space left on device" in run.stderr
    assert_old_and_alone(target, b"[a]\nk = 1\n")

    patch.write_bytes(b"[a]\nk = " + b"x" * 200_000 + b"\n")
    run = ini_patch(target, patch)
    assert run.returncode == CANNOT_WRITE
    assert b"No space left on device" in run.stderr
    assert_old_and_alone(target, b"[a]\nk = 1\n")


def test_a_read_only_disk(disk: Path, folder: Path) -> None:
    target, patch = disk / "f", folder / "patch"
    target.write_bytes(b"[a]\nk = 1\n")
    patch.write_bytes(b"[a]\nk = 2\n")
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    assert ini_patch("--check", target, patch).returncode == DIFFERS
    for run in (ini_patch(target, patch), replace_file(target), replace_file(disk / "new")):
        assert run.returncode == CANNOT_CREATE
        assert b"Read-only file system" in run.stderr
    assert_old_and_alone(target, b"[a]\nk = 1\n")


def test_it_runs_from_media_mounted_noexec(disk: Path, folder: Path) -> None:
    shutil.copy(INI_PATCH, disk)
    shutil.copy(LIB / "files.sh", disk)
    target, patch = folder / "f", folder / "patch"
    target.write_bytes(b"[a]\nk = 1\n")
    patch.write_bytes(b"[a]\nk = 2\n")
    for name, cwd in ((disk / "ini-patch", None), ("ini-patch", disk)):
        target.write_bytes(b"[a]\nk = 1\n")
        subprocess.run([BASH, name, target, patch], check=True, cwd=cwd)
        assert target.read_bytes() == b"[a]\nk = 2\n"


def test_a_run_that_is_killed_leaves_the_old_file_or_the_new_one(folder: Path) -> None:
    target, patch = folder / "t.conf", folder / "p.conf"
    old = b"[a]\nk = 1\n" + b"# filler\n" * 2000
    new = old.replace(b"k = 1", b"k = 2")
    patch.write_bytes(b"[a]\nk = 2\n")
    target.write_bytes(old)
    start = time.monotonic()
    assert ini_patch(target, patch).returncode == DONE
    took = time.monotonic() - start

    for part in range(12):
        target.write_bytes(old)
        with subprocess.Popen([BASH, INI_PATCH, target, patch], start_new_session=True) as run:
            with contextlib.suppress(subprocess.TimeoutExpired):
                run.wait(took * part / 11)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
        assert target.read_bytes() in (old, new)
    assert ini_patch(target, patch).returncode == DONE
    assert target.read_bytes() == new
    assert sorted(folder.iterdir()) == [patch, target]


def test_several_at_once_leave_one_whole_file(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    target, source = folder / "f", tmp_path_factory.mktemp("source")
    script = 'source "$1"; replace_file --size 100000 "$2" < "$3"'
    runs = []
    for letter in b"abcd":
        content = source / chr(letter)
        content.write_bytes(bytes([letter]) * 100_000)
        runs.append(subprocess.Popen([BASH, "-c", script, "-", LIB / "files.sh", target, content]))
    assert [run.wait(60) for run in runs] == [DONE] * 4
    assert_old_and_alone(target, target.read_bytes())
    assert target.read_bytes() in [content.read_bytes() for content in source.iterdir()]
