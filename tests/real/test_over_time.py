"""What changes on hosts over time: keys that nobody else may see, the way back, another site.

The tests build on each other in file order.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from compiling import compiled, edited
from real import lab
from real.bundles import BUNDLE, HANDOFFS, actions, apply, carry, run_bundle, traces
from real.lab import SITE, UUID, World, rebundle, undone
from real.tracing import Trace, traced
from rig.openstack import OpenStack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rig import Host

pytestmark = pytest.mark.real

GLANCE = "/etc/glance/glance-api.conf"
CLIENTS = ("glance", "cinder", "nova")
KEY_FILES = re.compile(
    r"/run/cephos/run\.\w+/[\w./-]+"
    r"|/etc/ceph/(\.ceph\.client\.\w+\.keyring\.cephos-new|ceph\.client\.\w+\.keyring)"
    rf"|{HANDOFFS}/(\.\w+\.tar\.cephos-new|\w+\.tar)"
)
"""Where keys may lie: the private folder of a run, keyrings, hand-offs."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with lab.world(tmp_path_factory.mktemp("change")) as world:
        doze(world.controller)
        yield world


DOZE = "/etc/systemd/system/glance-api.service.d/doze.conf"
DOZING = """[Unit]
StartLimitIntervalSec=0
[Service]
Type=simple
ExecStart=
ExecStart=/bin/sleep infinity
"""


def doze(controller: Host) -> None:
    """Let Glance's unit run nothing: it is restarted often, and starts for seconds."""
    controller.write(DOZE, DOZING)
    controller.run("systemctl", "daemon-reload")
    controller.run("systemctl", "restart", "glance-api")


def wake(controller: Host) -> None:
    """Let the next restart of Glance's unit start Glance."""
    controller.run("rm", DOZE)
    controller.run("systemctl", "daemon-reload")


def keys(world: World) -> dict[str, str]:
    """Return the key of each client as the cluster has it."""
    return {name: world.ceph.run("auth", "get-key", f"client.{name}") for name in CLIENTS}


def starts(host: Host, unit: str) -> int:
    """Return how often a unit has been started."""
    said = host.run("journalctl", "-q", "-o", "cat", "-u", unit, "--grep", "^Started", check=False)
    return len(said.stdout.splitlines())


# --- secrets


@pytest.mark.parametrize("which", ["admin", "controller", "compute"])
def test_no_key_is_seen_outside_the_files_that_are_for_it(world: World, which: str) -> None:
    """Arguments, environments, outputs, logs; and no file is open to others for an instant."""
    host: Host = getattr(world, which)
    secret = keys(world).values()
    if which == "admin":
        host.run("sh", "-c", f"rm {HANDOFFS}/*.tar")
    traces_of_all = Trace()
    for arguments, status in (("--check --diff", 10), ("", 0), ("--verify", 0), ("--rollback", 0)):
        trace = traced(host, secret, f"{BUNDLE}/apply", *arguments.split(), status=status)
        assert trace.programs > 20
        assert trace.told == []
        assert [path for path in trace.held if not KEY_FILES.fullmatch(path)] == []
        assert trace.readable_by_others() == trace.created_open() == set()
        traces_of_all.held |= trace.held
        said = host.read("/root/said") + host.read("/var/log/cephos/lab.log")
        assert not [key for key in secret if key in said]
    # it has seen those that there are
    expected = {
        "admin": {f"{HANDOFFS}/.ctl1.tar.cephos-new", f"{HANDOFFS}/.cmp1.tar.cephos-new"},
        "controller": {"/etc/ceph/.ceph.client.glance.keyring.cephos-new"},
        "compute": {f"/etc/ceph/.ceph.client.{x}.keyring.cephos-new" for x in ("nova", "cinder")},
    }
    assert expected[which] <= traces_of_all.held
    assert host.run("ls", "-A", "/run/cephos").stdout == "lock\n"
    run_bundle(host)
    where = ("/etc", "/root/cephos", "/root/said", "/run", "/var")
    patterns = [word for key in secret for word in ("-e", key)]
    skipped = ("--exclude-dir=rig", "--exclude-dir=systemd")
    found = host.run("grep", "-rlF", *skipped, *patterns, *where, check=False).stdout.split()
    allowed = rf"{HANDOFFS}/\w+\.tar|/etc/ceph/ceph\.client\.\w+\.keyring|/etc/libvirt/secrets/.*"
    assert [path for path in found if not re.fullmatch(allowed, path)] == []
    open_to_others = ("find", *found, "-perm", "/o=rwx") if found else ("true",)
    assert host.run(*open_to_others).stdout == ""


# --- the way back


