"""Compilers that meet a bad end, a bad place or each other while they write OUT.

What they did not make stays as it is, and the next run completes the tree. All of it as a user
meets it: the command line, real file systems, real signals.
"""

from __future__ import annotations

import mmap
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from compiling import (
    OTHER,
    PROGRAM,
    SITE,
    as_root,
    compiled,
    contents,
    edited,
    names,
    open_folder,
    other_user,
    run,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Contents = dict[str, tuple[bytes, int]]

COMPILE = f"{shlex.quote(str(PROGRAM))} site.yaml -o out"
FOREIGN = (".git/HEAD", "notes.txt", "hosts/notes.txt", "hosts/compute01/mine/notes.txt")
"""Files of others, where the compiler writes and where it removes."""


def with_foreign(out: Path) -> Contents:
    """Put files of others into OUT; return all that it then holds."""
    for name in FOREIGN:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("mine")
    return contents(out)


def ends(tmp_path: Path) -> dict[str, Contents]:
    """Return what OUT must hold in the end, files of others included, by site."""
    result = {}
    for site in (SITE, OTHER):
        folder = tmp_path / "elsewhere"
        folder.mkdir()
        result[site] = with_foreign(compiled(folder, site))
        shutil.rmtree(folder)
    return result


# ---------------------------------------------------------------------------------------------
# Killed


def meddled(folder: Path, meddle: Callable[[int], None], *arguments: str) -> tuple[int, int]:
    """Compile in a process that calls `meddle` before each thing it asks of the system to write.

    Returns its exit status, or minus the signal that killed it, and how many things it asked. They
    are Python's audit events about files, from the moment it takes the lock of OUT; `meddle` gets
    their number, from 0.
    """
    asked = mmap.mmap(-1, 8)
    child = os.fork()
    if child == 0:
        status = 3
        number = -1

        def hook(event: str, _: object) -> None:
            nonlocal number
            if event == "fcntl.flock" or (number >= 0 and event.startswith(("open", "os."))):
                number += 1
                asked[:] = (number + 1).to_bytes(8)
                meddle(number)

        try:
            sys.addaudithook(hook)
            status = run(folder, "site.yaml", "-o", "out", *arguments).status
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status, int.from_bytes(asked[:])


def test_killed_between_two_calls_the_next_run_completes(tmp_path: Path) -> None:
    end = ends(tmp_path)
    with_foreign(compiled(tmp_path))
    old, out = tmp_path / "old", tmp_path / "out"
    out.rename(old)
    (tmp_path / "site.yaml").write_text(OTHER)
    shutil.copytree(old, out)
    status, asked = meddled(tmp_path, lambda _: None)
    assert (status, contents(out)) == (0, end[OTHER])
    assert asked > 100
    for sample in range(15):
        # the last calls save what was seen of OUT, and are not made each time (`evidence.py`)
        moment = sample * asked // 15
        shutil.rmtree(out)
        shutil.copytree(old, out)

        def kill(number: int, moment: int = moment) -> None:
            if number == moment:
                os.kill(os.getpid(), signal.SIGKILL)

        assert meddled(tmp_path, kill)[0] == -signal.SIGKILL
        # forwards to the new tree, or back to the old one
        site = OTHER if sample % 2 else SITE
        compiled(tmp_path, site)
        assert contents(out) == end[site], moment
        (tmp_path / "site.yaml").write_text(OTHER)


def test_killed_at_any_instant_the_next_run_completes(tmp_path: Path) -> None:
    """As above, with the clock for the blade, and a whole program under it."""
    dice = random.Random(20261122)  # noqa: S311  # nothing is kept secret by it
    end = ends(tmp_path)
    with_foreign(compiled(tmp_path))
    out = tmp_path / "out"
    out.rename(tmp_path / "old")
    (tmp_path / "site.yaml").write_text(OTHER)
    command = [str(PROGRAM), "site.yaml", "-o", "out"]
    took = 0.0
    for _ in range(8):
        shutil.copytree(tmp_path / "old", out)
        began = time.monotonic()
        with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as compiler:
            if took:
                with suppress(subprocess.TimeoutExpired):
                    compiler.wait(dice.uniform(took / 2, took))
                compiler.kill()
        took = took or time.monotonic() - began
        for name, content in contents(out).items():
            # whole, old or new, at every instant; what is not yet in its place has a hidden name
            if "/." not in f"/{name}":
                assert content in {end[SITE].get(name), end[OTHER].get(name)}
        assert run(tmp_path, "site.yaml", "-o", "out").status == 0
        assert contents(out) == end[OTHER]
        shutil.rmtree(out)


# ---------------------------------------------------------------------------------------------
# Two at once


def test_the_second_of_two_compilers_is_told(tmp_path: Path) -> None:
    """Any number of runs at once: each does all or nothing."""
    end = ends(tmp_path)
    with_foreign(compiled(tmp_path))
    for name, site in (("site", SITE), ("other", OTHER)):
        (tmp_path / f"{name}.yaml").write_text(site)
    running = [
        subprocess.Popen(
            [str(PROGRAM), f"{name}.yaml", "-o", "out"],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("site", "other") * 2
    ]
    said = [(compiler.communicate(timeout=120)[1], compiler.returncode) for compiler in running]
    for text, status in said:
        assert status in {0, 2}
        assert (status == 2) == ("error: another compiler is writing out\n" in text)
    assert 0 in [status for _, status in said]
    assert contents(tmp_path / "out") in end.values()


def test_the_second_compiler_writes_nothing_while_the_first_does(tmp_path: Path) -> None:
    compiled(tmp_path)
    (tmp_path / "site.yaml").write_text(OTHER)
    statuses = tmp_path / "statuses"

    def compete(number: int) -> None:
        if number == 30:
            before = contents(tmp_path / "out")
            done = subprocess.run(["sh", "-c", COMPILE], cwd=tmp_path, check=False)
            same = contents(tmp_path / "out") == before
            statuses.write_text(f"{done.returncode} {same}")

    assert meddled(tmp_path, compete)[0] == 0
    assert statuses.read_text() == "2 True"


def test_runs_for_a_host_each_keep_what_the_other_listed(tmp_path: Path) -> None:
    """One comes when the other has just decided to begin: its entries must not be lost."""
    compiled(tmp_path)
    shutil.copytree(tmp_path, tmp_path / "one-by-one")
    site = edited(("192.168.8.11", "192.168.8.21"))
    for host in ("os1", "compute01"):
        ran = run(tmp_path / "one-by-one", "site.yaml", "-o", "out", "--host", host, site=site)
        assert ran.status == 0

    (tmp_path / "site.yaml").write_text(site)

    def compete(number: int) -> None:
        if number == 0:
            command = f"{COMPILE} --host os1"
            subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)

    assert meddled(tmp_path, compete, "--host", "compute01")[0] == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "one-by-one/out")


