"""Cost follows what is distinct, not hosts; and what is not done again is not taken on trust."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from jinja2 import Template

from cephos import cache, cli, evidence, lint, manifest, parallel, render, schema_check, tree
from cephos.tree import HOST, Bundles, File, Tree, blank, looked_at
from cephos.write import Change, Out
from compiling import OTHER, PROGRAM, SITE, compiled, contents, edited, run
from rig.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path


WHILE = 60
"""Seconds that are enough for anything here, however busy the machine is."""


def counted(patch: pytest.MonkeyPatch, owner: object, name: str) -> list[str]:
    """Let calls of a function be noted in the list that is returned."""
    calls: list[str] = []
    function = getattr(owner, name)

    def noting(*arguments: object, **named: object) -> object:
        calls.append(name)
        return function(*arguments, **named)

    patch.setattr(owner, name, noting)
    return calls


def one_by_one(hosts: int) -> str:
    lines = [f"  compute{number:04}: {{roles: [nova-compute]}}" for number in range(1, hosts + 1)]
    return edited(("  compute[01-02]: {roles: [nova-compute]}", "\n".join(lines)))


def test_ten_times_the_hosts_are_checked_and_rendered_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The schema, the templates and the linter see what hosts have in common once."""
    counts = []
    for hosts in (10, 100):
        with monkeypatch.context() as patch:
            patch.setattr(os, "sched_getaffinity", lambda _process: {0})  # all is done here
            calls = [
                counted(patch, schema_check._validator(), "descend"),  # noqa: SLF001  # what costs
                counted(patch, Template, "render"),
                counted(patch, lint, "_problem"),
                counted(patch, lint, "key"),
            ]
            ran = run(tmp_path, "site.yaml", "--check", site=one_by_one(hosts))
        assert (ran.status, ran.stderr.split()[1]) == (0, str(hosts + 2))
        assert all(calls)
        counts.append([len(each) for each in calls])
    assert counts[0] == counts[1]


COUNTING = """
import sys
import cephos.templates
from cephos import cache, cli
from jinja2 import Environment

_, sys.dont_write_bytecode, compiler, cephos.templates.__spec__.cached = sys.argv
compiled, generate = [], Environment._generate
Environment._generate = lambda *given, **more: compiled.append(1) or generate(*given, **more)
cache.compiler = lambda: compiler
assert cli.main(["site.yaml", "--check"]) == 0
print(len(compiled))
"""


def test_templates_are_compiled_once_by_each_compiler(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(SITE)
    (tmp_path / "kept").mkdir()

    def compiled_by(compiler: str, *, where: str = "kept/__init__.pyc", forget: str = "") -> int:
        command = [sys.executable, "-c", COUNTING, forget, compiler, where]
        done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        return int(done.stdout)

    every = compiled_by("one", forget="yes")
    assert every > 5
    assert [compiled_by(each) for each in ("one", "one", "two")] == [every, 0, every]
    assert compiled_by("two", where="site.yaml/__init__.pyc") == every


KEEPING = """
import sys
import cephos.templates
from cephos import cli

_, kept, *sites = sys.argv
cephos.templates.__spec__.cached = kept
sys.dont_write_bytecode = False
for site in sites:
    assert cli.main([f"{site}.yaml", "-o", site]) == 0
"""


@pytest.mark.parametrize("order", [("made", "asked"), ("asked", "made")])
def test_a_template_is_kept_for_what_includes_it(tmp_path: Path, order: tuple[str, str]) -> None:
    """Shell is quoted, Markdown is not: what pools are made with stands in both."""
    (tmp_path / "made.yaml").write_text(SITE)
    (tmp_path / "asked.yaml").write_text(
        edited(
            ("    release: squid", "    release: squid\n    keys: delivered"),
            ("  ceph1: {roles: [ceph-admin]}\n", ""),
        )
    )
    written = []
    for kept in (["together"] * 2, ["apart1", "apart2"]):
        for site, name in zip(order, kept, strict=True):
            (tmp_path / name).mkdir(exist_ok=True)
            command = [sys.executable, "-c", KEEPING, f"{name}/__init__.pyc", site]
            subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        written.append([contents(tmp_path / site) for site in order])
        for site in order:
            shutil.rmtree(tmp_path / site)
    assert written[0] == written[1]


def reads(folder: Path, out: str) -> list[str]:
    """Compile; return the files of bundles that were opened for that."""
    opened: list[str] = []
    watching = True

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event == "open" and f"{out}/hosts/" in str(arguments[0]):
            opened.append(str(arguments[0]).partition("hosts/")[2])

    sys.addaudithook(hook)
    assert run(folder, "site.yaml", "-o", out).status == 0
    watching = False
    return opened


@pytest.fixture
def settled(tmp_path: Path) -> Path:
    """Compile: when a run ends, all that it wrote is known by its looks."""
    return compiled(tmp_path)


def test_what_looks_as_it_did_is_not_read_again(tmp_path: Path, settled: Path) -> None:
    assert settled.is_dir()
    assert reads(tmp_path, "out") == []


def test_of_a_bundle_that_nobody_touched_nothing_is_read(tmp_path: Path, settled: Path) -> None:
    """What it held is told by the manifest, so the files that change are known without a look."""
    before = contents(settled / "hosts")
    (tmp_path / "site.yaml").write_text(SITE.replace("192.168.8.11", "192.168.8.21"))
    opened = {
        path.replace("/.", "/").removesuffix(".cephos-new") for path in reads(tmp_path, "out")
    }
    after = contents(settled / "hosts")
    changed = {path for path in after if after[path] != before.get(path)}
    assert "os1/files/ceph.conf" in changed
    # a signature would have to go
    assert opened == changed | {f"{path.split('/')[0]}/SHA256SUMS.sig" for path in changed}


def test_without_the_cache_everything_is_read(
    tmp_path: Path, settled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = len([*contents(settled / "hosts")])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "nothing"))
    monkeypatch.setattr(lint, "_shellcheck", lambda _scripts: iter(()))
    assert len(reads(tmp_path, "out")) == files
    # what cannot be written is done without
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(reads(tmp_path, "out")) == files
    assert len(reads(tmp_path, "out")) == files