def test_rollback_restores_files_with_all_that_belongs_to_them(world: World) -> None:
    """Owner, mode, ACL, extended attributes, bytes; and the service starts once."""
    host = world.controller
    undone(host)
    host.run("setfacl", "-m", "u:nova:r", GLANCE)
    host.run("setfattr", "-n", "user.mine", "-v", "kept", GLANCE)

    def attributes() -> str:
        return host.run(
            "sh", "-c",
            f"stat -c '%u:%g %a' {GLANCE}; getfacl -p {GLANCE}; getfattr -d -m - {GLANCE}",
        ).stdout  # fmt: skip

    before, content = attributes(), host.read(GLANCE)
    assert "user:nova:r--" in before
    assert 'user.mine="kept"' in before
    apply(host)
    assert attributes() == before
    assert host.read(GLANCE) != content

    count = starts(host, "glance-api")
    said = apply(host, "--rollback")
    assert (attributes(), host.read(GLANCE)) == (before, content)
    assert actions("changed", said)[-1].endswith("restart glance-api.service")
    assert starts(host, "glance-api") == count + 1
    state = traces(host)
    assert "rollback: 1 ok, 0 changed" in apply(host, "--rollback")
    assert (starts(host, "glance-api"), traces(host)) == (count + 1, state)
    run_bundle(host)
    assert "0 changed" in apply(host)
    apply(host, "--verify")


def test_rollback_names_what_it_leaves(world: World) -> None:
    left = {
        world.admin: ("pool images", "client.nova of cluster ceph", "hand-off for cmp1"),
        world.compute: (f"libvirt secret {UUID}", "the folders of files/cephos-guests.conf"),
    }
    for host, names in left.items():
        said = actions("skipped", apply(host, "--rollback"))
        for name in names:
            assert [x for x in said if name in x and "left alone, since" in x], said
    assert "nova" in world.ceph.run("auth", "ls")
    run_bundle(world.compute)


@pytest.mark.parametrize(
    ("do", "undo"),
    [
        ("chattr +i {0}", "chattr -i {0}"),
        ("mount --bind {0} {0}", "umount {0}"),
        ("mv {0} /root/kept; mkdir {0}", "rmdir {0}; mv /root/kept {0}"),
        ("mv /etc/glance /root", "mv /root/glance /etc"),
    ],
    ids=["immutable", "mounted", "a folder", "its folder gone"],
)
def test_a_rollback_that_cannot_be_finished_is_not_begun(world: World, do: str, undo: str) -> None:
    host = world.controller
    run_bundle(host)
    host.run("sh", "-ec", do.format(GLANCE))
    try:
        before = traces(host)
        for arguments in (("--rollback",), ("--rollback", "--force")):
            assert "rollback: nothing has been changed" in apply(host, *arguments, status=69)
            assert traces(host) == before
    finally:
        host.run("sh", "-ec", undo.format(GLANCE))


def test_what_others_changed_is_known_after_apply_changed_the_file_again(world: World) -> None:
    """They add lines, and somebody spoils a setting, so that a later `apply` writes both files."""
    host, ceph_conf = world.controller, "/etc/ceph/ceph.conf"
    undone(host)
    pristine = host.read(GLANCE)
    run_bundle(host)
    spoil = f"sed -i 's/^rbd_store_pool = .*/rbd_store_pool = other/' {GLANCE}"
    host.run("sh", "-ec", f"{spoil}; sed -i 's/^mon_host = .*/mon_host = 192.0.2.1/' {ceph_conf}")
    theirs = "[theirs]\nkept = 1\n"
    for file in (GLANCE, ceph_conf):
        host.write("/root/theirs", f"{host.read(file)}\n{theirs}")
        host.run("cp", "/root/theirs", file)
    assert len(actions("changed", apply(host))) == 3  # both files and the restart
    assert "0 changed" in apply(host)
    before = traces(host)
    said = apply(host, "--rollback", status=1)
    for file in (GLANCE, ceph_conf):
        assert f"{file}: somebody has changed it after apply did" in said
        assert host.read(file).endswith(theirs)
    assert traces(host) == before
    apply(host, "--rollback", "--force")
    assert host.read(GLANCE) == pristine
    assert "ceph.conf" not in host.run("ls", "/etc/ceph").stdout
    # where apply took back all that they did, nothing of theirs can be lost
    run_bundle(host)
    host.run("sh", "-ec", spoil)
    run_bundle(host)
    apply(host, "--rollback")
    assert host.read(GLANCE) == pristine


# --- keys and sites change


def rotate(world: World, *clients: str) -> None:
    """Give clients other keys, as their administrator does; their capabilities stay."""
    for name in clients:
        world.admin.run(
            "sh", "-ec", f"""
            ceph auth get client.{name} -o /root/client
            key=$(ceph-authtool --gen-print-key)
            sed -i "s|key = .*|key = $key|" /root/client
            ceph auth import -i /root/client
            rm /root/client
            """,
        )  # fmt: skip


