"""What happens to OUT: only what must change is written, nothing foreign is touched, and a run that
is cut short anywhere is completed by the next one."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from cephos import model, plan, record
from cephos.diagnostics import Report, Source
from cephos.folder import Folder
from cephos.load import load
from cephos.render import render
from cephos.tree import Bundles, File, Tree
from cephos.write import Out
from compiling import (
    OTHER,
    SITE,
    compiled,
    contents,
    names,
    run,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def identities(out: Path) -> dict[str, tuple[int, int]]:
    return {
        path: ((out / path).stat().st_ino, (out / path).stat().st_mtime_ns)
        for path in contents(out)
    }


def folders(out: Path) -> list[str]:
    return sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_dir())


def refused(folder: Path, said: str, *arguments: str) -> None:
    """Compile to `out` in vain: status 2, these words, and nothing changed."""
    before = contents(folder)
    ran = run(folder, "site.yaml", "-o", "out", *arguments)
    assert ran.stderr == said
    assert ran.status == 2
    assert contents(folder) == before


def test_a_second_run_touches_nothing(tmp_path: Path) -> None:
    out = compiled(tmp_path)
    before = identities(out)
    assert identities(compiled(tmp_path)) == before


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    out = compiled(tmp_path)
    before, bytes_before = identities(out), contents(out)
    compiled(tmp_path, OTHER)
    after, bytes_after = identities(out), contents(out)
    for path in before.keys() & after.keys():
        assert (before[path] == after[path]) == (bytes_before[path] == bytes_after[path]), path


def test_a_host_that_left_leaves_nothing(tmp_path: Path) -> None:
    out = compiled(tmp_path)
    compiled(tmp_path, OTHER)
    assert names(out / "hosts") == ["ceph1", "compute02", "compute03", "os1"]
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    assert contents(compiled(fresh, OTHER)) == contents(out)
    assert folders(fresh / "out") == folders(out)


def test_an_edited_file_is_restored(tmp_path: Path) -> None:
    out = compiled(tmp_path)
    before = contents(out)
    (out / "hosts/os1/files/cinder.conf").write_text("[rbd]\n")
    (out / "hosts/os1/apply").chmod(0o644)
    (out / "hosts/os1/lib/files.sh").unlink()
    shutil.rmtree(out / "hosts/compute02")
    assert contents(compiled(tmp_path)) == before


def test_a_lost_manifest_is_made_again(tmp_path: Path) -> None:
    out = compiled(tmp_path)
    before = contents(out)
    (out / "manifest.json").unlink()
    assert contents(compiled(tmp_path)) == before


def test_a_foreign_file_elsewhere_is_left_alone(tmp_path: Path) -> None:
    out = compiled(tmp_path)
    notes = (out / "notes.txt", out / "hosts/compute01/notes.txt")
    for note in notes:
        note.write_text("mine")
    compiled(tmp_path, OTHER)
    assert [note.read_text() for note in notes] == ["mine", "mine"]
    assert names(out / "hosts/compute01") == ["notes.txt"]


def test_a_foreign_file_in_the_way_stops_the_run(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(SITE)
    bundle = tmp_path / "out/hosts/os1"
    bundle.mkdir(parents=True)
    (bundle / "README.md").write_text("mine")
    said = (
        "cephos-compile: error: out/hosts/os1/README.md was not made by this compiler\n"
        "  -> move it away, or compile into another folder\n"
    )
    refused(tmp_path, said)
    refused(tmp_path, said, "--diff")
    (bundle / "apply").write_text("mine")
    refused(
        tmp_path,
        "cephos-compile: error: out/hosts/os1/README.md was not made by this compiler"
        " (nor were 1 others)\n  -> move it away, or compile into another folder\n",
    )


def make_folder(place: Path) -> None:
    place.mkdir()


def make_pipe(place: Path) -> None:
    os.mkfifo(place)


def make_link(place: Path) -> None:
    place.with_name("target").write_text("mine")
    place.symlink_to("target")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (make_folder, "is not a regular file\n  -> move it away"),
        (make_pipe, "is not a regular file\n  -> move it away"),
        (make_link, "is a symbolic link\n  -> remove it: it could lead out of OUT"),
    ],
)
@pytest.mark.parametrize("path", ["RUNBOOK.md", "manifest.json", "hosts/os1/apply"])
def test_what_is_no_file_stops_the_run(
    tmp_path: Path, path: str, make: Callable[[Path], None], said: str
) -> None:
    out = compiled(tmp_path)
    (out / path).unlink()
    make(out / path)
    for arguments in ([], ["--diff"]):
        ran = run(tmp_path, "site.yaml", "-o", "out", *arguments)
        assert ran.stderr == f"cephos-compile: error: out/{path} {said}\n"
        assert ran.status == 2


def test_a_file_where_a_folder_belongs_stops_the_run(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(SITE)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/hosts").write_text("mine")
    refused(
        tmp_path,
        "cephos-compile: error: cannot read out/hosts: Not a directory\n",
    )


@pytest.mark.parametrize("folder", ["hosts", "hosts/os1", "hosts/os1/steps", "hosts/compute01"])
def test_a_link_to_a_folder_inside_out_is_refused(tmp_path: Path, folder: str) -> None:
    out = compiled(tmp_path)
    (out / folder).rename(tmp_path / "elsewhere")
    (out / folder).symlink_to(tmp_path / "elsewhere")
    (tmp_path / "site.yaml").write_text(OTHER)
    said = (
        f"cephos-compile: error: out/{folder} is a symbolic link\n"
        "  -> remove it: it leads out of OUT\n"
    )
    refused(tmp_path, said)
    refused(tmp_path, said, "--diff")


BAD_LISTS: dict[str, bytes] = {
    "garbage": b"\xff\x00garbage",
    "empty": b"",
    "another thing": b"[1, 2]",
    "no files": b'{"site": "lon1"}',
    "files that are no map": b'{"files": ["hosts/os1/apply"]}',
    "files that are nothing": b'{"files": null}',
    "an entry that is nothing": b'{"files": {"hosts/compute01/apply": null}}',
    "bundles that are nothing": b'{"files": {}, "bundles": [null]}',
    "bundles without hosts": b'{"files": {}, "bundles": [{"files": {}}]}',
    "deep": b'{"files":' + b"[" * 100_000,
    **{
        f"the path {path!r}": json.dumps({"files": {path: {"sha256": "0" * 64}}}).encode()
        for path in ("../precious", "hosts/../../precious", "/etc/passwd", "", ".", "a\nb", "a\0b")
    },
}
BAD_MANIFESTS: dict[str, bytes] = {
    "an entry that is nothing": b'{"files": {"hosts/compute01/apply": null}}',
    "an entry without checksum": b'{"files": {"hosts/compute01/apply": {}}}',
    "a checksum that is more": json.dumps({"files": {"a": {"sha256": f"{'0' * 64}\nb"}}}).encode(),
}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *(
            pytest.param("manifest.json", text, id=f"manifest: {what}")
            for what, text in BAD_LISTS.items()
        ),
        *(
            pytest.param("manifest.json", text, id=f"manifest: {what}")
            for what, text in BAD_MANIFESTS.items()
        ),
        *(
            pytest.param(".cephos-pending.json", text, id=f"pending: {what}")
            for what, text in BAD_LISTS.items()
        ),
    ],
)
def test_a_list_of_files_that_is_none_stops_the_run(
    tmp_path: Path, name: str, content: bytes
) -> None:
    out = compiled(tmp_path)
    (tmp_path / "precious").write_text("mine")
    (out / name).write_bytes(content)
    said = (
        f"cephos-compile: error: out/{name} is not a list of files that this compiler wrote\n"
        "  -> restore it from version control, or compile into an empty folder\n"
    )
    refused(tmp_path, said)
    refused(tmp_path, said, "--host", "os1")
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_list_that_is_replaced_as_it_is_read_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looked as remembered a moment before."""
    out = compiled(tmp_path)
    (tmp_path / "precious").write_text("mine")
    read = Folder.read

    def replaced(folder: Folder, path: str) -> bytes | None:
        if path == "manifest.json":
            (out / path).write_bytes(BAD_LISTS["the path '../precious'"])
        return read(folder, path)

    monkeypatch.setattr(Folder, "read", replaced)
    (tmp_path / "site.yaml").write_text(f"{SITE}# touched\n")
    ran = run(tmp_path, "site.yaml", "-o", "out")
    assert ran.status == 2
    assert "out/manifest.json is not a list of files that this compiler wrote" in ran.stderr
    assert (tmp_path / "precious").read_text() == "mine"