def test_what_stands_is_not_compiled_again(
    tmp_path: Path, settled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = counted(monkeypatch, render, "render")
    before = contents(settled)
    said = f"cephos-compile: 4 hosts, {len(before)} files in out: nothing to change\n"
    assert run(tmp_path, "site.yaml", "-o", "out").stderr == said
    assert run(tmp_path, "site.yaml", "-o", "out", "--format", "json").status == 0
    assert not calls
    # another description, another compiler, or a question that only a tree can answer
    run(tmp_path, "site.yaml", "-o", "out", site=f"{SITE}\n")
    compiled(tmp_path)
    assert len(calls) == 2
    with monkeypatch.context() as patch:
        patch.setattr(cache, "compiler", lambda: "another")
        assert run(tmp_path, "site.yaml", "-o", "out").stderr == said
    assert contents(settled) == before
    for option in ("--diff", "--plan", "--host=os1"):
        assert run(tmp_path, "site.yaml", "-o", "out", option).status == 0
    assert len(calls) == 6


def test_a_warning_is_told_by_every_run(tmp_path: Path) -> None:
    site = edited(("vms: {}", "vms: {}\n      spare: {}"))
    first = run(tmp_path, "site.yaml", "-o", "out", site=site)
    assert "warning" in first.stderr
    for _ in range(2):
        again = run(tmp_path, "site.yaml", "-o", "out")
    assert again.stderr.splitlines()[1:] == first.stderr.splitlines()[1:]


def test_archives_of_an_earlier_run_do_not_stay(tmp_path: Path, settled: Path) -> None:
    assert run(tmp_path, "site.yaml", "-o", "out", "--archive").status == 0
    assert (settled / "archives").exists()
    compiled(tmp_path)
    assert not (settled / "archives").exists()


def outside_edited(out: Path) -> None:
    (out / "RUNBOOK.md").write_text("mine")


def outside_executable(out: Path) -> None:
    (out / "review.html").chmod(0o755)


def manifest_lost(out: Path) -> None:
    (out / "manifest.json").unlink()


def bundle_lost(out: Path) -> None:
    shutil.rmtree(out / "hosts/compute02")


def interrupted(out: Path) -> None:
    (out / ".cephos-pending.json").write_text('{"files": {"hosts/os1/steps/99-x.sh": {}}}')
    (out / "hosts/os1/steps/99-x.sh").write_text("begun")


@pytest.mark.parametrize(
    "edit", [outside_edited, outside_executable, manifest_lost, bundle_lost, interrupted]
)
def test_what_does_not_stand_is_compiled_again(
    tmp_path: Path, settled: Path, edit: Callable[[Path], None]
) -> None:
    before = contents(settled)
    edit(settled)
    assert contents(settled) != before
    assert contents(compiled(tmp_path)) == before


@pytest.mark.parametrize("folder", ["hosts", "hosts/os1", "hosts/os1/steps"])
def test_a_folder_that_became_a_link_does_not_stand(
    tmp_path: Path, settled: Path, folder: str
) -> None:
    (settled / folder).rename(tmp_path / "elsewhere")
    (settled / folder).symlink_to(tmp_path / "elsewhere")
    assert f"out/{folder} is a symbolic link" in run(tmp_path, "site.yaml", "-o", "out").stderr


def same_size_and_time(place: Path) -> None:
    before = place.stat()
    data = bytearray(place.read_bytes())
    data[-2] ^= 1
    place.write_bytes(data)
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))