def test_new_keys_reach_keyrings_and_secrets_and_restart_what_reads_them(world: World) -> None:
    held = {world.controller: ("glance",), world.compute: ("nova", "cinder")}
    for host in held:
        run_bundle(host)
        host.run("cp", f"{HANDOFFS}/{host.name}.tar", "/root/old.tar")
    rotate(world, *CLIENTS)
    said = apply(world.admin, "--only", "40")
    assert len(actions("changed", said)) == len(held)  # a hand-off each
    for host, clients in held.items():
        refusal = f"the cluster does not accept the key of client.{clients[0]} in"
        assert f"{refusal} {HANDOFFS}/{host.name}.tar" in apply(host, status=65)
        host.run("rm", "-r", HANDOFFS)
        assert f"{refusal} /etc/ceph/ceph.client" in apply(host, "--verify", status=65)
        carry(world.admin, host)

    wake(world.controller)
    count = starts(world.controller, "glance-api")
    said = apply(world.controller)
    assert "its key is replaced (content hidden)" in said
    assert starts(world.controller, "glance-api") == count + 1
    OpenStack(world.controller).await_glance()
    assert OpenStack(world.controller).upload(b"by the new key") in world.ceph.images("images")
    doze(world.controller)
    said = apply(world.compute)
    assert said.count("its key is replaced") == said.count("its value is replaced") == 2
    listed = world.compute.run("sh", "-c", "virsh -q secret-list | cut -d' ' -f2").stdout.split()
    values = [world.compute.run("virsh", "-q", "secret-get-value", x).stdout for x in listed]
    assert {x.strip() for x in values} == {keys(world)[name] for name in held[world.compute]}

    for host in held:
        apply(host, "--verify")
        assert "0 changed" in apply(host)
        # what is older than what is installed does not come back unseen
        assert "does not accept the key" in apply(host, "--handoff", "/root/old.tar", status=65)


OTHER = edited(
    ("pools: {", "pools: {guests: {}, "),
    ("vms, client: nova", "guests, client: nova"),
    ("client: glance}", "client: pictures, options: {rbd_store_chunk_size: 4}}"),
    site=SITE,
)


def test_a_changed_site_converges_by_its_bundles_alone(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A pool renamed, a client exchanged, an option added; then all of that taken back."""
    config = {world.controller: GLANCE, world.compute: "/etc/nova/nova.conf"}
    before = {}
    for host, file in config.items():
        run_bundle(host)
        before[host] = host.read(file)
    count = starts(world.controller, "glance-api")

    rebundle(world, tmp_path_factory.mktemp("other"), OTHER)
    apply(world.admin)
    for host in config:
        carry(world.admin, host)
        apply(host)
        apply(host, "--verify")
    assert "images_rbd_pool = guests" in world.compute.read(config[world.compute])
    conf = world.controller.read(GLANCE)
    assert "rbd_store_user = pictures" in conf
    assert "rbd_store_chunk_size = 4" in conf
    assert starts(world.controller, "glance-api") == count + 1
    left = "/etc/ceph/ceph.client.glance.keyring: changed by an earlier bundle of this site"
    for mode in ((), ("--check",), ("--verify",)):
        assert left in run_bundle(world.controller, *mode)

    rebundle(world, tmp_path_factory.mktemp("back"), SITE)
    run_bundle(world.admin)
    for host, file in config.items():
        carry(world.admin, host)
        apply(host)
        apply(host, "--verify")
        assert host.read(file) == before[host]
    assert left.replace("glance", "pictures", 1) in apply(world.controller)
    apply(world.controller, "--rollback")
    assert world.controller.run("ls", "/etc/ceph").stdout.count("keyring") == 0


def test_an_option_that_the_site_no_longer_names_goes_back(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The new bundle alone knows; what somebody else added stays."""
    host = world.controller
    run_bundle(host)
    before = host.read(GLANCE)
    more = edited(
        ("client: glance}", "client: glance, options: {rbd_store_chunk_size: 4}}"), site=SITE
    )
    out = compiled(tmp_path_factory.mktemp("more"), more)
    host.put(out / "hosts/ctl1", "/root/more")
    apply(host, bundle="/root/more")
    assert "rbd_store_chunk_size = 4\n" in host.read(GLANCE)
    host.run("sed", "-i", r"s/^\[glance_store\]$/&\nmine = 1/", GLANCE)
    apply(host)
    after = host.read(GLANCE)
    assert "\nmine = 1\n" in after
    assert after.replace("mine = 1\n", "") == before
    assert "0 changed" in apply(host)
    apply(host, "--rollback", "--force")


def test_a_role_that_is_gone_is_named_and_rolled_back(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    host = world.controller
    original = host.read(GLANCE)
    run_bundle(host)
    without = edited(
        ("ctl1: {roles: [glance]}", "ctl1: {roles: [cinder]}"),
        ("  glance: {pool: images, client: glance}\n", ""),
        site=SITE,
    )
    rebundle(world, tmp_path_factory.mktemp("gone"), without)
    apply(world.admin, "--only", "40")
    carry(world.admin, host)
    said = apply(host)
    for file in (GLANCE, "/etc/ceph/ceph.client.glance.keyring"):
        assert f"{file}: changed by an earlier bundle of this site, left as it is" in said
    count = starts(host, "glance-api")
    said = apply(host, "--rollback")
    assert host.read(GLANCE) == original
    assert "restart glance-api.service" in "".join(actions("changed", said))
    assert starts(host, "glance-api") == count + 1
