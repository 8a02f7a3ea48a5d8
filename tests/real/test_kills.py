"""A run that is killed or interrupted anywhere is finished by the next one.

Three hosts stand for all roles: a controller (Glance and Cinder), a compute, and a `ceph-admin`
host that is a controller too, since a host of several roles does nothing that one of them does not
do, but for taking the keys that it has just made.
"""

from __future__ import annotations

import logging
import os
import random
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from compiling import compiled
from real.bundles import apply, carry, unkept
from real.killing import Victim
from rig import Host, Rig, ceph
from rig.libvirt import Libvirt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from real.killing import State

BUNDLE = "/root/cephos"
pytestmark = [pytest.mark.real, pytest.mark.kills]

FSID = "3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10"
KILLS = int(os.environ.get("CEPHOS_KILLS", "2"))
"""At how many places each host is killed in each test; 999 is before every command."""
SITE = """
version: 1
site: SITE
openstack: {release: zed, platform: debian}
clusters:
  ceph:
    release: pacific
    fsid: FSID
    mon_host: [192.168.8.11]
    pools: POOLS
services:
"""
SITE = SITE.replace("FSID", FSID)
LAB = (
    SITE.replace("SITE", "lab").replace("POOLS", "{images: {}, volumes: {}, vms: {}}")
    + """
  glance: {pool: images, client: glance}
  cinder: {backends: {rbd: {pool: volumes, client: cinder}}}
  nova: {pool: vms, client: nova}
hosts:
  ceph1: {roles: [ceph-admin]}
  ctl1: {roles: [glance, cinder]}
  cmp1: {roles: [nova-compute]}
"""
)
OWN = (
    SITE.replace("SITE", "own").replace("POOLS", "{pictures: {pg_num: 8}, disks: {pg_num: 4}}")
    + """
  glance: {pool: pictures, client: pictures}
  nova: {pool: disks, client: disks}
hosts:
  ceph1: {roles: [ceph-admin, glance]}
  cmp1: {roles: [nova-compute]}
"""
)
"""What the `ceph-admin` host makes again and again, while the others need their keys."""
CHANGING = (
    *("cat", "ceph", "chmod", "chown", "cp", "install", "mkdir", "mv", "rbd", "rm"),
    *("systemctl", "systemd-tmpfiles", "tar", "virsh"),
)
"""Before these a run is killed when it is not killed before all."""
INSTANTS = 100
"""At how many random instants each host is killed in each test, at most."""
Mode = tuple[str, ...]
FORTH: Mode = ()
BACK: Mode = ("--rollback",)
WAYS = {
    "apply": (FORTH, FORTH),
    "rollback": (BACK, BACK),
    "apply, then rollback": (FORTH, BACK),
    "rollback, then apply": (BACK, FORTH),
}
"""What is killed, and what is run then."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Unbroken:
    """A victim, and what its runs do when nobody kills them.

    Attributes:
        commands: what a run of each mode runs.
        seconds: how long it takes.
        left: what the host is afterwards.
    """

    victim: Victim
    commands: dict[Mode, list[str]]
    seconds: dict[Mode, float]
    left: dict[Mode, State]


def unbroken(victim: Victim) -> Unbroken:
    victim.prepare()
    victim.reset("before")
    known = Unbroken(victim, {}, {}, {})
    for mode in (FORTH, BACK):
        start = time.monotonic()
        known.commands[mode] = victim.commands(*mode)
        known.seconds[mode] = time.monotonic() - start
        known.left[mode] = victim.state()
    return known


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Unbroken]]:
    lab, own = (compiled(tmp_path_factory.mktemp("site"), site) for site in (LAB, OWN))
    with Rig() as rig, ThreadPoolExecutor() as pool:
        ceph1, ctl1, cmp1 = rig.hosts("ceph1", "ctl1", "cmp1")
        libvirt = pool.submit(Libvirt(cmp1).start)
        ceph.start(ceph1, FSID)
        libvirt.result()
        for host in (ceph1, ctl1, cmp1):
            host.put(lab / "hosts" / host.name, BUNDLE)
        apply(ceph1)
        for host in (ctl1, cmp1):
            carry(ceph1, host)
        ctl1.write("/etc/ceph/ceph.conf", "[client]\nrbd_cache = true\n")
        ceph1.run("rm", "-r", BUNDLE)
        ceph1.put(own / "hosts/ceph1", BUNDLE)
        glance = "/etc/glance/glance-api.conf"
        services: dict[Host, dict[str, tuple[str, ...]]] = {
            ceph1: {"glance-api": reads("pictures", glance)},
            ctl1: {
                "glance-api": reads("glance", glance),
                "cinder-volume": reads("cinder", "/etc/cinder/cinder.conf"),
            },
            cmp1: {"nova-compute": reads("nova", "/etc/nova/nova.conf")},
        }
        yield list(pool.map(unbroken, map(Victim, services, services.values())))


def reads(client: str, file: str) -> tuple[str, ...]:
    """Return the files that a service reads."""
    return "/etc/ceph/ceph.conf", f"/etc/ceph/ceph.client.{client}.keyring", file


Kill = tuple[str, "Callable[[], None]"]


def chance(host: Unbroken) -> random.Random:
    return random.Random(host.victim.host.name)  # noqa: S311  # to be the same in each run


def before_commands(host: Unbroken, mode: Mode) -> list[Kill]:
    """Kills before each command at which it matters, or before some that change something."""
    commands = list(enumerate(host.commands[mode], 1))
    if len(commands) > KILLS:
        changing = [place for place in commands if place[1].split()[0] in CHANGING]
        commands = [changing[(2 * i + 1) * len(changing) // (2 * KILLS)] for i in range(KILLS)]
    else:
        host.victim.reset("applied" if mode == BACK else "before")
        moments = host.victim.moments(*mode)
        log.info("%d commands, %d states", len(commands), len(moments))
        commands = [commands[count - 1] for count in moments]
    return [
        (f"before command {count} ({said})", partial(host.victim.kill_before, count, *mode))
        for count, said in commands
    ]


def at_instants(host: Unbroken, mode: Mode) -> list[Kill]:
    pick = partial(chance(host).uniform, 0, host.seconds[mode])
    instants = [pick() for _ in range(min(KILLS, INSTANTS))]
    return [
        (f"after {seconds:.3f} s", partial(host.victim.kill_after, seconds, *mode))
        for seconds in instants
    ]


def campaign(host: Unbroken, way: str, kills: Callable[[Unbroken, Mode], list[Kill]]) -> list[str]:
    """Kill a host again and again, let the next run finish; return what went wrong.

    After kills before commands `--check` must have announced what that run does.

    Where a kill leaves what another has left before it, the run that follows would find, and so do,
    the same.
    """
    killed, then = WAYS[way]
    victim, name = host.victim, host.victim.host.name
    if killed == BACK:
        victim.reset("before")
        victim.run()
        victim.keep("applied")
    only = "/etc/" if (killed, then) == (FORTH, BACK) else ""
    finished: set[str] = set()
    failures = []
    places = kills(host, killed)
    for number, (place, kill) in enumerate(places, 1):
        victim.reset("applied" if killed == BACK else "before")
        kill()
        state = victim.state()
        found = state.finds()
        if found in finished:
            continue
        gone = set(victim.services) if killed == BACK else victim.changed(state, host.left[then])
        try:
            announced = victim.check() if then == FORTH and kills is before_commands else ""
            wrong = ["--check left a trace"] if victim.state().finds() != found else []
            said = victim.run(*then)
            wrong += unkept(announced, said) if announced else []
            wrong += victim.state(gone=gone if then == BACK else ()).beside(
                host.left[then], only=only
            )
        except AssertionError as error:
            wrong = [str(error)]
        if wrong:
            failures.append(f"{name}: {way}: killed {place}: " + "; ".join(wrong))
            log.error("%s", failures[-1])
        finished.add(found)
        log.info("%s: %s: %d of %d kills", name, way, number, len(places))
    return failures


@pytest.mark.parametrize(
    ("way", "kills"),
    [*((way, before_commands) for way in WAYS), ("apply", at_instants), ("rollback", at_instants)],
)
def test_a_killed_run_is_finished_by_the_next(
    hosts: list[Unbroken], way: str, kills: Callable[[Unbroken, Mode], list[Kill]]
) -> None:
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda host: campaign(host, way, kills), hosts))
    assert [failure for failures in found for failure in failures] == []


INTERRUPTS: dict[str, tuple[signal.Signals, bool]] = {
    "INT from the terminal": (signal.SIGINT, True),
    "TERM to all": (signal.SIGTERM, True),
    "TERM to apply alone": (signal.SIGTERM, False),
    "HUP of a lost connection": (signal.SIGHUP, True),
}
"""What is sent, and whether the whole process group gets it or only the shell that runs `apply`."""


@pytest.mark.parametrize("interrupt", INTERRUPTS.values(), ids=INTERRUPTS.keys())
def test_an_interrupted_run_ends_at_once_and_says_how_to_go_on(
    hosts: list[Unbroken], interrupt: tuple[signal.Signals, bool]
) -> None:
    """Each time one of its commands hangs."""
    number, whole_group = interrupt

    def interrupted(host: Unbroken) -> None:
        victim, mode = host.victim, FORTH
        commands = len(host.commands[FORTH])
        for count in chance(host).sample(range(20, commands - 20), min(KILLS, 10)):
            victim.reset("before")
            with victim.hanging(count, *mode) as process:
                assert process.poll() is None, process.communicate()
                if whole_group:
                    os.killpg(process.pid, number)
                else:
                    os.kill(child(process.pid), number)
                said, errors = (x.decode() for x in process.communicate(timeout=15))
            place = f"{victim.host.name}, before command {count} of {commands}:\n{said}{errors}"
            assert errors == "", place
            ending = f"; interrupted by {number.name[3:]}: run ./apply again, it goes on where"
            assert ending in said.splitlines()[-1], place
            assert said.splitlines()[-1].startswith("failed        total "), place
            assert [x[:6] for x in said.splitlines()].count("failed") == 1, place
            assert victim.host.run("ls", "/run/cephos").stdout == "lock\n", place
            victim.host.run("flock", "-n", "/run/cephos/lock", "true")
        victim.run()
        assert victim.state().beside(host.left[FORTH]) == []

    with ThreadPoolExecutor() as pool:
        list(pool.map(interrupted, hosts[1:]))  # what hangs is the same on the other one


def child(pid: int) -> int:
    """Return the one process that a process has started."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text())