# ---------------------------------------------------------------------------------------------
# Disks


def in_namespace(folder: Path, script: str) -> str:
    """Run a script as root with mounts of its own; return what it printed."""
    as_root("to mount")
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-euc", script],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize(
    "fill",
    [
        "head -c 1500k /dev/zero >out/ballast/0 || truncate -s -40k out/ballast/0",
        "touch out/ballast/{1..260} || rm out/ballast/{1..3}",
    ],
    ids=["bytes", "inodes"],
)
def test_a_full_disk(tmp_path: Path, fill: str) -> None:
    """It fills up while a tree is made, and again while that is changed."""
    for name, site in (("one", SITE), ("two", OTHER)):
        compiled(tmp_path, site).rename(tmp_path / name)
        (tmp_path / f"{name}.yaml").write_text(site)
    (tmp_path / "out").mkdir()
    said = in_namespace(
        tmp_path,
        f"""
        mount -t tmpfs -o size=2m,nr_inodes=300 full out
        for site in one two; do
          mkdir out/ballast
          {{ {fill}; }} 2>/dev/null
          {COMPILE.replace("site.yaml", "$site.yaml")} && exit 1 || echo "status $?"
          find out -name '*.cephos-new'
          rm -r out/ballast
          {COMPILE.replace("site.yaml", "$site.yaml")} 2>/dev/null
          diff -r $site out
        done
        """,
    )
    message = "cephos-compile: error: cannot write out.*: No space left on device"
    assert re.fullmatch(f"({message}\nstatus 2\n){{2}}", said)


def test_a_disk_that_is_read_only(tmp_path: Path) -> None:
    compiled(tmp_path)
    (tmp_path / "other.yaml").write_text(OTHER)
    said = in_namespace(
        tmp_path,
        f"""
        cp -r out before
        mount --bind out out
        mount -o remount,bind,ro out
        {COMPILE} 2>/dev/null && echo "status $?"
        {COMPILE.replace("site.yaml", "other.yaml")} && exit 1 || echo "status $?"
        {COMPILE.replace("site.yaml", "other.yaml")} --diff >/dev/null && exit 1 || echo "status $?"
        diff -r before out
        """,
    )
    message = "cephos-compile: error: cannot write out/.*: Read-only file system"
    assert re.fullmatch(f"status 0\n{message}\nstatus 2\nstatus 1\n", said)


