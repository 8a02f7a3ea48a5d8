"""Signatures of bundles, by ssh-keygen: a host that knows the site's signers can tell who made one.

What is signed is `SHA256SUMS`, which covers every other file; the signature lies beside it. A key
signs the same bytes the same way every time (Ed25519 and RSA do), so signing again changes nothing.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

from cephos.diagnostics import Obstacle

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

NAMESPACE = "cephos-bundle"
"""What the signatures are for, to ssh-keygen: one that was made for another use is none."""

SUFFIX = ".sig"


class SigningError(Obstacle):
    """Nothing was signed."""


def sign(texts: Sequence[bytes], key: str, signers: Collection[str]) -> list[bytes]:
    """Return the signature of each text, in ssh-keygen's armour.

    One run of ssh-keygen signs them all, so a passphrase is asked for once.

    Args:
        texts: what is signed, each by itself.
        key: path of a private key, or of a public one whose private key ssh-agent holds.
        signers: who may sign, as the site names them: `NAME TYPE KEY`. Empty: anybody.

    Raises:
        SigningError: there is no ssh-keygen, it did not sign, or the key is not one of a signer.
    """
    import subprocess  # noqa: PLC0415  # 20 ms that a run without a key can do without
    import tempfile  # noqa: PLC0415  # likewise

    with tempfile.TemporaryDirectory(prefix="cephos-sign-") as folder:
        names = [str(number) for number in range(len(texts))]
        for name, text in zip(names, texts, strict=True):
            Path(folder, name).write_bytes(text)
        path = str(Path(key).absolute())
        command = ["ssh-keygen", "-q", "-Y", "sign", "-f", path, "-n", NAMESPACE, *names]
        try:
            done = subprocess.run(  # noqa: S603  # no shell; the key is the person's own choice
                command, cwd=folder, capture_output=True, check=False
            )
        except FileNotFoundError:
            raise SigningError("ssh-keygen is not installed", "install OpenSSH's client") from None
        if done.returncode:
            cause = done.stderr.decode(errors="backslashreplace").strip().rpartition("\n")[2]
            raise SigningError(
                f"cannot sign with {key}: {cause or f'ssh-keygen ended with {done.returncode}'}",
                "name a private Ed25519 or RSA key, or the .pub of one that ssh-agent holds",
            )
        signatures = [Path(folder, name + SUFFIX).read_bytes() for name in names]
    used = _public_key(signatures[0])
    if signers and used not in {signer.partition(" ")[2] for signer in signers}:
        raise SigningError(
            f"{key} is not the key of a signer of this site",
            "hosts would refuse the bundles: sign with a key that site.yaml names under signers",
        )
    return signatures


def is_ours(data: bytes) -> bool:
    """Tell whether a file holds a signature that was made for bundles."""
    try:
        return _string(_after_key(data)).decode() == NAMESPACE
    except ValueError:
        return False


def _public_key(signature: bytes) -> str:
    """Return `TYPE KEY` of whoever made the signature.

    Source: OpenSSH, PROTOCOL.sshsig: "SSHSIG", a version (4 bytes), the public key as a string.
    """
    key = _string(_blob(signature))
    return f"{_string(key).decode()} {base64.b64encode(key).decode()}"


def _after_key(signature: bytes) -> bytes:
    blob = _blob(signature)
    return blob[4 + len(_string(blob)) :]


def _blob(signature: bytes) -> bytes:
    """Return a signature without armour, from its public key on."""
    armour = signature.splitlines()
    if armour[:1] != [b"-----BEGIN SSH SIGNATURE-----"]:
        raise ValueError("it is no SSH signature")
    return base64.b64decode(b"".join(armour[1:-1]))[len(b"SSHSIG") + 4 :]


def _string(data: bytes) -> bytes:
    """Return the string that the data begins with: its length (4 bytes), then its bytes."""
    return data[4 : 4 + int.from_bytes(data[:4])]
