"""What whole sites compile to: every file in review, as in a change request.

`CEPHOS_UPDATE=1 pytest tests/test_golden.py` rewrites `tests/cases/*/expected`, and what says that
the runtime was found clean; read the difference before committing it. The runtime, checksums and
manifest are not kept there, but proven here; the review page in test_review.py.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cephos import lint
from cephos.diagnostics import Report, Source
from cephos.load import load, read
from cephos.render import runtime
from cephos.tree import Bundles, File, Tree
from compiling import PROGRAM, ROOT, SITE, contents, run, told

CASES = sorted(path.parent for path in Path(__file__).parent.glob("cases/*/site.yaml"))
UPDATE = bool(os.environ.get("CEPHOS_UPDATE"))
WARNINGS = {
    "one-user": [
        (
            "site.yaml:23:29: warning[W305]: client 'openstack.site_1' is shared by"
            " glance, cinder, cinder-backup and nova"
        ),
    ],
    "shared-client": [
        "site.yaml:18:16: warning[W304]: pool 'guests' is shared by cinder and nova",
        "site.yaml:18:32: warning[W305]: client 'openstack' is shared by cinder and nova",
    ],
}


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.param
    return folder


@pytest.fixture(scope="module")
def out(case: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(case.name)
    ran = run(folder, "site.yaml", "-o", "out", site=(case / "site.yaml").read_text())
    assert ran.status == 0, ran.stderr
    assert ran.heads() == WARNINGS.get(case.name, [])
    return folder / "out"


def reviewed(out: Path) -> dict[str, tuple[bytes, int]]:
    """Return the files of a tree that a change of the site changes in ways worth reading."""
    derived = ("SHA256SUMS", "manifest.json", "review.html")
    return {
        path: content
        for path, content in contents(out).items()
        if not path.endswith(derived) and in_bundle(path) not in runtime()
    }


def in_bundle(path: str) -> str:
    """Return a file's path in its bundle, '' for files of the site."""
    return path.split("/", 2)[2] if path.startswith("hosts/") else ""


def bundles(out: Path) -> list[Path]:
    return sorted((out / "hosts").iterdir())


def test_is_what_was_reviewed(case: Path, out: Path) -> None:
    expected = case / "expected"
    if UPDATE:
        shutil.rmtree(expected, ignore_errors=True)
        for path, (data, mode) in reviewed(out).items():
            place = expected / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
            place.chmod(mode)
    there, made = contents(expected), reviewed(out)
    assert sorted(made) == sorted(there)
    for path, (data, mode) in made.items():
        assert data.decode() == there[path][0].decode(), path
        # what a checkout keeps of a mode
        assert bool(mode & 0o100) == bool(there[path][1] & 0o100), path