def test_a_folder_that_may_not_be_written() -> None:
    with open_folder() as folder:
        (folder / "site.yaml").write_text(SITE)
        command = [*other_user(), str(PROGRAM), "site.yaml", "-o", "out"]

        def compile_as_other() -> tuple[int, str]:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            return done.returncode, done.stderr

        refused = 2, "cephos-compile: error: cannot write out: Permission denied\n"
        assert (compile_as_other(), names(folder)) == (refused, ["site.yaml"])
        compiled(folder)
        status, said = compile_as_other()
        assert (status, said.rpartition(": ")[2]) == (0, "nothing to change\n")
        before = contents(folder)
        (folder / "site.yaml").write_text(OTHER)
        status, said = compile_as_other()
        assert status == 2
        assert re.fullmatch(
            r"cephos-compile: error: cannot write out/.*: Permission denied\n", said
        )
        assert contents(folder / "out") == {
            path.removeprefix("out/"): content
            for path, content in before.items()
            if path.startswith("out/")
        }


# ---------------------------------------------------------------------------------------------
# Places


def test_out_may_be_a_link_to_a_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to("real")
    compiled(tmp_path)
    compiled(tmp_path, OTHER)
    assert names(tmp_path / "real/hosts") == ["ceph1", "compute02", "compute03", "os1"]
    assert names(tmp_path) == ["out", "real", "site.yaml"]
    assert (tmp_path / "out").is_symlink()


def test_out_may_be_where_the_site_lies(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/site.yaml").write_text(SITE)
    assert run(tmp_path / "out", "site.yaml", "-o", ".").status == 0
    (tmp_path / "out/site.yaml").unlink()
    assert contents(tmp_path / "out") == contents(compiled(tmp_path))


def make_pipe(place: Path) -> None:
    os.mkfifo(place)


def make_file(place: Path) -> None:
    place.write_text("mine")


def make_link_to_nothing(place: Path) -> None:
    place.symlink_to("nowhere")


def make_link_to_a_file(place: Path) -> None:
    place.symlink_to("site.yaml")


@pytest.mark.parametrize(
    "make",
    [make_pipe, make_file, make_link_to_nothing, make_link_to_a_file],
    ids=lambda m: m.__name__,
)
@pytest.mark.parametrize("out", ["out", "out/below"])
def test_out_that_is_no_folder_is_refused(
    tmp_path: Path, out: str, make: Callable[[Path], None]
) -> None:
    (tmp_path / "site.yaml").write_text(SITE)
    make(tmp_path / "out")
    before = [(path.name, path.lstat()) for path in sorted(tmp_path.iterdir())]
    ran = run(tmp_path, "site.yaml", "-o", out)
    assert ran.status == 2
    assert re.fullmatch("cephos-compile: error: .*out.*\n(  -> .*\n)?", ran.stderr)
    after = [(path.name, path.lstat()) for path in sorted(tmp_path.iterdir())]
    assert [(name, status.st_mtime_ns) for name, status in after] == [
        (n, s.st_mtime_ns) for n, s in before
    ]


def test_out_in_a_git_checkout(tmp_path: Path) -> None:
    """Git sees the change of the site and nothing else, whatever else lies there."""

    def git(*arguments: str) -> str:
        command = ["git", "-c", "user.name=x", "-c", "user.email=x@x", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    out = compiled(tmp_path)
    (tmp_path / ".gitignore").write_text("*.orig\n")
    (out / "hosts/compute01/reviewed").write_text("tracked")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "One")
    (out / "hosts/compute01/x.orig").write_text("ignored")
    (out / "notes").write_text("untracked")
    theirs = "?? out/notes\n!! out/hosts/compute01/x.orig\n"
    status = ("status", "--porcelain", "--ignored")
    compiled(tmp_path)
    assert git(*status) == theirs

    # another time and other modes of a checkout, as far as git tells them apart, are no change
    git("clone", "--quiet", ".", "again")
    for path in (tmp_path / "again").rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)
    ran = run(tmp_path / "again", "site.yaml", "-o", "out")
    assert ran.stderr.endswith(": nothing to change\n")
    shutil.rmtree(tmp_path / "again")

    # killed half-way and checked out again: as if it had never run
    (tmp_path / "site.yaml").write_text(OTHER)

    def kill(number: int) -> None:
        if number == 60:
            os.kill(os.getpid(), signal.SIGKILL)

    assert meddled(tmp_path, kill)[0] == -signal.SIGKILL
    assert git(*status) != theirs
    git("checkout", "--quiet", ".")
    compiled(tmp_path)
    assert git(*status) == theirs

    compiled(tmp_path, OTHER)
    made = {line[3:] for line in git(*status, "--untracked-files=all").splitlines()}
    assert "out/hosts/compute01/reviewed" not in made
    assert (out / "hosts/compute01/x.orig").read_text() == "ignored"
    assert {"out/notes", "out/hosts/compute03/apply", "out/hosts/compute01/apply"} < made
