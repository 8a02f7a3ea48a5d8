"""The command line: what it takes, what it says, and the status it ends with."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cephos import __version__, plan
from compiling import PROGRAM, ROOT, SITE, compiled, contents, edited, names, run, told
from suitable import unsuitable

WITHOUT_A_COMPUTE = edited(("compute[01-02]", "compute01"))


def test_compiles(tmp_path: Path) -> None:
    ran = run(tmp_path, "site.yaml", "-o", "out", site=SITE)
    files = len(contents(tmp_path / "out"))
    assert (ran.status, ran.stdout) == (0, "")
    assert ran.stderr == f"cephos-compile: 4 hosts, {files} files in out: {files} new\n"
    again = run(tmp_path, "site.yaml", "-o", "out")
    assert again.stderr == f"cephos-compile: 4 hosts, {files} files in out: nothing to change\n"


def test_standard_input_compiles_to_the_same(tmp_path: Path) -> None:
    ran = run(tmp_path, "-", "-o", "from-stdin", stdin=SITE.encode())
    assert ran.status == 0
    assert contents(tmp_path / "from-stdin") == contents(compiled(tmp_path))


def test_an_error_in_standard_input_has_a_place(tmp_path: Path) -> None:
    ran = run(tmp_path, "-", "-o", "out", stdin=edited(("pool: vms", "pool: vmz")).encode())
    assert ran.stderr.splitlines()[0].startswith("<stdin>:18:16: error[E204]: ")


def test_an_error_writes_nothing_and_shows_the_line(tmp_path: Path) -> None:
    site = edited(("release: squid", "release: squit"))
    ran = run(tmp_path, "site.yaml", "-o", "out", site=site)
    assert ran.status == 1
    assert ran.stderr == (
        "site.yaml:6:14: error[E201]: 'squit' is not a known release of ceph; did you mean"
        " 'squid'?\n"
        "6 |     release: squit\n"
        "  |              ^^^^^\n"
        "  = help: known are luminous, mimic, nautilus, octopus, pacific, quincy, reef, squid,"
        " tentacle\n"
        "For more about a code: cephos-compile --explain E201\n"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "told_alone"),
    [
        (("{roles: [ceph-admin]}", "{role: [ceph-admin]}"), "E101"),
        (("hosts:", "host:"), "E101"),
        (("{roles: [glance, cinder]}", "{roles: [glance, cinder], backends: rbd}"), "E103"),
        (("{roles: [glance, cinder]}", "{roles: [glance, cinder], backends: [1]}"), "E103"),
        (("{roles: [glance, cinder]}", "{roles: [glance, cinder], backends: [[rbd]]}"), "E103"),
        (("{roles: [glance, cinder]}", "{roles: [glance, cinder], backends: 3}"), "E103"),
        (("{roles: [glance, cinder]}", "{roles: [glance, Cinder]}"), "E104"),
    ],
)
def test_a_slip_among_hosts_is_told_alone(
    tmp_path: Path, change: tuple[str, str], told_alone: str
) -> None:
    """Beside two hosts that run one backend, so that a rule has to point at a role."""
    site = edited(change, ("compute[01-02]: {", "os2: {roles: [cinder]}\n  compute[01-02]: {"))
    ran = run(tmp_path, "site.yaml", "--check", site=site)
    codes = set(re.findall(r"(?m)^site.yaml:\d+:\d+: \w+\[(\w+)\]", ran.stderr))
    assert (ran.status, codes - {"E217"}) == (1, {told_alone})


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("loop", "loop is not a folder"),
        ("loop/out", "cannot write loop/out: Too many levels of symbolic links"),
    ],
)
def test_a_place_that_cannot_be_made_is_said(tmp_path: Path, place: str, said: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    ran = run(tmp_path, "site.yaml", "-o", place, site=SITE)
    assert (ran.status, ran.stdout) == (2, "")
    assert said in ran.stderr


def test_what_nobody_can_be_told_changes_no_status(tmp_path: Path) -> None:
    for status, site in (0, SITE), (1, edited(("release: squid", "release: squit"))):
        (tmp_path / "site.yaml").write_text(site)
        with open("/dev/full", "w") as full:  # noqa: PTH123  # no file of ours
            command = [str(PROGRAM), "site.yaml", "--check"]
            done = subprocess.run(command, cwd=tmp_path, stderr=full, check=False)
        assert done.returncode == status


def test_a_key_that_has_no_name_signs_nothing(tmp_path: Path) -> None:
    ran = run(tmp_path, "site.yaml", "-o", "out", "--sign", "", site=SITE)
    assert (ran.status, ran.stdout) == (2, "")
    assert "--sign names no key" in ran.stderr


def test_check_does_everything_but_write(tmp_path: Path) -> None:
    ran = run(tmp_path, "site.yaml", "--check", site=SITE)
    assert (ran.status, ran.stdout) == (0, "")
    assert re.fullmatch(r"cephos-compile: 4 hosts, \d+ files: right\n", ran.stderr)
    assert names(tmp_path) == ["site.yaml"]
    ran = run(tmp_path, "site.yaml", "--check", "-o", "out")
    assert (ran.status, names(tmp_path)) == (0, ["site.yaml"])


def test_diff_tells_what_writing_would_change(tmp_path: Path) -> None:
    out = compiled(tmp_path)
    before = contents(out)
    ran = run(tmp_path, "site.yaml", "-o", "out", "--diff")
    assert (ran.status, ran.stdout, ran.stderr) == (0, "", "")
    site = edited(("{pg_num: 64}", "{pg_num: 128}"), site=WITHOUT_A_COMPUTE)
    ran = run(tmp_path, "site.yaml", "-o", "out", "--diff", site=site)
    assert (ran.status, ran.stderr) == (1, "")
    assert contents(out) == before
    assert "--- hosts/ceph1/steps/10-pools.sh\n+++ hosts/ceph1/steps/10-pools.sh\n" in ran.stdout
    assert "\n-pool     images --pg_num 64\n+pool     images --pg_num 128\n" in ran.stdout
    assert "--- hosts/compute02/apply\n+++ /dev/null\n" in ran.stdout


def test_diff_applies_as_a_patch(tmp_path: Path) -> None:
    site = edited(("{pg_num: 64}", "{pg_num: 128}"), site=WITHOUT_A_COMPUTE)
    out = compiled(tmp_path)
    ran = run(tmp_path, "site.yaml", "-o", "out", "--diff", site=site)
    subprocess.run(
        ["git", "apply", "--unsafe-paths", "-p0", "--directory", str(out)],
        input=ran.stdout.encode(),
        cwd=tmp_path,
        check=True,
    )
    assert run(tmp_path, "site.yaml", "-o", "out", "--diff").status == 0


def test_diff_against_an_out_that_is_not_there_shows_all(tmp_path: Path) -> None:
    ran = run(tmp_path, "site.yaml", "-o", "out", "--diff", site=SITE)
    assert ran.status == 1
    assert ran.stdout.startswith("--- /dev/null\n+++ RUNBOOK.md\n")
    assert not (tmp_path / "out").exists()


def test_diff_tells_a_changed_mode(tmp_path: Path) -> None:
    apply = compiled(tmp_path) / "hosts/os1/apply"
    apply.chmod(0o644)
    ran = run(tmp_path, "site.yaml", "-o", "out", "--diff")
    assert (ran.status, ran.stdout) == (1, "mode of hosts/os1/apply becomes 0755\n")


@pytest.mark.parametrize(
    ("patterns", "hosts"),
    [
        (["os1"], ["os1"]),
        (["compute*"], ["compute01", "compute02"]),
        (["compute[01-02]"], ["compute01", "compute02"]),
        (["compute[02-09]", "ceph?"], ["ceph1", "compute02"]),
    ],
)
def test_host_compiles_only_these(tmp_path: Path, patterns: list[str], hosts: list[str]) -> None:
    arguments = [word for pattern in patterns for word in ("--host", pattern)]
    ran = run(tmp_path, "site.yaml", "-o", "out", *arguments, site=SITE)
    assert ran.status == 0
    assert names(tmp_path / "out" / "hosts") == hosts


@pytest.mark.parametrize("host", ["ceph1", "compute02"])
def test_host_changes_nothing_where_all_is_right(tmp_path: Path, host: str) -> None:
    out = compiled(tmp_path)
    before = contents(out)
    ran = run(tmp_path, "site.yaml", "-o", "out", "--host", host)
    assert ran.stderr.endswith(": nothing to change\n")
    assert contents(out) == before


def test_host_keeps_the_others_and_their_entries(tmp_path: Path) -> None:
    out = compiled(tmp_path)
    before, listed = contents(out), told(out)
    site = edited(("{pg_num: 64}", "{pg_num: 128}"), ("vms: {}", "vms: {pg_num: 8}"))
    site = edited(("client: cinder}", "client: cinder, volume_backend_name: fast}"), site=site)
    assert run(tmp_path, "site.yaml", "-o", "out", "--host", "os1", site=site).status == 0
    after = contents(out)
    changed = {path for path in before if before[path] != after[path]}
    assert sorted(before) == sorted(after)
    assert changed == {
        "SHA256SUMS",
        "manifest.json",
        "review.html",
        "hosts/os1/SHA256SUMS",
        "hosts/os1/files/cinder.conf",
    }
    # RUNBOOK.md is of the whole site; these two edits do not change it
    for path, entry in told(out).items():
        assert (entry == listed[path]) == (path not in changed)
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=out, check=True)
    assert run(tmp_path, "site.yaml", "-o", "out").status == 0
    assert b"--pg_num 8" in (out / "hosts/ceph1/steps/10-pools.sh").read_bytes()


def test_host_that_matches_none_is_an_error(tmp_path: Path) -> None:
    ran = run(tmp_path, "site.yaml", "-o", "out", "--host", "web*", "--host", "db", site=SITE)
    assert ran.status == 2
    assert ran.stderr == "cephos-compile: error: no host of the site matches web* db\n"
    ran = run(tmp_path, "site.yaml", "-o", "out", "--host", "comptue02", site=SITE)
    assert ran.stderr.endswith("matches comptue02; did you mean compute02?\n")
    assert not (tmp_path / "out").exists()


def test_strict_makes_errors_of_warnings(tmp_path: Path) -> None:
    site = edited(("vms: {}", "vms: {}\n      spare: {}"))
    ran = run(tmp_path, "site.yaml", "-o", "lenient", site=site)
    assert ran.status == 0
    assert ran.heads() == ["site.yaml:13:7: warning[W301]: pool 'spare' is not used by any service"]
    ran = run(tmp_path, "site.yaml", "-o", "strict", "--strict")
    assert ran.status == 1
    assert ran.heads() == ["site.yaml:13:7: error[W301]: pool 'spare' is not used by any service"]
    assert not (tmp_path / "strict").exists()


@pytest.mark.parametrize("kind", ["starter", "recipe"])
def test_init_prints_a_description_to_start_from(kind: str, tmp_path: Path) -> None:
    forms = [["--init", kind], ["--init", kind, "-"], ["-", "--init", kind]]
    for arguments in [*forms, *([["--init"], ["--init", "-"]] if kind == "starter" else [])]:
        ran = run(tmp_path, *arguments)
        assert (ran.status, ran.stderr) == (0, "")
        assert ran.stdout == (ROOT / f"templates/{kind}.yaml").read_text()


def test_init_takes_no_other_kind(tmp_path: Path) -> None:
    ran = run(tmp_path, "--init", "recpie", "new.yaml")
    assert ran.status == 2
    assert ran.stderr.startswith("cephos-compile: --init takes starter or recipe, not recpie\n")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (["--init", "new.yaml"], "starter"),
        (["new.yaml", "--init"], "starter"),
        (["--init", "starter", "new.yaml"], "starter"),
        (["--init", "recipe", "new.yaml"], "recipe"),
        (["new.yaml", "--init=recipe"], "recipe"),
    ],
)
def test_init_makes_a_new_file_and_never_overwrites(
    arguments: list[str], kind: str, tmp_path: Path
) -> None:
    ran = run(tmp_path, *arguments)
    assert ran.status == 0
    assert ran.stderr.startswith("cephos-compile: wrote new.yaml: ")
    assert (tmp_path / "new.yaml").read_text() == (ROOT / f"templates/{kind}.yaml").read_text()
    (tmp_path / "new.yaml").write_text("mine")
    ran = run(tmp_path, *arguments)
    assert ran.status == 2
    assert ran.stderr == "cephos-compile: new.yaml exists already, and is left as it is\n"
    assert (tmp_path / "new.yaml").read_text() == "mine"
    ran = run(tmp_path, "--init", "no/folder/new.yaml")
    assert ran.status == 2
    assert (
        ran.stderr == "cephos-compile: cannot write no/folder/new.yaml: No such file or directory\n"
    )


def test_the_starter_asks_for_what_only_its_reader_knows(tmp_path: Path) -> None:
    ran = run(tmp_path, "-", "--check", stdin=run(tmp_path, "--init").stdout.encode())
    assert ran.status == 1
    assert "E005" not in ran.stderr
    assert "error[E101]" not in ran.stderr
    assert "error[E105]" in ran.stderr


def test_the_recipe_is_the_site_of_the_page(tmp_path: Path) -> None:
    """What the page types into each file, and where; its own faults are mended."""
    recipe = run(tmp_path, "--init", "recipe").stdout
    ran = run(tmp_path, "site.yaml", "-o", "out", "--strict", site=recipe)
    assert (ran.status, ran.heads()) == (0, [])
    hosts = tmp_path / "out/hosts"
    assert names(hosts) == ["controller", "node1", "node2", "node3"]
    expected = {
        "node1/steps/10-pools.sh": """\
            glance-images --pg_num 64
            cinder-volumes --pg_num 64
            nova-vms --pg_num 64""",
        "controller/files/glance-api.conf": """\
            show_image_direct_url = true
            rbd_store_pool = glance-images
            rbd_store_user = images
            rbd_store_ceph_conf = /etc/ceph/ceph.conf""",
        "controller/files/cinder.conf": """\
            [rbd]
            volume_driver = cinder.volume.drivers.rbd.RBDDriver
            rbd_pool = cinder-volumes
            rbd_ceph_conf = /etc/ceph/ceph.conf
            rbd_flatten_volume_from_snapshot = false
            rbd_max_clone_depth = 5
            rbd_store_chunk_size = 4
            rados_connect_timeout = -1
            rbd_user = volumes""",
        "node2/files/nova.conf": """\
            force_raw_images = true
            disk_cachemodes = network=writeback
            images_type = rbd
            images_rbd_pool = nova-vms
            images_rbd_ceph_conf = /etc/ceph/ceph.conf
            rbd_user = nova""",
    }
    for path, lines in expected.items():
        text = (hosts / path).read_text()
        assert [line for line in map(str.strip, lines.splitlines()) if line not in text] == []


def test_schema_is_printed(tmp_path: Path) -> None:
    ran = run(tmp_path, "--schema")
    assert (ran.status, ran.stderr) == (0, "")
    assert ran.stdout == (ROOT / "schema/site.schema.json").read_text()


def test_the_schema_is_valid_and_makes_for_good_messages() -> None:
    site_schema = json.loads((ROOT / "schema/site.schema.json").read_bytes())
    jsonschema.Draft7Validator.check_schema(site_schema)
    assert site_schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert unsuitable(site_schema) == []


def test_version(tmp_path: Path) -> None:
    ran = run(tmp_path, "--version")
    assert (ran.status, ran.stdout) == (0, f"cephos-compile {__version__}\n")


def test_help_names_every_option_and_status(tmp_path: Path) -> None:
    ran = run(tmp_path, "--help")
    assert ran.status == 0
    for word in (
        *("-o OUT", "--check", "--diff", "--host", "--strict", "--format", "--color"),
        *("--plan", "--plan=markdown", "--plan=json", "--archive", "--sign KEY"),
        *("--init [starter|recipe]", "--schema", "--explain CODE", "--version"),
    ):
        assert word in ran.stdout
    assert "2 wrong usage, or something cannot be read or written" in " ".join(ran.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "cephos-compile: no SITE given"),
        (["site.yaml"], "cephos-compile: no OUT given: add -o OUT, or --check to write nothing"),
        (
            ["site.yaml", "-o", "out", "--check", "--diff"],
            "cephos-compile: --diff and --check both write nothing: choose one",
        ),
        (
            ["site.yaml", "--diff"],
            "cephos-compile: no OUT given: add -o OUT, or --check to write nothing",
        ),
        (["site.yaml", "-o"], "cephos-compile: error: argument -o: expected one argument"),
        (["site.yaml", "--sparkle"], "cephos-compile: error: unrecognized arguments: --sparkle"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: list[str], said: str) -> None:
    ran = run(tmp_path, *arguments, site=SITE)
    assert ran.status == 2
    assert said in ran.stderr.splitlines()
    assert names(tmp_path) == ["site.yaml"]


UNFIT: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 1, "site.yaml:1:1: error[E006]: "),
    "only a comment": (b"# nothing\n", 1, "site.yaml:1:1: error[E006]: "),
    "not UTF-8": (b"site: \xff\n", 2, "site.yaml:1:7: error[E002]: is not UTF-8 text: byte 0xff"),
    "UTF-16": ("site: x\n".encode("utf-16"), 2, "site.yaml: error[E002]: is UTF-16 text"),
    "an archive": (b"PK\x03\x04\0\0", 2, "site.yaml:1:5: error[E002]: is not text: "),
    "not YAML": (b"a: [1\nb: 2\n", 1, "site.yaml:1:4: error[E005]: "),
    "a list": (b"- 1\n", 1, "site.yaml:1:1: error[E011]: "),
    "a word": (b"hello\n", 1, "site.yaml:1:1: error[E011]: "),
    "two documents": (SITE.encode() + b"---\na: 1\n", 1, "site.yaml:23:1: error[E007]: "),
    "a key twice": (SITE.encode() + b"site: b\n", 1, "site.yaml:23:1: error[E008]: "),
    "an unknown key": (
        SITE.replace("services:", "service:").encode(),
        1,
        "site.yaml:13:1: error[E101]: 'service' is not a known key of a site description; did you",
    ),
    "an unknown key below": (
        SITE.replace("pg_num", "pgs").encode(),
        1,
        "site.yaml:10:16: error[E101]: 'pgs' is not a known key of a pool",
    ),
    "a missing key": (
        SITE.replace("site: lon1\n", "").encode(),
        1,
        "site.yaml:1:1: error[E102]: a site description lacks the key 'site'",
    ),
    "a number for text": (
        SITE.replace('"2025.1"', "2025.1").encode(),
        1,
        "site.yaml:3:22: error[E103]: openstack.release: must be text, not the number 2025.1",
    ),
    "another version": (
        SITE.replace("version: 1", "version: 2").encode(),
        1,
        "site.yaml:1:10: error[E104]: version: 2 must be 1",
    ),
    "a bad name": (
        SITE.replace("lon1", "London").encode(),
        1,
        "site.yaml:2:7: error[E105]: site: 'London' does not have the right form: a site name is",
    ),
    "a number too large": (
        SITE.replace("64", "65537").encode(),
        1,
        "site.yaml:10:24: error[E106]: clusters.ceph.pools.images.pg_num: must be at most 65,536",
    ),
    "a bad range": (
        SITE.replace("[01-02]", "[02-01]").encode(),
        1,
        "site.yaml:22:11: error[E121]: the range 02-01 runs backwards",
    ),
    "hosts without number": (
        SITE.replace("[01-02]", "[000001-999999]").encode(),
        1,
        "site.yaml:22:11: error[E122]: the range names more than 100,000 hosts",
    ),
    "a bad host": (
        SITE.replace("os1", "os_1").encode(),
        1,
        "site.yaml:21:5: error[E123]: '_' cannot be part of a host name",
    ),
}


@pytest.mark.parametrize("name", UNFIT)
def test_an_unfit_description(tmp_path: Path, name: str) -> None:
    data, status, said = UNFIT[name]
    (tmp_path / "site.yaml").write_bytes(data)
    ran = run(tmp_path, "site.yaml", "-o", "out")
    assert ran.stderr.splitlines()[0].startswith(said), ran.stderr
    assert ran.status == status
    assert not (tmp_path / "out").exists()


def test_a_description_that_cannot_be_read(tmp_path: Path) -> None:
    ran = run(tmp_path, "site.yaml", "-o", "out")
    assert ran.status == 2
    assert ran.stderr.startswith(
        "site.yaml: error[E001]: cannot be read: no such file or directory\n"
    )
    (tmp_path / "site.yaml").mkdir()
    ran = run(tmp_path, "site.yaml", "-o", "out")
    assert ran.status == 2
    assert ran.stderr.startswith("site.yaml: error[E001]: cannot be read: it is a directory\n")


def test_a_fault_of_the_compiler_is_called_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_site: object) -> None:
        raise LookupError("nowhere")

    monkeypatch.setattr(plan, "plan", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ran = run(tmp_path, "site.yaml", "-o", "out", site=SITE)
    (notes,) = tmp_path.glob("cephos-compile-fault-*.txt")
    assert ran.status == 70
    assert ran.stderr == (
        "cephos-compile: internal fault: LookupError: nowhere\n"
        f"  -> please report it with {notes}\n"
    )
    assert notes.read_text().startswith("Traceback")
    assert not (tmp_path / "out").exists()


def test_an_interrupt_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_site: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(plan, "plan", interrupted)
    ran = run(tmp_path, "site.yaml", "-o", "out", site=SITE)
    assert ran.status == 2
    assert ran.stderr == "cephos-compile: interrupted; run again to complete OUT\n"


def program(*arguments: str, **settings: Any) -> subprocess.CompletedProcess[bytes]:
    """Run the installed program, as a shell would."""
    command = [str(PROGRAM), *arguments]
    done: subprocess.CompletedProcess[bytes] = subprocess.run(
        command, check=False, stderr=subprocess.PIPE, **settings
    )
    return done


def test_a_reader_that_leaves_early_makes_no_noise(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(SITE)
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = program("site.yaml", "-o", "out", "--diff", cwd=tmp_path, stdout=pipe)
    assert (done.returncode, done.stderr) == (2, b"")


def test_output_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = program("--schema", cwd=tmp_path, stdout=full)
    assert done.returncode == 2
    assert done.stderr == (
        b"cephos-compile: error: cannot write standard output: No space left on device\n"
    )


def test_output_is_utf_8_in_every_locale(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(SITE)
    plain = {
        "LC_ALL": "C",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONUTF8": "0",
        "XDG_CACHE_HOME": os.environ["XDG_CACHE_HOME"],
        "PATH": os.environ["PATH"],
    }
    done = program(
        "site.yaml", "-o", "out", "--diff", cwd=tmp_path, stdout=subprocess.PIPE, env=plain
    )
    assert (done.returncode, done.stderr) == (1, b"")
    assert "\N{EN DASH}" in done.stdout.decode()


@pytest.mark.parametrize(
    ("arguments", "settings", "coloured"),
    [
        (["--color", "always"], {}, True),
        (["--color", "always"], {"NO_COLOR": "1"}, True),
        (["--color", "never"], {}, False),
        ([], {}, False),
    ],
)
def test_color_is_asked_for(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    settings: dict[str, str],
    coloured: bool,  # noqa: FBT001  # pytest gives it by name
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    site = SITE.replace("squid", "squit")
    assert (
        "\x1b[" in run(tmp_path, "site.yaml", "--check", *arguments, site=site).stderr
    ) == coloured


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("--check site.yaml >&-", 0),
        ("--check site.yaml 2>&-", 0),
        ("--check site.yaml >&- 2>&-", 0),
        ("-o out site.yaml <&- >&- 2>&-", 0),
        ("--check absent.yaml 2>&-", 2),
        ("--schema >&-", 2),
        ("--schema >&- 2>&-", 2),
        ("--check --format json site.yaml >&-", 2),
    ],
)
def test_closed_streams_change_nothing_but_what_can_be_said(
    tmp_path: Path, command: str, status: int
) -> None:
    """As a service manager may start it; whatever the run opens must not take their place."""
    (tmp_path / "site.yaml").write_text(SITE)
    done = subprocess.run(
        f"exec {PROGRAM} {command}", shell=True, cwd=tmp_path, check=False, stderr=subprocess.PIPE
    )
    assert done.returncode == status
    if status and "2>&-" not in command:
        assert b"cannot write standard output: Bad file descriptor\n" in done.stderr
    if "-o out" in command:
        (tmp_path / "again").mkdir()
        assert contents(tmp_path / "out") == contents(compiled(tmp_path / "again"))