def test_after_a_power_cut_the_next_run_finishes_and_restarts(hosts: list[Unbroken]) -> None:
    """The disk stays as it is, all in memory is gone: before a file is replaced, and after it."""
    host = next(host for host in hosts if len(host.victim.services) > 1)
    victim, commands = host.victim, host.commands[FORTH]
    restart = next(i for i, x in enumerate(commands, 1) if x.startswith("systemctl restart"))
    replacing = next(i for i, x in enumerate(commands, 1) if x.startswith("mv -fT -- /etc/glance/"))
    for count in (replacing, restart):
        victim.reset("before")
        with victim.hanging(count):
            victim.host.down()
        victim.host.up()
        victim.host.run("systemctl", "start", *victim.services)
        assert re.search(r"(?m)^changed .* restart glance-api\.service$", victim.run())
        assert victim.state().beside(host.left[FORTH]) == []


def test_what_a_killed_rollback_left_beside_a_file_is_cleared(hosts: list[Unbroken]) -> None:
    """The file itself is as `apply` wants it: the rollback had not yet replaced it."""
    host = next(host for host in hosts if len(host.victim.services) > 1)
    victim, commands = host.victim, host.commands[BACK]
    victim.reset("before")
    victim.run()
    for file in ("ceph/.ceph.conf", "glance/.glance-api.conf"):
        moment = f"sync -- /etc/{file}.cephos-new"
        victim.kill_before(commands.index(moment) + 1, *BACK)
        assert (victim.host.root / f"etc/{file}.cephos-new").exists()
        victim.run()
        assert victim.state().beside(host.left[FORTH]) == []
