"""Real Glance and Cinder on a controller, and Nova's own code on a compute host.

They run under their packaged units, from the configuration under test, which the rig never edits;
what this machine lacks (Keystone, MySQL) comes from a second configuration file (``tree/opt/rig``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rig.base import RigError
from rig.waiting import until

if TYPE_CHECKING:
    from rig.host import Host

GLANCE = "http://127.0.0.1:9292/v2"
PLACEMENT = "http://127.0.0.1:8778/"
CINDER = "http://127.0.0.1:8776/v3/fa1e"
"""Cinder accepts only a hexadecimal project id."""
JSON = "Content-Type: application/json"
CINDER_HEADERS = (JSON, "X-Auth-Token: rig:fa1e", "OpenStack-API-Version: volume 3.50")
CONTROLLER = ("glance-api", "cinder-api", "cinder-scheduler", "cinder-volume")
READY_SECONDS = 90.0
COMPUTE_SECONDS = 120.0
VOLUME_SECONDS = 120.0
BUSY = ("creating", "downloading", "deleting", "backing-up", "restoring-backup", "restoring")


class ApiError(RigError):
    """A service answered with an error; ``status`` is its HTTP status, 0 if it didn't answer."""

    def __init__(self, what: str, status: int, body: bytes) -> None:
        """Keep the status, and quote the start of the answer."""
        super().__init__(f"{what}: HTTP {status}: {body[:600].decode(errors='replace')}")
        self.status = status


@dataclass(frozen=True)
class Connection:
    """What Cinder hands to Nova, so that libvirt can attach a volume."""

    user: str
    secret: str
    """UUID of the libvirt secret."""
    image: str
    """``pool/image``."""
    monitors: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class NovaDisk:
    """A disk that Nova's code made in its pool, and how Nova tells libvirt to use it."""

    image: str
    """``pool/image``."""
    parent: str | None
    """``pool/image@snapshot`` that it is a clone of."""
    xml: str
    """The ``<disk>`` element."""
    options: dict[str, Any]
    """Effective values of the options that matter, as Nova read them; ``section.key``."""