def swapped(place: Path) -> None:
    """Put a file of the same size and time in its place."""
    same_size_and_time(place)
    other = place.with_name("other")
    other.write_bytes(place.read_bytes())
    other.chmod(place.stat().st_mode)
    os.utime(other, ns=(place.stat().st_atime_ns, place.stat().st_mtime_ns))
    other.replace(place)


def not_executable(place: Path) -> None:
    place.chmod(0o644)


def moved_away(place: Path) -> None:
    place.unlink()


@pytest.mark.parametrize("edit", [same_size_and_time, swapped, not_executable, moved_away])
def test_whatever_a_person_does_to_a_file_is_noticed(
    tmp_path: Path, settled: Path, edit: Callable[[Path], None]
) -> None:
    before = contents(settled)
    edit(settled / "hosts/os1/steps/50-glance.sh")
    assert run(tmp_path, "site.yaml", "-o", "out", "--diff").status == 1
    assert contents(compiled(tmp_path)) == before


@pytest.mark.parametrize("few", [2, 1000])
@pytest.mark.parametrize("edit", [same_size_and_time, swapped, not_executable, moved_away])
def test_whatever_a_person_does_to_a_file_is_noticed_beside_a_change_of_the_site(
    tmp_path: Path,
    settled: Path,
    edit: Callable[[Path], None],
    few: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By one process, or two."""
    monkeypatch.setattr(parallel, "_FEW", few)
    edit(settled / "hosts/os1/steps/50-glance.sh")
    (tmp_path / "fresh").mkdir()
    assert contents(compiled(tmp_path, OTHER)) == contents(compiled(tmp_path / "fresh", OTHER))


def lying(out: Path) -> None:
    """Let the manifest tell another checksum of a file that is as it should be."""
    place = out / "manifest.json"
    manifest = json.loads(place.read_bytes())
    for own in manifest["bundles"][0]["hosts"].values():
        own["host.env"] = "1" * 64
    place.write_text(json.dumps(manifest))


def of_another_site(out: Path) -> None:
    """Put the manifest there that belongs to another state, as a careless merge would."""
    other = out.with_name("other")
    other.mkdir()
    (out / "manifest.json").write_bytes((compiled(other, OTHER) / "manifest.json").read_bytes())


@pytest.mark.parametrize("edit", [lying, of_another_site])
@pytest.mark.parametrize("site", [SITE, OTHER])
def test_a_manifest_that_somebody_changed_is_not_believed(
    tmp_path: Path, settled: Path, edit: Callable[[Path], None], site: str
) -> None:
    edit(settled)
    (tmp_path / "fresh").mkdir()
    wanted = contents(compiled(tmp_path / "fresh", site))
    for _ in range(2):
        # what no manifest lists any more is left alone
        assert contents(compiled(tmp_path, site)).items() >= wanted.items()


def test_what_an_interrupted_run_began_is_ours_beside_what_nobody_touched(
    tmp_path: Path, settled: Path
) -> None:
    """A new file in a folder that was there is seen in nothing that is looked at."""
    (settled / ".cephos-pending.json").write_text('{"files":{"hosts/os1/steps/02-prepare.sh":{}}}')
    (settled / "hosts/os1/steps/02-prepare.sh").write_text("begun")
    (tmp_path / "fresh").mkdir()
    site = f"{SITE}prepare: {{}}\n"
    assert contents(compiled(tmp_path, site)) == contents(compiled(tmp_path / "fresh", site))


def test_what_a_person_does_while_a_run_writes_is_noticed_by_the_next(
    tmp_path: Path, settled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = settled / "hosts/os1/lib/cephos.sh"
    before = place.read_bytes()

    def writing(out: Out, change: Change, write: Callable[..., None] = Out._write) -> None:  # noqa: SLF001  # amid it
        same_size_and_time(place)
        write(out, change)

    with monkeypatch.context() as patch:
        patch.setattr(Out, "_write", writing)
        compiled(tmp_path, SITE.replace("192.168.8.11", "192.168.8.21"))
    assert place.read_bytes() != before
    compiled(tmp_path)
    assert place.read_bytes() == before


def test_checksums_are_taken_again_where_the_text_around_the_name_is_another() -> None:
    def made(text: str, source: str = "hosts.os1") -> Tree:
        shared = {"apply": File(b"same", "site")}
        return Tree({}, {}, (Bundles(shared, {"host.env": text}, {"os1": source}),))

    earlier = manifest.of(made(f"host={HOST}"))
    for other in (
        made(f"host={HOST}"),
        made("host=os1"),
        made(f"name={HOST}"),
        made(f"host={HOST}", "hosts.os[1-2]"),
    ):
        assert manifest.of(other, None, earlier) == manifest.of(other)


def test_checksums_are_taken_again_by_a_compiler_that_lays_them_out_otherwise(
    tmp_path: Path, settled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settled.is_dir()

    def listing(paths: Iterable[str], digests: Mapping[str, str], folder: str = "") -> str:
        return "".join(f"{digests.get(path) or blank(path)} *{folder}{path}\n" for path in paths)

    monkeypatch.setattr(tree, "listing", listing)
    (tmp_path / "fresh").mkdir()
    assert contents(compiled(tmp_path, OTHER)) == contents(compiled(tmp_path / "fresh", OTHER))


@pytest.mark.parametrize(
    ("paths", "folders"),
    [
        (["apply"], ["."]),
        (["apply", "lib/a", "lib/b", "steps/c"], ["."]),
        (["lib/deep/deeper/a", "lib/b"], [".", "lib", "lib/deep"]),
    ],
)
def test_every_folder_in_which_a_link_could_take_a_place_is_looked_at(
    paths: list[str], folders: list[str]
) -> None:
    assert looked_at(paths) == (*folders, *paths)


def test_a_run_ends_after_the_tick_of_the_clock_in_which_it_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a change right after it could leave the times that are remembered."""
    tick = 300_000_000
    monkeypatch.setattr(evidence, "_TICK", tick)
    out = compiled(tmp_path)
    assert time.time_ns() - (out / "manifest.json").stat().st_ctime_ns >= tick


def test_a_file_of_a_time_to_come_is_not_known_by_its_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can tell how a later change of it would look."""
    with monkeypatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: 10**18)
        out = compiled(tmp_path)
    assert len(reads(tmp_path, "out")) == len(contents(out / "hosts"))


def made_and_forked(
    folder: Path, patch: pytest.MonkeyPatch, processors: int
) -> tuple[list[dict[str, tuple[bytes, int]]], list[str]]:
    """Return what several runs in a row make, and which of them began another process."""
    patch.setattr(parallel, "_FEW", 2)
    patch.setattr(os, "sched_getaffinity", lambda _process: {*range(processors)})
    doing, forks = "new", []

    def forking(fork: Callable[[], int] = os.fork) -> int:
        forks.append(doing)
        return fork()

    patch.setattr(os, "fork", forking)
    site = edited(("[01-02]", "[01-09]"))
    made = [contents(compiled(folder, site))]
    doing = "the same"
    compiled(folder, site)
    doing = "other text"
    compiled(folder, f"{site}\n")
    made.append(contents(folder / "out/hosts"))
    doing = "changed"
    made.append(contents(compiled(folder, site.replace("192.168.8.11", "192.168.8.21"))))
    return made, forks


def test_two_processes_make_what_one_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for processors in (1, 2):
        folder = tmp_path / str(processors)
        folder.mkdir()
        with monkeypatch.context() as patch:
            results.append(made_and_forked(folder, patch, processors))
    (alone, none), (together, forks) = results
    assert alone == together
    assert none == []
    # the schema is asked, bundles are made; they are looked at; again; and again, and mended
    assert forks == ["new", "new", "the same", "other text", "changed", "changed"]


def test_what_another_compiler_does_meanwhile_is_noticed(
    tmp_path: Path, settled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bundles are looked at while the tree is made, and not yet under the lock of OUT."""
    monkeypatch.setattr(parallel, "_FEW", 2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 1})
    before = contents(settled / "hosts")
    (tmp_path / "other.yaml").write_text(OTHER)
    looked = multiprocessing.Event()

    def looking(
        out: Out,
        hosts: Iterable[str],
        look: Callable[..., object] = Out._touched_of,  # noqa: SLF001  # amid it
    ) -> object:
        try:
            return look(out, hosts)
        finally:
            looked.set()

    def rendering(*arguments: object, render: Callable[..., object] = render.render) -> object:
        assert looked.wait(WHILE)
        other = [str(PROGRAM), "other.yaml", "-o", "out"]
        subprocess.run(other, cwd=tmp_path, check=True, capture_output=True)
        assert contents(settled / "hosts") != before
        return render(*arguments)

    monkeypatch.setattr(Out, "_touched_of", looking)
    monkeypatch.setattr(render, "render", rendering)
    assert contents(compiled(tmp_path, f"{SITE}\n") / "hosts") == before


