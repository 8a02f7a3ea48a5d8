"""What OUT is carried with: archives that anybody can make again, signatures that hosts check."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import tarfile
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cephos import archive, cli, deflate
from compiling import PROGRAM, SITE, contents, edited, run

if TYPE_CHECKING:
    from pathlib import Path

UNUSABLE = 2
NAMESPACE = "cephos-bundle"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys of Ada and Eve, Ada's also with a passphrase."""
    folder = tmp_path_factory.mktemp("keys")
    for name, passphrase in {"ada": "", "eve": "", "locked": "sesame"}.items():
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "", "-f", name]
        subprocess.run(make, cwd=folder, check=True)
    return folder


def signed_site(keys: Path, *names: str) -> str:
    lines = [f"  - {name}@lon1 {(keys / f'{name}.pub').read_text().strip()}" for name in names]
    return SITE + "\n".join(["signers:", *lines]) + "\n"


def compiles(folder: Path, *arguments: str | Path, site: str = SITE) -> str:
    """Compile to `folder/out` and return what was said, but for the first line."""
    ran = run(folder, "site.yaml", "-o", "out", *map(str, arguments), site=site)
    assert ran.status == 0, ran.stderr
    return ran.stderr.partition("\n")[2]


def looks(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def verified(folder: Path, signers: Path) -> bool:
    """Tell what the commands of docs/shipping.md tell."""
    check = f"ssh-keygen -Y verify -n {NAMESPACE} -f {signers} -I ada@lon1 -s SHA256SUMS.sig"
    command = f"{check} <SHA256SUMS && sha256sum --check --strict --quiet SHA256SUMS"
    return subprocess.run(command, shell=True, cwd=folder, check=False).returncode == 0


# -------------------------------------------------------------------------------------------------
# Archives


def test_archives_unpack_to_the_bundles(tmp_path: Path) -> None:
    compiles(tmp_path, "--archive")
    archives = tmp_path / "out/archives"
    assert sorted(contents(archives)) == [
        "SHA256SUMS", "ceph1.tar.gz", "compute01.tar.gz", "compute02.tar.gz", "os1.tar.gz",
        "site_lon1.tar.gz",
    ]  # fmt: skip
    check = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    subprocess.run(check, cwd=archives, check=True)
    for bundle in (tmp_path / "out/hosts").iterdir():
        place = tmp_path / bundle.name
        place.mkdir()
        unpack = ["tar", "-xzf", str(archives / f"{bundle.name}.tar.gz"), "-C", str(place)]
        done = subprocess.run(unpack, capture_output=True, text=True, check=True)
        assert (done.stdout, done.stderr) == ("", "")
        assert contents(place / "cephos") == contents(bundle)
        # a reader that cannot seek, and knows one compressed stream only
        with tarfile.open(archives / f"{bundle.name}.tar.gz", "r|gz") as stream:
            assert len(stream.getnames()) == len(contents(bundle))


def test_the_archive_of_the_site_holds_all_that_is_carried(tmp_path: Path) -> None:
    compiles(tmp_path, "--archive")
    out = tmp_path / "out"
    unpack = ["tar", "-xzf", str(out / "archives/site_lon1.tar.gz"), "-C", str(tmp_path)]
    subprocess.run(unpack, check=True)
    there, made = contents(tmp_path / "lon1"), contents(out)
    elsewhere = {path for path in made if path.startswith("hosts/")}
    assert made.keys() - there.keys() - elsewhere == {
        "archives/SHA256SUMS",
        "archives/site_lon1.tar.gz",
    }
    assert all(made[path] == there[path] for path in there)
    # of the files that the checksums of the site cover, those that are here are right
    check = ["sha256sum", "--check", "--strict", "--quiet", "--ignore-missing", "SHA256SUMS"]
    subprocess.run(check, cwd=tmp_path / "lon1", check=True)


def test_archives_are_the_same_wherever_and_whenever_they_are_made(tmp_path: Path) -> None:
    made = []
    for name, umask, zone in (("one", 0o022, "UTC"), ("two", 0o077, "Asia/Tokyo")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "site.yaml").write_text(SITE)
        subprocess.run(
            [PROGRAM, "site.yaml", "-o", "out", "--archive"],
            cwd=folder, umask=umask, env=os.environ | {"TZ": zone}, check=True, capture_output=True,
        )  # fmt: skip
        made.append({path: data for path, (data, _) in contents(folder / "out/archives").items()})
    assert made[0] == made[1]


def test_two_processes_make_the_archives_that_one_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    for processors in (1, 2):
        monkeypatch.setattr(
            os, "sched_getaffinity", lambda _process, found=processors: {*range(found)}
        )
        folder = tmp_path / str(processors)
        folder.mkdir()
        (folder / "site.yaml").write_text(SITE)
        arguments = [str(folder / "site.yaml"), "-o", str(folder / "out"), "--archive"]
        assert cli.main(arguments) == 0
        made.append(contents(folder / "out"))
    assert made[0] == made[1]


@pytest.mark.parametrize("length", [99, 100, 101, 160])
def test_headers_are_those_of_tar(length: int) -> None:
    """Which has a name of more than a hundred bytes in a block of its own."""
    names = ["a" * (length - 2), "b" * (length - 2)]
    pieces = archive.of_site("s", ((name, b"data") for name in names))
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as read:
        members = {member.name: member for member in read.getmembers()}
    assert [*members] == [f"s/{name}" for name in names]
    assert {(each.size, each.mode, each.mtime) for each in members.values()} == {
        (4, 0o644, 315532800)
    }


def test_the_compressor_gives_the_same_bytes_for_ever() -> None:
    text = b"client.images client.volumes client.images\n"
    assert deflate.compressed(text) == bytes.fromhex(
        "4acec94ccd2bd1cbcc4d4c4f2d5680f2caf2734a73115c882417000000ffff"
    )


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(st.binary(max_size=300), st.text("ab", max_size=600).map(str.encode)),
        max_size=4,
    ),
    st.binary(max_size=20).map(lambda data: data * 5000),
)
def test_what_was_compressed_comes_back(pieces: list[bytes], last: bytes) -> None:
    packed = b"".join(map(deflate.compressed, pieces)) + deflate.stored(last, final=True)
    assert zlib.decompress(packed, -15) == b"".join(pieces) + last