class OpenStack:
    """Glance and Cinder on one host."""

    def __init__(self, host: Host) -> None:
        """Name the units as the host does."""
        self.host = host

    def unit(self, service: str) -> str:
        """The unit that runs a service, such as ``glance-api``, on this host."""
        return unit(self.host, service)

    def begin(self) -> None:
        """Start everything from whatever configuration there is, and wait for nothing."""
        units = [self.unit(service) for service in CONTROLLER]
        self.host.run("systemctl", "start", "--no-block", "rabbitmq-server.service", *units)

    def start(self) -> None:
        """Start everything; returns when the APIs answer.

        Raises:
            RigError: a service doesn't come up (its journal and log are quoted).
        """
        self.begin()
        self.await_glance()
        self.await_cinder()

    def start_nova(self) -> None:
        """Start what a ``nova-compute`` needs: Nova's conductor and Placement.

        Raises:
            RigError: they don't come up (their journals and logs are quoted).
        """
        services = ("placement-api", "nova-conductor")
        self.host.run("systemctl", "start", "rabbitmq-server.service", *services)

        def evidence() -> str:
            return "".join(log(self.host, service) for service in services)

        def placement_answers() -> bool:
            return self._http("GET", PLACEMENT)[0] == HTTP_OK

        until("placement-api answers", placement_answers, READY_SECONDS, evidence)

    def await_glance(self) -> None:
        """Return when Glance answers: systemd says so seconds too early."""

        def answers() -> bool:
            status, _ = self._http("GET", f"{GLANCE}/images?limit=1")
            return status == HTTP_OK

        until("glance-api answers", answers, READY_SECONDS, lambda: self.log("glance-api"))

    def await_cinder(self, backend: str | None = None, *also: str) -> None:
        """Return when Cinder answers and its scheduler, the named backend and more report up."""
        wanted = {"cinder-scheduler", *also} | ({f"cinder-volume@{backend}"} if backend else set())

        def up() -> bool:
            return wanted <= self.cinder_services()

        def evidence() -> str:
            up = ", ".join(sorted(self.cinder_services())) or "nothing"
            return f"up: {up}\n" + "".join(self.log(x) for x in CONTROLLER[1:])

        until(f"cinder reports {', '.join(sorted(wanted))}", up, READY_SECONDS, evidence)

    def cinder_services(self) -> set[str]:
        """What is up: ``cinder-scheduler``, ``cinder-backup``, ``cinder-volume@<backend>``."""
        status, body = self._http("GET", f"{CINDER}/os-services", *CINDER_HEADERS)
        if status != HTTP_OK:
            return set()
        return {
            service["binary"] + "".join(service["host"].partition("@")[1:])
            for service in json.loads(body)["services"]
            if service["state"] == "up"
        }

    def upload(self, content: bytes, name: str = "rig", store: str | None = None) -> str:
        """Make a raw image of these bytes, in a store or the default one; returns its id.

        Raises:
            ApiError: Glance refused, for instance since it can't write to its store.
        """
        image = {"name": name, "disk_format": "raw", "container_format": "bare"}
        made = self._json("POST", f"{GLANCE}/images", image | {"visibility": "public"}, JSON)
        address = f"{GLANCE}/images/{made['id']}/file"
        headers = ["Content-Type: application/octet-stream"]
        headers += [f"X-Image-Meta-Store: {store}"] if store else []
        self._ask("PUT", address, *headers, body=content)
        return str(made["id"])

    def add_location(self, url: str) -> str:
        """Make a raw image of what lies at an address, as Nova does with a snapshot.

        Returns the image's id.

        Raises:
            ApiError: Glance refused, for instance since locations are not for its users to set.
        """
        image = {"name": "rig", "disk_format": "raw", "container_format": "bare"}
        made = self._json("POST", f"{GLANCE}/images", image, JSON)
        patch = [{"op": "add", "path": "/locations/-", "value": {"url": url, "metadata": {}}}]
        form = "Content-Type: application/openstack-images-v2.1-json-patch"
        self._json("PATCH", f"{GLANCE}/images/{made['id']}", patch, form)
        return str(made["id"])

    def download(self, image: str) -> bytes:
        """The bytes of an image."""
        return self._ask("GET", f"{GLANCE}/images/{image}/file")

    def show_image(self, image: str) -> dict[str, Any]:
        """What Glance says of an image: ``status``, ``size``, ``direct_url``, ``stores``, …."""
        return self._json("GET", f"{GLANCE}/images/{image}")

    def create_volume(
        self, image: str | None = None, gigabytes: int = 1, volume_type: str | None = None
    ) -> str:
        """Make a volume, empty or from an image, and wait until it is available; returns its id.

        Raises:
            RigError: it ends in another state than ``available``.
        """
        wish = {"name": "rig", "size": gigabytes} | ({"imageRef": image} if image else {})
        if volume_type:
            wish["volume_type"] = volume_type
        made = self._json("POST", f"{CINDER}/volumes", {"volume": wish}, *CINDER_HEADERS)
        volume = str(made["volume"]["id"])
        self._await_available("volume", volume)
        return volume

    def start_backup(self) -> None:
        """Start cinder-backup; it tells the scheduler of itself every ten seconds, not sixty.

        All of Cinder must be started after this. It says seldom that it lives: SQLite fails a
        transaction that another one meets, and a restore has many.
        """
        settings = (
            *("backup_driver_stats_polling_interval = 10", "report_interval = 600"),
            "service_down_time = 3600",
            "quota_backups = -1",  # what it refuses until then counts as well
        )
        added = r"/^periodic_interval/a " + r"\n".join(settings)
        self.host.run("sed", "-i", added, "/opt/rig/cinder.conf")
        self.host.run("systemctl", "start", "--no-block", self.unit("cinder-backup"))

    def create_backup(self, volume: str, *, incremental: bool = False) -> str:
        """Back a volume up, wholly or what changed since, and wait for the end; returns its id.

        Raises:
            RigError: it ends in another state than ``available``.
        """
        wish = {"backup": {"volume_id": volume, "name": "rig", "incremental": incremental}}

        def accepted() -> str | None:
            made = self._json("POST", f"{CINDER}/backups", wish, *CINDER_HEADERS)
            backup = str(made["backup"]["id"])
            self._settled("backup", backup)
            # the scheduler has not heard yet that cinder-backup works with its driver
            unheard = "Service not found" in str(self._show("backup", backup)["fail_reason"])
            return None if unheard else backup

        backup = until("the scheduler knows cinder-backup", accepted, READY_SECONDS)
        self._await_available("backup", backup)
        return backup

    def restore_backup(self, backup: str, volume: str) -> None:
        """Write a backup over a volume, and wait until that is available.

        Raises:
            RigError: it ends in another state than ``available``.
        """
        wish = {"restore": {"volume_id": volume}}
        self._json("POST", f"{CINDER}/backups/{backup}/restore", wish, *CINDER_HEADERS)
        self._await_available("volume", volume)

    def _await_available(self, kind: str, name: str) -> None:
        status = self._settled(kind, name)
        if status != "available":
            log = self._cinder_log()
            raise RigError(f"{kind} {name} became {status!r}, not 'available'\n{log}")

    def _settled(self, kind: str, name: str) -> str:
        """The status of a ``volume`` or ``backup``, once nobody works on it."""

        def settled() -> str | None:
            status = str(self._show(kind, name)["status"])
            return None if status in BUSY else status

        return until(f"{kind} {name} is done", settled, VOLUME_SECONDS, self._cinder_log)

    def _cinder_log(self) -> str:
        return "".join(map(self.log, ("cinder-scheduler", "cinder-volume", "cinder-backup")))

    def extend_volume(self, volume: str, gigabytes: int) -> None:
        """Make a volume larger, and wait until it is.

        Raises:
            RigError: it does not become so.
        """
        action = {"os-extend": {"new_size": gigabytes}}
        self._ask(
            *("POST", f"{CINDER}/volumes/{volume}/action", *CINDER_HEADERS),
            body=json.dumps(action).encode(),
        )

        def status() -> str | None:
            told = self.show_volume(volume)
            return None if told["status"] == "extending" else f"{told['status']} {told['size']} GB"

        now = until(f"volume {volume} is larger", status, VOLUME_SECONDS)
        if now != f"available {gigabytes} GB":
            raise RigError(f"volume {volume} is {now}\n{self.log('cinder-scheduler')}")

    def show_volume(self, volume: str) -> dict[str, Any]:
        """What Cinder says of a volume."""
        return self._show("volume", volume)

    def _show(self, kind: str, name: str) -> dict[str, Any]:
        answer = self._json("GET", f"{CINDER}/{kind}s/{name}", None, *CINDER_HEADERS)
        return dict(answer[kind])

    def volumes(self) -> list[str]:
        """The ids of all volumes."""
        answer = self._json("GET", f"{CINDER}/volumes", None, *CINDER_HEADERS)
        return [str(volume["id"]) for volume in answer["volumes"]]

    def connect(self, volume: str, compute: str = "compute") -> Connection:
        """Ask Cinder, as Nova does, how to attach a volume on a compute host."""
        connector = {"host": compute, "ip": "127.0.0.1", "initiator": "iqn.1994-05.test:rig"}
        action = {"os-initialize_connection": {"connector": connector | {"multipath": False}}}
        url = f"{CINDER}/volumes/{volume}/action"
        data = self._json("POST", url, action, *CINDER_HEADERS)["connection_info"]["data"]
        return Connection(
            user=data["auth_username"],
            secret=data["secret_uuid"],
            image=data["name"],
            monitors=tuple(zip(data["hosts"], map(int, data["ports"]), strict=True)),
        )

    def log(self, service: str) -> str:
        """The end of a service's journal and log file."""
        return log(self.host, self.unit(service), service)

    def _json(self, method: str, url: str, body: Any = None, *headers: str) -> dict[str, Any]:
        data = b"" if body is None else json.dumps(body).encode()
        return dict(json.loads(self._ask(method, url, *headers, body=data)))

    def _ask(self, method: str, url: str, *headers: str, body: bytes = b"") -> bytes:
        status, answer = self._http(method, url, *headers, body=body)
        if not HTTP_OK <= status < HTTP_REDIRECT:
            raise ApiError(f"{method} {url} on {self.host.name}", status, answer)
        return answer

    def _http(self, method: str, url: str, *headers: str, body: bytes = b"") -> tuple[int, bytes]:
        """Status and body of one request, made on the host: its network is the rig's own."""
        done = self.host.run_bytes(
            *("curl", "--silent", "--show-error", "--request", method, "--max-time", "100"),
            *(x for header in headers for x in ("--header", header)),
            *(("--data-binary", "@-") if body else ()),
            *("--write-out", "%{stderr}%{http_code}", url),
            input=body,
            check=False,
            timeout=120,
        )
        if done.returncode:
            return 0, done.stderr
        return int(done.stderr), done.stdout