def test_checksums_cover_every_file(out: Path) -> None:
    for folder in (out, *bundles(out)):
        done = subprocess.run(
            ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        listed = [line[66:] for line in (folder / "SHA256SUMS").read_text().splitlines()]
        assert listed == sorted(set(contents(folder)) - {"SHA256SUMS"})


def test_manifest_lists_every_file_with_its_origin(case: Path, out: Path) -> None:
    manifest = json.loads((out / "manifest.json").read_bytes())
    source = read(str(case / "site.yaml"))
    assert manifest["site_sha256"] == hashlib.sha256((case / "site.yaml").read_bytes()).hexdigest()
    assert re.fullmatch(r"cephos-compile \d+\.\d+\.\d+", manifest["compiler"])
    files = contents(out)
    entries = told(out)
    assert sorted(entries) == sorted(set(files) - {"SHA256SUMS", "manifest.json"})
    document = load(source, Report())
    assert document
    assert manifest["site"] == document.data["site"]
    for path, entry in entries.items():
        data, mode = files[path]
        assert entry["sha256"] == hashlib.sha256(data).hexdigest()
        assert entry["mode"] == f"{mode:04o}"
        assert stands(document.data, entry["source"]), entry["source"]


def stands(value: Any, source: str) -> bool:
    """Tell whether a dotted path leads somewhere; keys, such as host names, may hold dots."""
    if not source:
        return True
    keys = value if isinstance(value, dict) else {}
    return any(
        (source == key or source.startswith(f"{key}."))
        and stands(keys[key], source[len(key) + 1 :])
        for key in keys
    )


def test_runtime_is_the_same_in_every_bundle(out: Path) -> None:
    for bundle in bundles(out):
        for path, data in runtime().items():
            assert (bundle / path).read_bytes() == data
            assert bool((bundle / path).stat().st_mode & 0o111) == data.startswith(b"#!")


def test_bundles_of_one_entry_differ_in_their_name_alone(out: Path) -> None:
    entries = told(out)
    nameless: dict[str, dict[str, tuple[bytes, int]]] = {}
    for bundle in bundles(out):
        entry = entries[f"hosts/{bundle.name}/host.env"]["source"]
        files = contents(bundle)
        del files["host.env"], files["SHA256SUMS"]
        assert nameless.setdefault(entry, files) == files
        site = json.loads((out / "manifest.json").read_bytes())["site"]
        assert (bundle / "host.env").read_text().splitlines()[1:] == [
            f"site={site}",
            f"host={bundle.name}",
        ]


@functools.cache
def listed(apply: Path) -> str:
    return subprocess.run(
        ["bash", str(apply), "--list"], capture_output=True, text=True, check=True
    ).stdout


def test_apply_lists_every_step(out: Path) -> None:
    for bundle in bundles(out):
        steps = [line for line in listed(bundle / "apply").splitlines() if line[0] != " "]
        assert steps == [path.stem for path in sorted((bundle / "steps").iterdir())]


def test_the_runbook_says_how_many_lines_each_host_prints(out: Path) -> None:
    runbook = (out / "RUNBOOK.md").read_text()
    said = dict(re.findall(r"(?m)^- \[ \] `(\S+)`: `verify: (\d+) ok`$", runbook))
    for bundle in bundles(out):
        lines = [line for line in listed(bundle / "apply").splitlines() if line[0] == " "]
        # one more says who signed the bundle
        signed = (bundle / "files/allowed_signers").exists()
        assert int(said.pop(bundle.name)) == len(lines) + signed
    assert not said


def test_the_committed_out_is_what_the_example_compiles_to() -> None:
    ran = run(ROOT, "examples/lon1.yaml", "-o", "out/", "--diff")
    assert (ran.status, ran.stdout, ran.stderr) == (0, "", "")


def test_what_bundles_carry_as_it_is_was_found_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ships as proof says no more than shellcheck, asked about the same bytes here and now."""
    shellcheck = PROGRAM.with_name("shellcheck")
    said = subprocess.run([shellcheck, "--version"], capture_output=True, text=True, check=True)
    assert f"version: {lint.RELEASE}\n" in said.stdout
    templates = ROOT / "templates"
    tools = {f"tools/{path.name}": path.read_bytes() for path in (templates / "tools").iterdir()}
    carried = sorted({**runtime(), **tools}.items())
    scripts = {path: data for path, data in carried if b"bash" in data.partition(b"\n")[0]}
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(lint, "_proven", frozenset)
    report = Report()
    document = load(Source("site.yaml", SITE), report)
    assert document
    bundles = Bundles({path: File(data, "site") for path, data in scripts.items()}, {}, {"os1": ""})
    lint.lint(Tree({}, {}, (bundles,)), document, report)
    assert not report
    lines = [f"{lint.key(lint.RELEASE, path, data)}  {path}\n" for path, data in scripts.items()]
    proof = ROOT / "compiler/cephos/data/linted.sha256"
    if UPDATE:
        proof.write_text("".join(lines))
    assert proof.read_text().splitlines(keepends=True) == lines