# ---------------------------------------------------------------------------------------------
# Cut short

EVENTS = ("open", "os.mkdir", "os.rmdir", "os.remove", "os.rename", "os.chmod")
"""What the writer asks of the system, as Python's audit events."""


def trees() -> tuple[Tree, Tree]:
    """Return two small trees; from the first to the second every kind of change happens."""
    apply = File(b"same", "site")
    old = Tree(
        {"site": "old"},
        {"RUNBOOK.md": File(b"same", "site")},
        (
            Bundles({"apply": apply}, {"README.md": "old" * 9999}, {"both": "hosts"}),
            Bundles(
                {
                    "files/x.conf": File(b"left", "site"),
                    "steps/10-x.sh": File(b"left", "site", executable=True),
                },
                {},
                {"left": "site"},
            ),
        ),
    )
    new = Tree(
        {"site": "new"},
        {"RUNBOOK.md": File(b"same", "site")},
        (
            Bundles(
                {"apply": File(b"same", "site", executable=True)},
                {"README.md": "new" * 9999},
                {"both": "hosts"},
            ),
            Bundles({"lib/x.sh": File(b"came", "site")}, {}, {"came": "hosts"}),
        ),
    )
    return old, new


def rendered(text: str) -> Tree:
    """Return what a site that must be right compiles to."""
    report = Report()
    document = load(Source("site.yaml", text), report)
    assert document
    site = model.build(document, report)
    assert not report.errors
    planned, digest = plan.plan(site), hashlib.sha256(text.encode()).hexdigest()
    return record.kept(planned, render(planned, document, digest))


