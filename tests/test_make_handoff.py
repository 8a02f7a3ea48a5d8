"""`tools/make-handoff`: keyrings that another team delivers become hand-offs, or are refused.

That hosts take such a hand-off is shown in real/test_delivered.py.
"""

from __future__ import annotations

import base64
import io
import struct
import subprocess
import tarfile
from typing import TYPE_CHECKING, NamedTuple

import pytest

from compiling import compiled, edited, names

if TYPE_CHECKING:
    from pathlib import Path

DELIVERED = edited(
    ("    release: squid", "    release: squid\n    keys: delivered"),
    ("  ceph1: {roles: [ceph-admin]}\n", ""),
)


def key(secret: bytes, kind: int = 1) -> str:
    """Return a key as Ceph writes it: kind 1 with 16 bytes is AES, 2 with 32 is aes256k."""
    return base64.b64encode(struct.pack("<HIIH", kind, 0, 0, len(secret)) + secret).decode()


KEYS = {
    "glance": key(b"\0" * 15 + b"g"),
    "cinder": key(b"c" * 32, 2),
    "nova": key(b"n" * 16),
}


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("delivered"), DELIVERED) / "hosts"


@pytest.fixture
def keyrings(tmp_path: Path) -> Path:
    """Return the folder that the other team delivered, as `ceph auth get` writes keyrings."""
    folder = tmp_path / "their keyrings"
    folder.mkdir()
    for name, text in KEYS.items():
        keyring = f'[client.{name}]\n\tkey = {text}\n\tcaps mon = "profile rbd"\n'
        folder.joinpath(f"ceph.client.{name}.keyring").write_text(keyring)
    return folder


def make(bundle: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the tool of a bundle; whatever comes of it, it says no key."""
    done = subprocess.run(
        [bundle / "tools/make-handoff", *arguments], capture_output=True, text=True, check=False
    )
    assert not [text for text in KEYS.values() if text in done.stdout + done.stderr]
    return done


def test_a_host_gets_what_it_needs_and_no_more(hosts: Path, keyrings: Path, tmp_path: Path) -> None:
    folder = tmp_path / "handoffs"
    given = sorted(keyrings.iterdir())
    for host, clients in {"os1": ["cinder", "glance"], "compute02": ["cinder", "nova"]}.items():
        sealed = folder / f"{host}.tar"
        done = make(hosts / host, folder, *given)
        holds = " ".join(f"ceph.client.{client}" for client in clients)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"written  {sealed}  {holds}\n"
        assert sealed.stat().st_mode & 0o777 == 0o600
        with tarfile.open(fileobj=io.BytesIO(sealed.read_bytes())) as archive:
            members = {each.name: archive.extractfile(each) for each in archive}
            texts = {name: file.read().decode() for name, file in members.items() if file}
        assert texts.pop("handoff.env") == f"site=lon1\nhost={host}\n"
        assert "  handoff.env\n" in texts.pop("SHA256SUMS")
        assert texts == {
            f"ceph.client.{client}.keyring": f"[client.{client}]\n\tkey = {KEYS[client]}\n"
            for client in clients
        }
    assert folder.stat().st_mode & 0o777 == 0o700
    assert make(hosts / "os1", folder, *given).stdout.startswith("ok       ")
    assert names(folder) == ["compute02.tar", "os1.tar"]


def test_it_is_found_by_a_link_and_whatever_the_caller_has_set(
    hosts: Path, keyrings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "os1/tools"
    tools.parent.mkdir()
    tools.symlink_to(hosts / "os1/tools")
    for name, value in {"CDPATH": "/", "POSIXLY_CORRECT": "1", "TAR_OPTIONS": "-v"}.items():
        monkeypatch.setenv(name, value)
    done = make(tools.parent, tmp_path / "handoffs", *keyrings.iterdir())
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("written ")


class Refusal(NamedTuple):
    """What a delivery holds instead of client.nova's keyring, and what is said of it."""

    text: str | None
    said: str
    name: str = "ceph.client.nova.keyring"
    status: int = 65


NOVA = f"[client.nova]\nkey = {KEYS['nova']}\n"
REFUSALS = {
    "missing": Refusal(None, "compute02: it needs ceph.client.nova.keyring too"),
    "misnamed": Refusal(NOVA, "nova.key is not CLUSTER.client.NAME.keyring", "nova.key", status=64),
    "named otherwise": Refusal(
        NOVA, "compute02: it needs ceph.client.nova.keyring too", "west.client.nova.keyring"
    ),
    "another client": Refusal(
        NOVA.replace("nova", "vms"), "it must hold client.nova alone, and holds client.vms"
    ),
    "the administrator as well": Refusal(
        NOVA + NOVA.replace("client.nova", "client.admin"),
        "it must hold client.nova alone, and holds client.nova client.admin",
    ),
    "no client": Refusal(KEYS["nova"], "it must hold client.nova alone, and holds nobody"),
    "no key": Refusal("[client.nova]\n", "it must hold one key, and holds 0"),
    "two keys": Refusal(NOVA + f"key = {KEYS['cinder']}\n", "it must hold one key, and holds 2"),
    "cut short": Refusal(NOVA.replace(KEYS["nova"], KEYS["nova"][:32]), "is not a key of Ceph"),
    "no base64": Refusal(NOVA.replace(KEYS["nova"], "se cret"), "is not a key of Ceph"),
    "of a wrong length": Refusal(
        NOVA.replace(KEYS["nova"], base64.b64encode(b"\1" + b"\0" * 27).decode()),
        "is not a key of Ceph",
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS.keys())
def test_what_is_not_right_is_refused(
    refusal: Refusal, hosts: Path, keyrings: Path, tmp_path: Path
) -> None:
    (keyrings / "ceph.client.nova.keyring").unlink()
    if refusal.text is not None:
        (keyrings / refusal.name).write_text(refusal.text)
    done = make(hosts / "compute02", tmp_path / "handoffs", *keyrings.iterdir())
    assert done.returncode == refusal.status
    assert refusal.said in done.stderr
    assert not (tmp_path / "handoffs").exists()