def test_archives_that_are_right_are_left_alone(tmp_path: Path) -> None:
    compiles(tmp_path, "--archive")
    before = looks(tmp_path / "out")
    compiles(tmp_path, "--archive")
    assert looks(tmp_path / "out") == before


def test_archives_follow_the_site(tmp_path: Path) -> None:
    compiles(tmp_path, "--archive")
    before = looks(tmp_path / "out/archives")
    compiles(tmp_path, "--archive", site=edited(("compute[01-02]", "compute01"), ("64", "32")))
    after = looks(tmp_path / "out/archives")
    assert before.keys() - after.keys() == {"compute02.tar.gz"}
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"SHA256SUMS", "ceph1.tar.gz", "site_lon1.tar.gz"}


def test_a_run_without_archives_leaves_no_old_ones(tmp_path: Path) -> None:
    compiles(tmp_path, "--archive")
    (tmp_path / "out/archives/notes.txt").write_text("mine")
    compiles(tmp_path)
    assert [*contents(tmp_path / "out/archives")] == ["notes.txt"]


def test_archives_that_failed_are_no_more_after_a_run_without(tmp_path: Path) -> None:
    """Also where an earlier run remembers that there is nothing to change."""
    compiles(tmp_path)
    archives = tmp_path / "out/archives"
    archives.mkdir()
    (archives / "SHA256SUMS").write_text(f"{'0' * 64}  os1.tar.gz\n")
    (archives / "os1.tar.gz").write_bytes(b"half")
    compiles(tmp_path)
    assert not archives.exists()


def test_a_signature_of_checksums_that_are_gone_does_not_stay(tmp_path: Path, keys: Path) -> None:
    site = signed_site(keys, "ada")
    compiles(tmp_path, "--sign", keys / "ada", site=site)
    (tmp_path / "out/hosts/os1/SHA256SUMS").unlink()
    assert "3 of 4 bundles are signed" in compiles(tmp_path, site=site)
    assert not (tmp_path / "out/hosts/os1/SHA256SUMS.sig").exists()


