"""Whose bundles a host runs: those of the signers that it knows, and no others.

Only the step that keeps the list is run, so the host needs nothing of Ceph.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from compiling import ROOT, SITE, run
from real.bundles import apply
from rig import Host, Rig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.real

BUNDLE = "/root/cephos"
GUIDE = ROOT / "docs/shipping.md"
SIGNERS = "/etc/cephos/allowed_signers"
STEP = ("--only", "05")
REFUSED, MISSING, WOULD_CHANGE = 65, 69, 10


@dataclass(frozen=True)
class Bundles:
    """Makes bundles of a site for one host, signed or not."""

    folder: Path

    def key(self, name: str) -> Path:
        """Return the private key of a person, made when first asked for."""
        key = self.folder / name
        if not key.exists():
            make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)]
            subprocess.run(make, check=True)
        return key

    def public(self, name: str) -> str:
        self.key(name)
        return (self.folder / f"{name}.pub").read_text().strip()

    def fingerprint(self, name: str) -> str:
        show = ["ssh-keygen", "-l", "-f", str(self.key(name))]
        return subprocess.run(show, capture_output=True, text=True, check=True).stdout.split()[1]

    def make(self, *signers: str, by: str | None) -> Path:
        """Return the bundle of os1 for a site that names these signers."""
        names = "-".join([*signers, "by", str(by)])
        folder = self.folder / names
        folder.mkdir(exist_ok=True)
        lines = [f"  - {name}@lon1 {self.public(name)}\n" for name in signers]
        site = SITE + "".join(["signers:\n", *lines]) if signers else SITE
        key = ["--sign", str(self.key(by))] if by and (by in signers or not signers) else []
        ran = run(folder, "site.yaml", "-o", "out", *key, site=site)
        assert ran.status == 0, ran.stderr
        bundle = folder / "out/hosts/os1"
        if by and not key:
            self.sign(bundle, by)
        return bundle

    def sign(self, bundle: Path, by: str, namespace: str = "cephos-bundle") -> None:
        """Sign by hand what the compiler would not."""
        (bundle / "SHA256SUMS.sig").unlink(missing_ok=True)
        sign = ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(self.key(by))]
        subprocess.run([*sign, "SHA256SUMS"], cwd=bundle, check=True)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    return Bundles(tmp_path_factory.mktemp("signed"))


@pytest.fixture(scope="module")
def booted() -> Iterator[Host]:
    with Rig() as rig:
        yield rig.host("os1")


@pytest.fixture
def host(booted: Host) -> Host:
    """A host that knows no signers."""
    booted.run("rm", "-rf", "/etc/cephos", "/var/lib/cephos")
    return booted


def carry(host: Host, bundle: Path) -> None:
    host.run("rm", "-rf", BUNDLE)
    host.put(bundle, BUNDLE)


def refused(host: Host, message: str, *arguments: str, status: int = REFUSED) -> None:
    """Every mode but --list refuses, with this message, and nothing changes."""
    look = ("find", "/etc/cephos", "/var/lib/cephos", "-printf", "%p %i %T@ %C@\n")
    before = host.run(*look, check=False).stdout
    for mode in ((), ("--check",), ("--verify",), ("--rollback",)):
        said = apply(host, *mode, *arguments, status=status)
        assert message in said, said
        assert "->" in said
    assert host.run(*look, check=False).stdout == before


def test_the_first_signers_are_believed_when_a_person_has_compared(
    host: Host, bundles: Bundles
) -> None:
    bundle = bundles.make("ada", by="ada")
    carry(host, bundle)
    ada, eve = bundles.fingerprint("ada"), bundles.fingerprint("eve")
    refused(host, f"this host knows no signers yet; the bundle is signed with {ada} (ada@lon1)")
    refused(host, f"the bundle is signed with {ada}, not with {eve}", "--trust", eve)
    said = apply(host, "--check", "--diff", *STEP, "--trust", ada, status=WOULD_CHANGE)
    assert f"would-change  05-signers           {SIGNERS} as in files/allowed_signers" in said
    assert f'+ada@lon1 namespaces="cephos-bundle" {bundles.public("ada")}\n' in said
    assert host.run("ls", "/etc/cephos", check=False).returncode
    said = apply(host, *STEP, "--trust", ada)
    assert f"the bundle is signed by ada@lon1 ({ada})" in said
    assert host.read(SIGNERS) == (bundle / "files/allowed_signers").read_text()
    assert host.run("stat", "-c", "%U:%G %a", SIGNERS).stdout == "root:root 644\n"
    assert ", 0 changed" in apply(host, *STEP)
    assert f"signed by ada@lon1 ({ada})" in host.read("/var/log/cephos/lon1.log")


def test_the_guide_quotes_what_a_host_said(host: Host, bundles: Bundles) -> None:
    carry(host, bundles.make("ada", by="ada"))
    said = apply(host, status=REFUSED) + apply(host, *STEP, "--trust", bundles.fingerprint("ada"))
    said = re.sub(r"SHA256:[A-Za-z0-9+/]{43}", "SHA256:…", said)
    quoted = re.findall(r"<!-- said by a host.*-->\n```text\n([^`]+)```", GUIDE.read_text())
    lines = [line for line in "".join(quoted).splitlines() if not line.startswith("#")]
    assert lines
    assert [line for line in lines if line not in said.splitlines()] == []


def test_a_list_laid_there_beforehand_needs_no_person(host: Host, bundles: Bundles) -> None:
    host.write(SIGNERS, f"ada@lon1 {bundles.public('ada')}\n")
    carry(host, bundles.make("ada", by="ada"))
    assert ", 1 changed" in apply(host, *STEP)


def test_only_what_a_known_signer_signed_is_run(host: Host, bundles: Bundles) -> None:
    good = bundles.make("ada", by="ada")
    host.write(SIGNERS, (good / "files/allowed_signers").read_text())
    none = f"none of the signers in {SIGNERS} signed the bundle"

    carry(host, bundles.make("ada", by=None))
    refused(host, "the bundle is not signed")
    # a site that names no signers is no way round: the host knows some
    carry(host, bundles.make(by=None))
    refused(host, "the bundle is not signed", status=REFUSED)
    # a bundle that brings a list of its own
    carry(host, bundles.make("eve", by="eve"))
    refused(host, none)
    refused(host, none, "--trust", bundles.fingerprint("eve"))
    carry(host, bundles.make("ada", by="eve"))
    refused(host, none)

    carry(host, good)
    host.run("sh", "-c", f"echo >>{BUNDLE}/steps/50-glance.sh")
    refused(host, "the bundle is damaged: steps/50-glance.sh: FAILED")
    # whoever alters a file can bring the checksums up to date, but not the signature
    host.run(
        "sh", "-c", f"cd {BUNDLE} && sha256sum $(cut -c 67- SHA256SUMS) >new && mv new SHA256SUMS"
    )
    refused(host, "the bundle is not what ada@lon1 signed: ")

    carry(host, good)
    host.write(f"{BUNDLE}/SHA256SUMS.sig", "nonsense\n")
    refused(host, none)
    other = bundles.make("ada", by="eve")
    bundles.sign(other, "ada", namespace="file")
    carry(host, other)
    refused(host, "the bundle is not what ada@lon1 signed: ")


def test_a_list_that_cannot_be_read_opens_nothing(host: Host, bundles: Bundles) -> None:
    host.write(SIGNERS, "")
    carry(host, bundles.make("ada", by="ada"))
    refused(host, f"none of the signers in {SIGNERS} signed the bundle")


def test_without_the_means_to_check_nothing_runs(host: Host, bundles: Bundles) -> None:
    carry(host, bundles.make("ada", by="ada"))
    host.run("mv", "/usr/bin/ssh-keygen", "/usr/bin/ssh-keygen.away")
    try:
        refused(host, "the command 'ssh-keygen' is missing", status=MISSING)
    finally:
        host.run("mv", "/usr/bin/ssh-keygen.away", "/usr/bin/ssh-keygen")


def test_signers_are_changed_by_one_who_was_known_before(host: Host, bundles: Bundles) -> None:
    carry(host, bundles.make("ada", by="ada"))
    apply(host, *STEP, "--trust", bundles.fingerprint("ada"))
    # Ada cannot hand over to Eve in one step: this bundle would run once, and never again
    carry(host, bundles.make("eve", by="ada"))
    refused(host, "none of the signers in files/allowed_signers signed the bundle")
    for signers, by in ((("ada", "eve"), "ada"), (("eve",), "eve")):
        bundle = bundles.make(*signers, by=by)
        carry(host, bundle)
        assert ", 1 changed" in apply(host, *STEP)
        assert host.read(SIGNERS) == (bundle / "files/allowed_signers").read_text()
        assert ", 0 changed" in apply(host, *STEP)
    carry(host, bundles.make("ada", "eve", by="ada"))
    refused(host, f"none of the signers in {SIGNERS} signed the bundle")


def test_going_back_leaves_the_signers(host: Host, bundles: Bundles) -> None:
    carry(host, bundles.make("ada", by="ada"))
    apply(host, *STEP, "--trust", bundles.fingerprint("ada"))
    said = apply(host, "--rollback")
    assert f"{SIGNERS} as in files/allowed_signers: left alone, since the next bundle" in said
    assert host.run("test", "-s", SIGNERS).returncode == 0