def test_what_fails_in_the_other_process_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "_FEW", 2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 1})

    here, both = os.getpid(), multiprocessing.Barrier(2)

    def failing(things: Iterator[int]) -> None:
        for _ in things:
            both.wait(WHILE)
            if os.getpid() != here:
                raise OSError(28, "No space left on device", str(tmp_path))

    with (
        parallel.started(failing, [0, 1]) as finish,
        pytest.raises(OSError, match="No space left") as caught,
    ):
        finish()
    assert caught.value.filename == str(tmp_path)


def test_a_fault_of_the_other_process_tells_where_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 1})
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def broken(*_arguments: object) -> None:
        raise ValueError("no such keyword")

    monkeypatch.setattr(schema_check, "check", broken)
    (tmp_path / "site.yaml").write_text(SITE)
    assert cli.main([str(tmp_path / "site.yaml"), "--check"]) == cli.FAULT
    assert "internal fault: ValueError: no such keyword" in capsys.readouterr().err
    [told] = tmp_path.glob("cephos-compile-fault-*")
    assert "in broken\n" in told.read_text()


def test_no_more_processes_than_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 1})

    def whose(things: Iterator[int]) -> tuple[int, list[int]]:
        return os.getpid(), [*things]

    with parallel.aside(whose, [1]) as first, parallel.aside(whose, [2]) as second:
        assert second() == (os.getpid(), [2])
        assert first()[0] != os.getpid()
        # which has ended with what it told
        with parallel.aside(whose, [3]) as third:
            assert third()[0] != os.getpid()


