"""What `apply` says without touching a host: usage, the list of steps, a step run by itself."""

from __future__ import annotations

import re
import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest

from compiling import ROOT, compiled

if TYPE_CHECKING:
    from pathlib import Path

USAGE = 64


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("apply")) / "hosts/os1"


def run(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ("--nonsense", "unknown argument '--nonsense'"),
        ("--list --check", "--list and --check exclude each other"),
        ("--verify --rollback", "--verify and --rollback exclude each other"),
        ("--diff", "--diff goes with --check"),
        ("--verify --diff", "--diff goes with --check"),
        ("--force", "--force goes with --rollback"),
        ("--only", "--only needs a value"),
        ("--only 99", "there is no step 99 (see --list)"),
        ("--only ''", "--only needs two digits of each step, not '' (see --list)"),
        ("--only '*'", "--only needs two digits of each step, not '*' (see --list)"),
        ("--only 50,", "--only needs two digits of each step, not '50,' (see --list)"),
        ("--only 50,99", "there is no step 99 (see --list)"),
        ("--only ../50", "--only needs two digits of each step, not '../50' (see --list)"),
        ("--only 50 --rollback", "--only does not go with --rollback"),
        ("--handoff", "--handoff needs a value"),
        ("--handoff /nowhere", "there is no file /nowhere"),
    ],
)
def test_wrong_usage_is_told_with_the_right_one(bundle: Path, arguments: str, cause: str) -> None:
    done = run(bundle / "apply", *shlex.split(arguments))
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert done.stderr.startswith(f"apply: {cause}\n\nusage: ./apply ")


def test_help_names_every_status(bundle: Path) -> None:
    done = run(bundle / "apply", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    for status in ("0", "10", "1", "64", "65", "69", "75"):
        assert f" {status} " in done.stdout


def test_the_list_names_every_step_and_what_it_manages(bundle: Path) -> None:
    done = run(bundle / "apply", "--list")
    assert (done.returncode, done.stderr) == (0, "")
    steps = [line for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert steps == sorted(path.stem for path in bundle.glob("steps/*.sh"))
    for managed in (
        "keyring /etc/ceph/ceph.client.glance.keyring (glance:glance 0640)",
        "/etc/glance/glance-api.conf as in files/glance-api.conf",
        "restart openstack-cinder-volume.service if a file above changed",
    ):
        assert f"  {managed}\n" in done.stdout


def test_a_bundle_is_found_by_a_link_and_whatever_cdpath_says(bundle: Path, tmp_path: Path) -> None:
    listed = run(bundle / "apply", "--list").stdout
    folder, link = bundle.parent, tmp_path / "site-apply"
    link.symlink_to(bundle / "apply")
    for command in ((link,), ("bash", f"{bundle.name}/apply")):
        done = run("env", "-C", folder, f"CDPATH={folder}", *command, "--list")
        assert (done.returncode, done.stdout, done.stderr) == (0, listed, "")


def test_a_bundle_without_its_runtime_says_so(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "apply").write_bytes((bundle / "apply").read_bytes())
    done = run("bash", tmp_path / "apply", "--check")
    assert (done.returncode, done.stdout) == (65, "")
    assert done.stderr.endswith(f"apply: the bundle in {tmp_path} is not whole: copy it again\n")


def test_a_step_does_not_run_by_itself(bundle: Path) -> None:
    done = run("bash", bundle / "steps/50-glance.sh")
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert done.stderr == "a step does not run by itself: use ./apply --only 50\n"


def test_an_odd_host_env_is_refused(bundle: Path, tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    subprocess.run(["cp", "-r", bundle, copy], check=True)
    for text in ("", "site=lon1\n", "site=lon1\nhost=../x\n", "site=a b\nhost=os1\n", "x\n"):
        (copy / "host.env").write_text(text)
        done = run(copy / "apply", "--list")
        assert done.returncode == 65
        assert "host.env" in done.stdout


@pytest.mark.parametrize(
    ("text", "status"),
    [("[rbd]\nrbd_user = other\n", 1), ("[rbd]\nrbd_user = cinder\n", 0), ("[lvm]\nx = 1\n", 0)],
)
def test_files_of_a_folder_that_is_read_later_must_not_say_otherwise(
    bundle: Path, tmp_path: Path, text: str, status: int
) -> None:
    folder = tmp_path / "cinder.conf.d"
    folder.mkdir()
    (folder / "500.conf").write_text(text)
    done = verb(bundle, tmp_path, "verify", f"not_overridden files/cinder.conf {folder} /none")
    assert (done.returncode, done.stderr) == (status, "")
    assert ("500.conf" in done.stdout) == bool(status)


def test_what_nothing_reads_is_named_where_it_stands(bundle: Path, tmp_path: Path) -> None:
    conf = tmp_path / "nova.conf"
    asked = f"name_unread {conf} DEFAULT.disk_cachemodes a.b"
    for text, said in (
        ("[DEFAULT]\ndisk_cachemodes = writeback\n[a]\nb =\n", "[DEFAULT] disk_cachemodes, [a] b"),
        ("[DEFAULT]\ndisk_cachemodes = writeback\n", "[DEFAULT] disk_cachemodes"),
        ("[libvirt]\ndisk_cachemodes = network=writeback\n", None),
    ):
        conf.write_text(text)
        done = verb(bundle, tmp_path, "verify", asked)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[:1] == (
            [f"{'':34} !! {conf}: nothing reads {said}"] if said else []
        )


def verb(bundle: Path, folder: Path, mode: str, line: str) -> subprocess.CompletedProcess[str]:
    """Run a line of a step, without the rest of `apply`."""
    private = folder / "run"
    private.mkdir(exist_ok=True)
    settings = {"CEPHOS_MODE": mode, "CEPHOS_RUN": str(private), "CEPHOS_BUNDLE": str(bundle)}
    return subprocess.run(
        ["bash", "-c", f'. "{bundle}/lib/cephos.sh"; {line}', "80-cinder"],
        env=settings, capture_output=True, text=True, check=False,
    )  # fmt: skip


NOT_IN_4_2 = re.compile(
    r"declare -[a-z]*g|(?:local|declare) -[a-z]*n\b|\bwait -n|\$\{\w+@|(?:mapfile|readarray) -d"
    r"|\bEPOCH|\bSRANDOM|\[-1\]="
)
"""What bash has since 4.3 and later; `declare -g` of an array is there, and does not work."""


def test_bash_4_2_can_run_it() -> None:
    scripts = [each for each in (ROOT / "templates").rglob("*") if is_shell(each)]
    assert len(scripts) > 15
    found = [
        f"{script.relative_to(ROOT)}: {line.strip()}"
        for script in scripts
        for line in script.read_text().splitlines()
        if NOT_IN_4_2.search(line.partition(" #")[0])
    ]
    assert found == []


def is_shell(path: Path) -> bool:
    if path.is_dir() or "__pycache__" in path.parts:
        return False
    return ".sh" in path.name or path.read_bytes().startswith(b"#!/usr/bin/env bash")