def test_an_interrupted_run_is_completed_by_the_next(tmp_path: Path) -> None:
    compiles(tmp_path, "--archive")
    archives = tmp_path / "out/archives"
    whole = contents(archives)
    # as a kill leaves it: the list of what is being made, an archive that is not yet in its place
    lines = [f"{'0' * 64}  {name}\n" for name in sorted(whole) if name != "SHA256SUMS"]
    (archives / "SHA256SUMS").write_text("".join(lines))
    (archives / "os1.tar.gz").rename(archives / ".os1.tar.gz.cephos-new")
    (archives / ".site_lon1.tar.gz.cephos-new").write_bytes(b"half")
    unfinished = contents(archives)
    compiles(tmp_path, "--archive")
    assert contents(archives) == whole
    # likewise by one that makes none
    for name, (data, _) in unfinished.items():
        (archives / name).write_bytes(data)
    compiles(tmp_path)
    assert not archives.exists()


def test_an_interrupted_signing_leaves_nothing_in_a_bundle(tmp_path: Path, keys: Path) -> None:
    site = signed_site(keys, "ada")
    compiles(tmp_path, site=site)
    before = contents(tmp_path / "out")
    for folder in (tmp_path / "out", tmp_path / "out/hosts/os1"):
        (folder / ".SHA256SUMS.sig.cephos-new").write_bytes(b"half")
    compiles(tmp_path, site=site)
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize("name", ["os1.tar.gz", "SHA256SUMS"])
def test_somebody_elses_archive_is_not_touched(tmp_path: Path, name: str) -> None:
    (tmp_path / "out/archives").mkdir(parents=True)
    (tmp_path / "out/archives" / name).write_bytes(b"mine")
    ran = run(tmp_path, "site.yaml", "-o", "out", "--archive", site=SITE)
    assert ran.status == UNUSABLE
    assert f"error: archives/{name} in OUT was not made by this compiler\n" in ran.stderr
    assert {path.name: path.read_bytes() for path in (tmp_path / "out/archives").iterdir()} == {
        name: b"mine"
    }


# -------------------------------------------------------------------------------------------------
# Signatures


def test_every_bundle_and_the_whole_are_signed(tmp_path: Path, keys: Path) -> None:
    site = signed_site(keys, "ada", "eve")
    said = compiles(tmp_path, "--sign", keys / "ada", "--archive", site=site)
    assert said.startswith("cephos-compile: 4 of 4 bundles are signed\n")
    out = tmp_path / "out"
    signers = out / "hosts/os1/files/allowed_signers"
    for folder in (out, *(out / "hosts").iterdir()):
        assert verified(folder, signers)
    subprocess.run(["tar", "-xzf", out / "archives/os1.tar.gz", "-C", tmp_path], check=True)
    assert verified(tmp_path / "cephos", signers)