HTTP_OK = 200
HTTP_REDIRECT = 300


def unit(host: Host, service: str) -> str:
    """The name of an OpenStack unit on a host: ``glance-api`` or ``openstack-glance-api``."""
    return service if host.units == "debian" else f"openstack-{service}"


def log(host: Host, unit_name: str, service: str | None = None, lines: int = 15) -> str:
    """The end of what a service said, in its journal and in its log file."""
    service = service or unit_name
    file = "/var/log/{}/{}.log".format(service.partition("-")[0], service)
    tail = host.run("tail", "-n", str(lines), file, check=False)
    return (
        f"--- journal of {unit_name}\n{host.journal(unit_name, lines)}"
        f"--- {file}\n{tail.stdout or tail.stderr}"
    )


def start_compute(host: Host) -> None:
    """Start nova-compute on a host whose libvirtd runs; returns when it says that it is ready.

    A controller of the rig must have done ``start_nova``.

    Raises:
        RigError: it doesn't start (its journal and log are quoted).
    """
    name = unit(host, "nova-compute")
    done = host.run("systemctl", "start", name, check=False, timeout=COMPUTE_SECONDS)
    if done.returncode:
        raise RigError(f"{name} on {host.name}: {done.stderr}{log(host, name, 'nova-compute')}")


def nova_disk(host: Host, image: str | None = None) -> NovaDisk:
    """Let Nova's own code, as user nova, make a disk from the configuration under test.

    Args:
        host: a compute host.
        image: ``pool/id`` of a Glance image to clone; without it the disk is empty.

    Raises:
        subprocess.CalledProcessError: Nova's code failed (its traceback is in the notes).
    """
    argv = ["/usr/bin/python3", "/opt/rig/nova_disk.py", *([image] if image else [])]
    answer = json.loads(host.run(*argv, user="nova").stdout.splitlines()[-1])
    return NovaDisk(**answer)
