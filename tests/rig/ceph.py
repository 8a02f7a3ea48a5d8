"""A real Ceph cluster inside one host: a monitor, a manager and OSDs that store in memory."""

from __future__ import annotations

import base64
import json
import os
import struct
import time
import uuid
from dataclasses import dataclass
from typing import Any

from rig.host import HERE, Host
from rig.waiting import until

HOME = "/var/lib/ceph/rig"
CONF = f"{HOME}/daemons.conf"
USERS = {
    "mon.": {"mon": "allow *"},
    "client.admin": {"mon": "allow *", "osd": "allow *", "mgr": "allow *", "mds": "allow *"},
    "mgr.a": {"mon": "allow profile mgr", "osd": "allow *", "mds": "allow *"},
}
OSD = {"mon": "allow profile osd", "mgr": "allow profile osd", "osd": "allow *"}
START_SECONDS = 60.0


@dataclass(frozen=True)
class Ceph:
    """The cluster of one host, which has its ``/etc/ceph/ceph.conf`` and admin keyring."""

    host: Host
    fsid: str

    @property
    def mon_host(self) -> str:
        """The address of the monitor; it listens on the standard ports, 3300 and 6789."""
        return self.host.address

    def run(self, *argv: str, check: bool = True) -> str:
        """What ``ceph …`` prints, as administrator."""
        argv = ("ceph", "--connect-timeout", "20", *argv)
        return self.host.run(*argv, check=check).stdout

    def json(self, *argv: str) -> Any:
        """What ``ceph … --format json`` answers."""
        return json.loads(self.run(*argv, "--format", "json"))

    def images(self, pool: str) -> list[str]:
        """The RBD images in a pool."""
        return self.host.run("rbd", "ls", pool).stdout.split()

    def parent(self, pool: str, image: str) -> str | None:
        """``pool/image@snapshot`` that an image is a copy-on-write clone of, or ``None``."""
        info = json.loads(
            self.host.run("rbd", "info", "--format", "json", f"{pool}/{image}").stdout
        )
        up = info.get("parent")
        return f"{up['pool']}/{up['image']}@{up['snapshot']}" if up else None

    def health(self) -> str:
        """``HEALTH_OK``, ``HEALTH_WARN …`` or ``HEALTH_ERR …``."""
        return self.run("health", check=False).strip()


def start(host: Host, fsid: str | None = None, osds: int = 1) -> Ceph:
    """Make and start a cluster; returns when its OSDs are up and its manager available.

    Raises:
        RigError: it isn't ready within a minute (the daemons' journal is quoted).
    """
    fsid = fsid or str(uuid.uuid4())
    users = USERS | {f"osd.{number}": OSD for number in range(osds)}
    keyring = _keyring(users)
    folders = ("mon", "mgr", *(f"osd/{number}" for number in range(osds)))
    host.run("install", "-d", "-m", "0700", *(f"{HOME}/{folder}" for folder in folders))
    conf = (HERE / "daemons.conf").read_text()
    host.write(CONF, conf.replace("@FSID@", fsid).replace("@ADDRESS@", host.address))
    host.write(f"{HOME}/keyring", "\n".join(keyring.values()), 0o600)
    # what the host of a freshly deployed cluster has
    host.write("/etc/ceph/ceph.conf", _client_conf(fsid, host.address))
    host.write("/etc/ceph/ceph.client.admin.keyring", keyring["client.admin"], 0o600)

    host.run(*_daemon("mon", "a"), "--mkfs", "--keyring", f"{HOME}/keyring")
    _serve(host, "mon", "a")
    _serve(host, "mgr", "a")
    cluster = Ceph(host, fsid)
    for number in map(str, range(osds)):
        osd_uuid = str(uuid.uuid4())
        cluster.run("osd", "new", osd_uuid, number)
        host.run(*_daemon("osd", number), "--mkfs", "--osd-uuid", osd_uuid)
        _serve(host, "osd", number)

    def ready() -> bool:
        status = cluster.json("status")
        return status["osdmap"]["num_up_osds"] == osds and bool(status["mgrmap"]["available"])

    def evidence() -> str:
        daemons = (("mon", "a"), ("mgr", "a"), ("osd", "0"))
        return "".join(host.journal(_unit(*daemon)) for daemon in daemons)

    until(f"Ceph on {host.name} is ready", ready, START_SECONDS, evidence)
    return cluster


def _daemon(kind: str, name: str) -> list[str]:
    return [f"ceph-{kind}", "--id", name, "--conf", CONF]


def _unit(kind: str, name: str) -> str:
    """The unit of a daemon; only OSDs are several."""
    return f"rig-ceph-osd-{name}" if kind == "osd" else f"rig-ceph-{kind}"


def _serve(host: Host, kind: str, name: str) -> None:
    host.run(
        *("systemd-run", "--quiet", f"--unit={_unit(kind, name)}"),
        *(*_daemon(kind, name), "--foreground"),
    )


def _client_conf(fsid: str, address: str) -> str:
    return f"""[global]
fsid = {fsid}
mon_host = [v2:{address}:3300/0,v1:{address}:6789/0]
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
"""


def _key() -> str:
    """A new cephx key: type AES, creation time, length, and 16 random bytes, in base64.

    Source: ``CryptoKey::encode`` in Ceph's ``src/auth/Crypto.cc``.
    """
    secret = os.urandom(16)
    return base64.b64encode(struct.pack("<HIIH", 1, int(time.time()), 0, 16) + secret).decode()


def _keyring(users: dict[str, dict[str, str]]) -> dict[str, str]:
    """The entries of a keyring file, by user: a new key, and capabilities."""
    return {
        user: f"[{user}]\n\tkey = {_key()}\n"
        + "".join(f'\tcaps {service} = "{text}"\n' for service, text in caps.items())
        for user, caps in users.items()
    }