def test_what_fails_here_ends_the_other_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "_FEW", 2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 1})
    begun, done = multiprocessing.Barrier(2), tmp_path / "done"

    def work(things: Iterator[int]) -> None:
        for thing in things:
            if thing == 0:
                begun.wait(WHILE)
            time.sleep(0.05)  # all of it would take long
            with done.open("a") as file:
                file.write(".")

    with suppress(KeyError), parallel.started(work, range(400)):
        begun.wait(WHILE)
        raise KeyError
    assert 0 < len(done.read_text()) < 400


def test_each_thing_is_done_once_by_one_of_two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_FEW", 2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 1})
    both = multiprocessing.Barrier(2)

    def work(things: Iterator[int]) -> list[int]:
        first = next(things)
        both.wait(WHILE)  # else one could be so fast that nothing is left for the other
        return [first, *things]

    for count in (2, 3, 499, 500, 501, 1002, 12_345):
        shares = parallel.shared(work, range(count))
        assert len(shares) == 2
        assert sorted(thing for share in shares for thing in share) == list(range(count))


SLOW = """
import os, time
from cephos import cli

rename = os.rename
os.rename = lambda *names: (time.sleep(0.02), rename(*names))
cli.main(["site.yaml", "-o", "out"])
"""


def test_a_killed_compiler_takes_its_other_process_along(tmp_path: Path) -> None:
    """What is left holds OUT for no longer than it takes to make one bundle."""
    (tmp_path / "site.yaml").write_text(edited(("[01-02]", "[001-600]")))
    hosts = tmp_path / "out/hosts"
    with subprocess.Popen([sys.executable, "-c", SLOW], cwd=tmp_path) as process:
        until("two bundles", lambda: len([*hosts.glob("*/apply")]) > 1, WHILE)
        process.kill()
    subprocess.run(["flock", "-w", str(WHILE), "out", "true"], cwd=tmp_path, check=True)
    assert len([*hosts.iterdir()]) < 600
    assert run(tmp_path, "site.yaml", "-o", "out", site=SITE).status == 0
    assert not [*(tmp_path / "out/hosts").glob(".*")]