def cut(out: Path, tree: Tree, at: int, ending: Callable[[], None]) -> int:
    """Write the tree in a process that meets its ending at the n-th thing it asks of the system.

    Returns its exit status: 0 if it got through unhurt, 4 if it got over it, 3 if it gave up in
    order, minus the signal if it was killed.
    """
    met = False

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal at, met
        if event in EVENTS and (
            isinstance(arguments[0], int) or str(arguments[0]).startswith(str(out))
        ):
            at -= 1
            if at == -1:
                met = True
                ending()

    def work() -> int:
        sys.addaudithook(hook)
        Out(out).write(tree)
        return 4 if met else 0

    return ended(forked(work))


def forked(work: Callable[[], int]) -> int:
    """Begin something in a process of its own; return its id."""
    child = os.fork()
    if child == 0:
        status = 3
        try:
            status = work()
        finally:
            os._exit(status)
    return child


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def failing() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(("ending", "status"), [(killed, -signal.SIGKILL), (failing, 3)])
def test_cut_short_at_every_point_the_next_run_completes(
    tmp_path: Path, ending: Callable[[], None], status: int
) -> None:
    old, new = trees()
    complete = {}
    for name, tree in (("old", old), ("new", new)):
        Out(tmp_path / name).write(tree)
        complete[name] = (contents(tmp_path / name), folders(tmp_path / name))
    for at in range(1000):
        out = tmp_path / f"cut-{at}"
        shutil.copytree(tmp_path / "old", out)
        came_to = cut(out, new, at, ending)
        for path, content in contents(out).items():
            # whole, old or new, at every instant
            if "/." not in f"/{path}":
                assert content in {complete[name][0].get(path) for name in complete}, (at, path)
        shutil.copytree(out, tmp_path / "back")
        # forwards to the new tree, or back to the old one: nothing of the cut stays
        Out(out).write(new)
        assert (contents(out), folders(out)) == complete["new"], at
        Out(tmp_path / "back").write(old)
        assert (contents(tmp_path / "back"), folders(tmp_path / "back")) == complete["old"], at
        shutil.rmtree(tmp_path / "back")
        if came_to == 0:
            break
        assert came_to in {status, 4}
    assert at > 20


def test_one_host_alone_does_not_pass_for_the_completion_of_a_run(tmp_path: Path) -> None:
    out = compiled(tmp_path)
    (out / ".cephos-pending.json").write_text('{"files": {"hosts/os1/apply": {}}}')
    said = (
        "cephos-compile: error: an earlier run on out was interrupted\n"
        "  -> complete it first: run once without --host\n"
    )
    refused(tmp_path, said, "--host", "os1")
    assert run(tmp_path, "site.yaml", "-o", "out").status == 0
    assert run(tmp_path, "site.yaml", "-o", "out", "--host", "os1").status == 0