@pytest.mark.parametrize("path", ["steps/50-glance.sh", "SHA256SUMS", "SHA256SUMS.sig"])
def test_an_altered_bundle_does_not_verify(tmp_path: Path, keys: Path, path: str) -> None:
    compiles(tmp_path, "--sign", keys / "ada", site=signed_site(keys, "ada"))
    bundle = tmp_path / "out/hosts/os1"
    signers = tmp_path / "signers"
    signers.write_bytes((bundle / "files/allowed_signers").read_bytes())
    assert verified(bundle, signers)
    text = (bundle / path).read_text()
    letter = re.search(r"[b-y]", text[len(text) // 2 :])
    assert letter
    at = len(text) // 2 + letter.start()
    (bundle / path).write_text(text[:at] + chr(ord(text[at]) + 1) + text[at + 1 :])
    assert not verified(bundle, signers)


def test_signing_again_changes_nothing(tmp_path: Path, keys: Path) -> None:
    site = signed_site(keys, "ada")
    compiles(tmp_path, "--sign", keys / "ada", site=site)
    before = looks(tmp_path / "out")
    compiles(tmp_path, "--sign", keys / "ada", site=site)
    assert looks(tmp_path / "out") == before


def test_without_the_key_signatures_stay_where_they_belong(tmp_path: Path, keys: Path) -> None:
    site = signed_site(keys, "ada")
    compiles(tmp_path, "--sign", keys / "ada", site=site)
    ran = run(tmp_path, "site.yaml", "-o", "out", "--diff", site=site)
    assert (ran.status, ran.stdout) == (0, "")
    said = compiles(tmp_path, site=edited(("64", "32"), site=site))
    assert said == "cephos-compile: 3 of 4 bundles are signed\n"
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.sig")}
    assert left == {
        f"out/hosts/{host}/SHA256SUMS.sig" for host in ("os1", "compute01", "compute02")
    }
    compiles(tmp_path, site=edited(("os1:", "os2:"), site=site))
    assert not (tmp_path / "out/hosts/os1").exists()


def test_signing_adds_signatures_and_nothing_else(tmp_path: Path, keys: Path) -> None:
    site = signed_site(keys, "ada")
    compiles(tmp_path, site=site)
    before = contents(tmp_path / "out")
    compiles(tmp_path, "--sign", keys / "ada", site=site)
    after = contents(tmp_path / "out")
    assert {path: after[path] for path in before} == before
    assert all(path.endswith("SHA256SUMS.sig") for path in after.keys() - before.keys())
    secret = "".join((keys / "ada").read_text().splitlines()[1:-1])
    assert not any(secret[100:140].encode() in data for data, _ in after.values())


def test_somebody_elses_signature_is_not_touched(tmp_path: Path, keys: Path) -> None:
    compiles(tmp_path)
    theirs = tmp_path / "out/hosts/ceph1/SHA256SUMS.sig"
    theirs.write_bytes(b"a signature by another program")
    compiles(tmp_path, site=edited(("64", "32")))
    assert theirs.exists()
    ran = run(tmp_path, "site.yaml", "-o", "out", "--sign", str(keys / "ada"))
    assert ran.status == UNUSABLE
    assert theirs.read_bytes() == b"a signature by another program"


def test_a_key_of_nobody_who_may_sign_is_refused(tmp_path: Path, keys: Path) -> None:
    key, site = str(keys / "eve"), signed_site(keys, "ada")
    ran = run(tmp_path, "site.yaml", "-o", "out", "--sign", key, site=site)
    assert ran.status == UNUSABLE
    assert f"error: {keys / 'eve'} is not the key of a signer of this site\n  -> " in ran.stderr
    assert not list(tmp_path.rglob("*.sig"))


def test_a_key_that_is_not_there_is_told(tmp_path: Path) -> None:
    ran = run(tmp_path, "site.yaml", "-o", "out", "--sign", "nowhere", site=SITE)
    assert ran.status == UNUSABLE
    assert "error: cannot sign with nowhere: " in ran.stderr


def test_a_passphrase_is_asked_for_once(tmp_path: Path, keys: Path) -> None:
    (tmp_path / "site.yaml").write_text(signed_site(keys, "locked"))
    child, terminal = pty.fork()
    if not child:
        os.chdir(tmp_path)
        command = [str(PROGRAM), "site.yaml", "-o", "out", "--sign", str(keys / "locked")]
        os.execv(PROGRAM, command)  # noqa: S606  # a shell would need quotes
    said = b""
    while not said.endswith(b"passphrase: "):
        said += os.read(terminal, 1000)
    os.write(terminal, b"sesame\n")
    try:
        while more := os.read(terminal, 1000):
            said += more
    except OSError:  # how Linux says that nobody has it open any more
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, said
    assert said.count(b"passphrase") == 1
    assert b"4 of 4 bundles are signed" in said


@pytest.mark.parametrize(
    "arguments",
    [("--check", "--archive"), ("--diff", "--sign", "key"), ("--archive", "--host", "os1")],
    ids=" ".join,
)
def test_what_does_not_go_together_is_told(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    ran = run(tmp_path, "site.yaml", "-o", "out", *arguments, site=SITE)
    assert ran.status == UNUSABLE
    assert "Try 'cephos-compile --help'" in ran.stderr
    assert not (tmp_path / "out").exists()
