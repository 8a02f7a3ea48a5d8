"""What the kill tests do on a host of the rig itself; run there, by Debian's own Python.

kills_on_host.py begin                put a wrapper before every program that bundles run
kills_on_host.py keep NAME            remember the host as it is now
kills_on_host.py reset NAME [UNIT…]   make the host what it was then, and restart these services
kills_on_host.py state [UNIT…]        say as JSON what there is now
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FOLDERS = (
    *("/etc/ceph", "/etc/cinder", "/etc/glance", "/etc/nova", "/etc/tmpfiles.d"),
    *("/run/ceph-guests", "/run/cephos", "/var/lib/cephos", "/var/log/ceph-guests"),
)
"""All that a bundle writes to, but for its log."""
OWN = "/var/lib/cephos"
KEPT = Path("/var/lib/kills")
ADMIN = Path("/etc/ceph/ceph.client.admin.keyring")
POOL = (
    *("type", "size", "min_size", "crush_rule", "pg_num_target", "pg_autoscale_mode"),
    *("flags_names", "options", "application_metadata"),
)

COMMANDS = (
    *("cat", "ceph", "chmod", "chown", "comm", "cp", "cut", "date", "df", "find", "flock"),
    *("getent", "grep", "head", "install", "lsattr", "mkdir", "mktemp", "mv", "rbd", "readlink"),
    *("rm", "runuser", "sha256sum", "sleep", "sort", "stat", "sync", "systemctl"),
    *("systemd-tmpfiles", "tail", "tar", "timeout", "uname", "virsh"),
)
"""Every program that a bundle runs on these hosts, but for bash itself."""
ALIVE = Path("/usr/lib/alive")
WRAPPER = """#!/bin/sh
# Stands before a program that a bundle runs: notes that it is about to run, and stops the run for
# good before the COUNTth, or with PACE before each until it is let go on. Some of them run side by
# side and as other users.
name=${0##*/}
if [ -n "$PACE" ]; then
  printf '%s\\n' "$name $*" >>/run/kills/seen
  : </run/kills/never
fi
if [ -n "$COUNT" ]; then
  printf '%s\\n' "$name $*" >>/run/kills/seen
  seen=0
  while read -r _; do seen=$((seen + 1)); done </run/kills/seen
  if [ "$seen" -ge "$COUNT" ] && ! [ -e /run/kills/reached ]; then
    : >/run/kills/reached
    : </run/kills/never
  fi
fi
if [ -n "$HASTE$COUNT$PACE" ] && [ "$name" = sleep ]; then set -- 0; fi
exec "/usr/lib/alive/$name" "$@"
"""


def begin() -> None:
    ALIVE.mkdir()
    for name in COMMANDS:
        place = shutil.which(name)
        assert place, name
        Path(place).rename(ALIVE / name)
        Path(place).write_text(WRAPPER)
        Path(place).chmod(0o755)


def keep(name: str) -> None:
    there = KEPT / name
    shutil.rmtree(there, ignore_errors=True)
    for folder in FOLDERS:
        if Path(folder).exists():
            (there / folder[1:]).parent.mkdir(parents=True, exist_ok=True)
            copy(folder, there / folder[1:])
    (there / "objects").write_text(json.dumps({x: sorted(y) for x, y in objects().items()}))


def reset(name: str, *units: str) -> None:
    there = KEPT / name
    for folder in FOLDERS:
        shutil.rmtree(folder, ignore_errors=True)
        if (there / folder[1:]).exists():
            copy(there / folder[1:], folder)
    kept = json.loads((there / "objects").read_text())
    new = {kind: found.keys() - kept[kind] for kind, found in objects().items()}
    for uuid in new["secrets"]:
        virsh("secret-undefine", uuid)
    if ADMIN.exists():
        with cluster() as ask:
            for pool in new["pools"]:
                ask("osd pool delete", pool=pool, pool2=pool, yes_i_really_really_mean_it=True)
            for client in new["clients"]:
                ask("auth del", entity=client)
    if units:
        run("systemctl", "restart", *units)


def copy(source: str | Path, target: str | Path) -> None:
    run("cp", "-a", str(source), str(target))


def virsh(*arguments: str, check: bool = True) -> str:
    return run("virsh", "-q", "-c", "qemu:///system", *arguments, check=check).strip()


def run(program: str, *arguments: str, check: bool = True) -> str:
    argv = [str(ALIVE / program), *arguments]
    done = subprocess.run(argv, check=check, stdout=subprocess.PIPE, text=True)
    return done.stdout


@contextlib.contextmanager
def cluster() -> Iterator[Callable[..., Any]]:
    """Connect to the cluster of this host as its administrator; give what asks its monitor."""
    rados = __import__("rados")  # only hosts of the rig have it

    with rados.Rados(conffile="/etc/ceph/ceph.conf", conf={"keyring": str(ADMIN)}) as connection:

        def ask(prefix: str, **arguments: object) -> Any:
            command = json.dumps({"prefix": prefix, "format": "json", **arguments})
            status, answer, error = connection.mon_command(command, b"")
            assert status == 0, error
            return json.loads(answer or "null")

        yield ask


def objects() -> dict[str, dict[str, Any]]:
    """Return libvirt's secrets, the pools and the clients, by name, each with all that matters."""
    secrets, pools, clients = {}, {}, {}
    if Path("/run/libvirt/libvirt-sock").exists():
        for line in virsh("secret-list").splitlines():
            uuid, usage = line.split(None, 1)
            secrets[uuid] = [usage, virsh("secret-get-value", uuid, check=False)]
    if ADMIN.exists():
        with cluster() as ask:
            for pool in ask("osd pool ls", detail="detail"):
                kept = pools[pool["pool_name"]] = {name: pool[name] for name in POOL}
                # `rbd pool init` tries snapshots last; what a kill left out, the first image does
                kept["flags_names"] = kept["flags_names"].replace(",selfmanaged_snaps", "")
            for client in ask("auth ls")["auth_dump"]:
                clients[client["entity"]] = {"caps": client["caps"], "key": client["key"]}
    return {"secrets": secrets, "pools": pools, "clients": clients}


def state() -> dict[str, Any]:
    """Return what must come out the same, and the times that say what was restarted when.

    A key that the run itself made is another one in each run, so its client's name stands for it,
    and what is right about a digest is that it is that of its file.
    """
    found = objects()
    keys = {client.pop("key"): f"<key of {name}>" for name, client in found["clients"].items()}

    def named(text: str) -> str:
        for key, name in keys.items():
            text = text.replace(key, name)
        return text

    for secret in found["secrets"].values():
        secret[1] = named(secret[1])
    files, changed = {}, {}
    for path in sorted(below()):
        status = path.lstat()
        facts: dict[str, Any] = {
            "owner": f"{status.st_uid}:{status.st_gid}",
            "mode": f"{status.st_mode:o}",
            "attributes": {x: os.getxattr(path, x).hex() for x in os.listxattr(path)},
        }
        if path.is_file():
            facts["content"] = digest(named(content(path)).encode("latin-1"))
        files[str(path)], changed[str(path)] = facts, status.st_ctime
    return {**found, "files": files, "changed": changed}


def below() -> Iterator[Path]:
    """Every file and folder that runs can change; of the runtime's own folders, only the files."""
    for folder in map(Path, FOLDERS):
        for path in (folder, *folder.rglob("*")):
            if path.is_file() or (path.is_dir() and not str(path).startswith(OWN)):
                yield path


def content(path: Path) -> str:
    """Return the bytes of a file, each as one character, with what varies set apart."""
    data = path.read_bytes()
    if path.suffix == ".tar" and str(path).startswith(OWN):  # in /run it may be half made
        return unpacked(data)
    record = re.fullmatch(rf"{OWN}/\w+/applied(/.+)", str(path))
    file = Path(record[1]) if record else path
    if record and file.exists() and data.decode() == f"{digest(file.read_bytes())}\n":
        return "the digest of the file"
    return data.decode("latin-1")


def unpacked(archive: bytes) -> str:
    """Return all that a hand-off holds, but for its checksums, which must be right."""
    members = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        for member in opened:
            extracted = opened.extractfile(member)
            assert extracted
            facts = f"{member.name} {member.uid}:{member.gid} {member.mode:o} {member.mtime}"
            members[member.name] = (facts, extracted.read())
    _, sums = members.pop("SHA256SUMS")
    assert sums.decode() == "".join(f"{digest(x)}  {name}\n" for name, (_, x) in members.items())
    return repr(list(members.values()))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def started(*units: str) -> dict[str, float]:
    """Return since when each of these services is active, in seconds since 1970; 0 if it is not."""
    asked = ("-p", "ActiveState", "-p", "ExecMainStartTimestampMonotonic", "--value")
    said = run("systemctl", "show", *asked, *units)
    boot = time.time() - time.monotonic()
    since = {}
    for unit, block in zip(units, said.split("\n\n"), strict=True):
        values = set(block.split())
        since[unit] = boot + max(map(int, values - {"active"})) / 1e6 if "active" in values else 0
    return since


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["begin"]:
            begin()
        case ["keep", name]:
            keep(name)
        case ["reset", name, *units]:
            reset(name, *units)
        case ["state", *units]:
            print(json.dumps(state() | {"started": started(*units) if units else {}}))  # noqa: T201
        case _:
            sys.exit(__doc__)
