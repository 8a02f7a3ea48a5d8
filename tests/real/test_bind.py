"""Bundles on real hosts, from the description to what the services themselves say.

A site is compiled, carried and applied as its runbook says.

There are two: a new one, with a `ceph-admin` host of its own, a controller and two computes, named
as RDO does; and one on Debian's names that somebody has bound by hand, as the wiki page says that
bundles replace, with Ceph on one of its computes. The tests build on each other in file order:
first everything that holds after the change, then what must be noticed when it is broken, last the
way back.
"""

from __future__ import annotations

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from compiling import ROOT, compiled, edited
from real import recipe
from real.bundles import (
    BUNDLE,
    GLANCE_CLIENT,
    SAID,
    apply,
    carry_out,
    run_bundle,
    started,
    statuses,
)
from rig import Host, Rig, ceph
from rig.libvirt import GuestRefusedError, Libvirt
from rig.openstack import CINDER, ApiError, OpenStack, nova_disk, start_compute, unit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rig.ceph import Ceph

pytestmark = pytest.mark.real
new_site = pytest.mark.parametrize("world", ["new"], indirect=True, scope="module")
"""For what does not depend on the platform, or on what was there."""
by_hand = pytest.mark.parametrize("world", ["by-hand"], indirect=True, scope="module")

FSID = "3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10"
HANDOFFS = "/var/lib/cephos/handoff"
OLD_IMAGE = b"in the file store before the change" * 1000
NEW_IMAGE = bytes(range(256)) * 8192

SITE = """
version: 1
site: lab
openstack: {release: zed, platform: rdo}
clusters:
  ceph:
    release: pacific
    fsid: FSID
    mon_host: [MONITOR]
    pools:
      glance-images: {pg_num: 8, autoscale: "off"}
      cinder-volumes: {pg_num: 8, target_size_ratio: 0.5}
      nova-vms: {}
services:
  glance: {pool: glance-images, client: images}
  cinder:
    backends:
      rbd:
        pool: cinder-volumes
        client: volumes
        volume_type: fast
        options: {rbd_max_clone_depth: 3}
  nova: {pool: nova-vms, client: nova, cow_snapshots: true}
hosts:
  ceph1: {roles: [ceph-admin]}
  ctl1: {roles: [glance, cinder]}
  cmp[1-2]: {roles: [nova-compute]}
"""


def page_site(mon_host: str, uuids: dict[str, str], key: str) -> str:
    """Return the site of the wiki page, from what `--init recipe` writes: made one's own.

    `key` is the public key that logs in as its deploy user.
    """
    return edited(
        ('release: "2025.1"', "release: zed"),
        ("platform: rdo ", "platform: debian "),
        ("release: squid", "release: pacific"),
        ("6f1d2c43-8a0e-4b57-9c1f-52d0b7e3a916", FSID),
        ("[192.168.8.11, 192.168.8.12, 192.168.8.13]", f"[{mon_host}]"),
        ("    # clients:", "    clients:"),
        (
            "    #   volumes: {secret_uuid: …}",
            f"      volumes: {{secret_uuid: {uuids['volumes']}}}",
        ),
        ("    #   nova: {secret_uuid: …}", f"      nova: {{secret_uuid: {uuids['nova']}}}"),
        ("node[2-3]", "node2"),
        ("{name: deploy}", f"{{name: deploy, authorized_keys: [{key}]}}"),
        site=(ROOT / "templates/recipe.yaml").read_text(),
    )


@dataclass(frozen=True)
class Before:
    """What somebody had who followed the page: of each, what its service calls it."""

    uuids: dict[str, str]
    key: str
    """A public key whose other half is root's on node1."""
    image: str
    volume: str
    files: dict[str, str]
    """What `configuration` told of each host."""


def configuration(host: Host) -> str:
    """Return content, owner and mode of all that the page has people edit."""
    return host.run("sh", "-c", r"""
        find /etc/ceph /etc/glance /etc/cinder /etc/nova -type f -exec sha256sum {} + | sort -k 2
        find /etc/ceph /etc/glance /etc/cinder /etc/nova -printf '%p %U:%G %m
' | sort
    """).stdout  # fmt: skip


def follow_the_page(openstack: OpenStack, node1: Libvirt, node2: Libvirt, lost: str) -> Before:
    """Bind the site by hand; a guest of node1 runs from a volume when that is done."""
    uuids = recipe.follow(node1.host, node2.host, openstack.host)
    openstack.await_glance()
    openstack.await_cinder("rbd")
    with pytest.raises(ApiError):  # `stores` was not set, so `crudini --get` told of none
        openstack.download(lost)
    image = openstack.upload(NEW_IMAGE)
    volume = openstack.create_volume(image)
    node1.boot("before", openstack.connect(volume))
    hosts = (node1.host, node2.host, openstack.host)
    node1.host.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/deploy")
    key = node1.host.read("/root/deploy.pub").strip()
    return Before(uuids, key, image, volume, {host.name: configuration(host) for host in hosts})


@dataclass(frozen=True)
class World:
    """A site after the change, and what was there before it."""

    out: Path
    ceph: Ceph
    openstack: OpenStack
    computes: tuple[Libvirt, Libvirt]
    old_image: str
    compute_ran_since: str
    """When nova-compute was started on the first compute, before the change."""
    said: dict[str, str]
    """What each host said to `./apply && ./apply --verify`, by name."""
    before: Before | None

    @property
    def hosts(self) -> list[Host]:
        """All hosts in the runbook's order; of the page's site, the first compute has Ceph too."""
        computes = [compute.host for compute in self.computes]
        return list(dict.fromkeys([self.ceph.host, *computes, self.openstack.host]))


@pytest.fixture(scope="module", params=["new", "by-hand"])
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    new = request.param == "new"
    with Rig("rdo" if new else "debian") as rig:
        if new:
            ceph1, ctl1, cmp1, cmp2 = rig.hosts("ceph1", "ctl1", "cmp1", "cmp2")
        else:
            cmp1, cmp2, ctl1 = rig.hosts("node1", "node2", "controller")
            ceph1 = cmp1
        openstack, computes = OpenStack(ctl1), (Libvirt(cmp1), Libvirt(cmp2))
        with ThreadPoolExecutor() as pool:
            cluster = pool.submit(ceph.start, ceph1, FSID)
            for start in [pool.submit(each.start) for each in (openstack, *computes)]:
                start.result()
        openstack.start_nova()
        start_compute(cmp1)  # on the other it stays stopped, as on a host that is out of service
        if new:  # on RDO guests run as qemu
            for compute in (cmp1, cmp2):
                compute.run("useradd", "--system", "qemu")
        old_image = openstack.upload(OLD_IMAGE)
        ran_since = started(cmp1, unit(cmp1, "nova-compute"))

        before = None if new else follow_the_page(openstack, *computes, old_image)
        monitor = cluster.result().mon_host
        if before:
            text = page_site(monitor, before.uuids, before.key)
        else:
            text = SITE.replace("FSID", FSID).replace("MONITOR", monitor)
        out = compiled(tmp_path_factory.mktemp("site"), text)
        for host in rig.members.values():
            host.put(out / "hosts" / host.name, "/root/cephos")
        said = carry_out((out / "RUNBOOK.md").read_text(), rig.members)
        openstack.await_glance()
        openstack.await_cinder("rbd")
        yield World(out, cluster.result(), openstack, computes, old_image, ran_since, said, before)


@new_site
def test_the_operators_guide_shows_what_a_compute_says(world: World) -> None:
    guide = (ROOT / "docs/operator.md").read_text()
    shown = guide.partition("root@compute01:/root/cephos# ./apply && ./apply --verify\n")[2]
    said = re.sub(r"(?m)^ +\.\. .*\n", "", world.said["cmp1"])  # waits differ from run to run
    assert shown.partition("```")[0] == said


@pytest.fixture(scope="module")
def image(world: World) -> str:
    return world.openstack.upload(NEW_IMAGE)


@pytest.fixture(scope="module")
def volume(world: World, image: str) -> str:
    return world.openstack.create_volume(image)


def test_an_image_lies_in_the_images_pool_byte_for_byte(world: World, image: str) -> None:
    assert image in world.ceph.images("glance-images")
    exported = world.ceph.host.run_bytes(
        "rbd", "export", "--no-progress", f"glance-images/{image}", "-"
    )
    assert exported.stdout == NEW_IMAGE
    assert world.openstack.download(image) == NEW_IMAGE


def test_an_image_that_was_in_the_file_store_is_still_served(world: World) -> None:
    assert world.openstack.download(world.old_image) == OLD_IMAGE


@new_site
def test_an_image_of_another_store_is_copied_into_rbd_under_its_id(world: World) -> None:
    """By Glance itself, as the bundle's tool asks it; then volumes are clones of it."""
    host = world.openstack.host
    image = world.openstack.upload(NEW_IMAGE, "outside \x1b", store="file")
    whole = world.openstack.upload(b"in rbd already")

    def tool(*arguments: str, status: int) -> str:
        command = (f"{BUNDLE}/tools/glance-images-to-rbd", *arguments)
        done = host.run(*command, env=GLANCE_CLIENT, check=False)
        assert (done.returncode, done.stderr) == (status, ""), done.stdout
        return done.stdout

    said = tool(image, whole, status=10)
    assert said == (
        f"would-copy {image}  outside ?\nthere      {whole}  rig\n"
        "total: 1 would-copy, 1 there\n-> to copy them: add --copy\n"
    )
    assert image not in world.ceph.images("glance-images")
    assert f"would-copy {image}" in tool(status=10)  # among all
    assert f"copied     {image}  outside" in tool("--copy", image, status=0)
    assert tool(image, status=0).startswith(f"there      {image}  ")
    assert image in world.ceph.images("glance-images")
    assert world.openstack.download(image) == NEW_IMAGE
    volume = world.openstack.create_volume(image)
    parent = world.ceph.parent("cinder-volumes", f"volume-{volume}")
    assert parent == f"glance-images/{image}@snap"


@new_site
def test_what_keeps_images_from_being_copied_is_said(world: World) -> None:
    host = world.openstack.host
    tool = f"{BUNDLE}/tools/glance-images-to-rbd"
    absent = "00000000-0000-0000-0000-000000000000"
    for arguments, client, status, said in (
        (("--store", "fast"), GLANCE_CLIENT, 69, "Glance has no store 'fast'"),
        ((absent,), GLANCE_CLIENT, 69, f"there is no image {absent}"),
        ((), {}, 69, "no credentials"),
        (("--brake",), GLANCE_CLIENT, 64, "unrecognized arguments: --brake"),
    ):
        done = host.run(tool, *arguments, env=client, check=False)
        assert done.returncode == status
        assert said in done.stderr


def test_a_volume_is_a_copy_on_write_clone_of_the_image(
    world: World, image: str, volume: str
) -> None:
    parent = world.ceph.parent("cinder-volumes", f"volume-{volume}")
    assert parent == f"glance-images/{image}@snap"


@new_site
def test_the_volume_type_of_the_runbook_leads_to_the_backend(world: World) -> None:
    """Its commands may be run again: a type that is there already is only set right."""
    runbook = (world.out / "RUNBOOK.md").read_text()
    commands = re.findall(r"(?m)^  \$ (openstack volume type .*)$", runbook)
    for _ in range(2):
        done = world.openstack.host.run("bash", "-ec", "\n".join(commands), env=CINDER_CLIENT)
        assert "volume_backend_name='rbd'" in done.stdout


CINDER_CLIENT = {
    "OS_AUTH_TYPE": "admin_token",
    "OS_ENDPOINT": CINDER,
    "OS_TOKEN": "rig:fa1e",
    "OS_VOLUME_API_VERSION": "3",
}


def test_a_guest_starts_from_the_volume_as_cinder_says_and_moves(world: World, volume: str) -> None:
    here, there = world.computes
    connection = world.openstack.connect(volume)
    assert (connection.user, connection.image) == ("volumes", f"cinder-volumes/volume-{volume}")
    here.boot("guest", connection)
    here.write("guest")
    here.migrate("guest", there)
    assert (here.state("guest"), there.state("guest")) == (None, "running")
    there.destroy("guest")


def test_nova_clones_the_image_and_a_guest_starts_from_its_disk(world: World, image: str) -> None:
    compute = world.computes[0]
    disk = nova_disk(compute.host, f"glance-images/{image}")
    assert disk.parent == f"glance-images/{image}@snap"
    assert disk.options["libvirt.disk_cachemodes"] == ["network=writeback"]
    compute.boot("nova", disk.xml)
    compute.write("nova")
    compute.destroy("nova")


def test_a_snapshot_is_a_clone_only_where_the_site_lets_it(world: World, image: str) -> None:
    """What Nova does for a copy-on-write snapshot: clone into the images' pool, set a location."""
    host = world.computes[0].host
    rbd = ("rbd", "--id", "nova")
    disk = nova_disk(host, f"glance-images/{image}").image
    host.run(*rbd, "snap", "create", f"{disk}@shot", user="nova")
    host.run(*rbd, "snap", "protect", f"{disk}@shot", user="nova")
    clone = (*rbd, "clone", f"{disk}@shot", "glance-images/shot")
    done = host.run(*clone, user="nova", check=False)
    if world.before:  # there the site says cow_snapshots: false
        assert "Operation not permitted" in done.stderr
        return
    assert done.returncode == 0
    host.run(*rbd, "snap", "create", "glance-images/shot@snap", user="nova")
    host.run(*rbd, "snap", "protect", "glance-images/shot@snap", user="nova")
    snapshot = world.openstack.add_location(f"rbd://{FSID}/glance-images/shot/snap")
    assert world.openstack.download(snapshot) == NEW_IMAGE


def test_nova_compute_was_restarted_where_it_ran_and_only_there(world: World) -> None:
    here, there = (compute.host for compute in world.computes)
    name = unit(here, "nova-compute")
    assert started(here, name) != world.compute_ran_since
    assert here.run("systemctl", "is-active", name).stdout == "active\n"
    assert there.run("systemctl", "is-active", name, check=False).stdout == "inactive\n"


def test_guests_clients_have_their_folders(world: World) -> None:
    """QEMU's user and Nova's can write there, in the whole path."""
    host = world.computes[0].host
    qemu = "qemu" if host.units == "rdo" else "libvirt-qemu"
    for user in (qemu, "nova"):
        for folder in ("/run/ceph-guests", "/var/log/ceph-guests"):
            host.run("touch", f"{folder}/{user}", user=user)
            host.run("rm", f"{folder}/{user}")


def test_every_verify_passes(world: World) -> None:
    for host in world.hosts:
        said = apply(host, "--verify")
        assert said.splitlines()[-1].startswith("ok            total                verify:")


@new_site
def test_a_second_apply_changes_and_restarts_nothing(world: World) -> None:
    def state(host: Host) -> str:
        """Everything under /etc with inode and time, and since when units run."""
        listed = ("-type", "f", "-printf", "%p %i %T@\n")
        files = host.run("find", "/etc", "/var/lib/cephos", *listed)
        units = host.run("systemctl", "show", "*.service", "-p", "Id,ActiveEnterTimestamp")
        return files.stdout + "".join(sorted(units.stdout.splitlines(keepends=True)))

    for host in world.hosts:
        before = state(host)
        said = apply(host)
        assert set(statuses(said).values()) <= {"ok", "skipped"}
        assert re.search(r"apply: \d+ ok, 0 changed", said)
        assert state(host) == before
        assert re.search(r"check: \d+ ok, 0 would-change", apply(host, "--check", "--diff"))
        assert state(host) == before


@new_site
def test_each_host_holds_its_own_keys_and_no_others(world: World) -> None:
    held = {
        host.name: set(
            re.findall(r"ceph\.client\.(\w+)\.keyring", host.run("ls", "/etc/ceph").stdout)
        )
        for host in world.hosts
    }
    assert held == {
        "ceph1": {"admin"},
        "ctl1": {"images", "volumes"},
        "cmp1": {"nova", "volumes"},
        "cmp2": {"nova", "volumes"},
    }
    listing = world.openstack.host.run(
        "stat", "-c", "%n %U:%G %a", "/etc/ceph/ceph.client.images.keyring"
    )
    assert listing.stdout.split()[1:] == ["glance:glance", "640"]


def test_keys_are_in_no_log_and_no_output(world: World) -> None:
    clients = ("images", "volumes", "nova")
    keys = {world.ceph.run("auth", "get-key", f"client.{name}") for name in clients}
    said = "".join(
        SAID + [host.run("sh", "-c", "cat /var/log/cephos/*").stdout for host in world.hosts]
    )
    assert len(keys) == len(clients)
    assert not [key for key in keys if key in said]
    for host in world.hosts:
        assert host.run("ls", "-A", "/run/cephos").stdout == "lock\n"


@new_site
def test_each_client_may_ask_what_the_page_has_it_asked(world: World) -> None:
    for host, client in zip(world.hosts[1:], ("nova", "volumes", "images"), strict=True):
        assert "osd.0" in host.run("ceph", "--id", client, "osd", "tree").stdout


@new_site
def test_pools_are_as_described(world: World) -> None:
    pools = {pool["pool_name"]: pool for pool in world.ceph.json("osd", "dump")["pools"]}
    assert pools["glance-images"]["pg_autoscale_mode"] == "off"
    assert pools["cinder-volumes"]["options"]["target_size_ratio"] == 0.5
    assert all("rbd" in pools[name]["application_metadata"] for name in pools if "-" in name)


def test_oslo_config_accepts_every_option_and_deprecates_none(world: World) -> None:
    """oslo-config-validator of the services' own release, on the patches that the bundles merge.

    Sections named by the operator are held against the options of the group that they stand for.
    """
    namespaces = {
        "glance-api.conf": "glance.api glance.store glance.multi_store",
        "cinder.conf": "cinder oslo.service.service os_brick",
        "nova.conf": "nova.conf oslo.cache os_brick",
    }
    stands_for = {
        "glance-api.conf": {"[rbd]": "[glance_store]", "[file]": "[glance_store]"},
        "cinder.conf": {"[rbd]": "[backend_defaults]"},
        "nova.conf": {},
    }
    compute, controller = world.computes[0].host, world.openstack.host
    for name, listed in namespaces.items():
        host = compute if name == "nova.conf" else controller
        patch = (world.out / "hosts" / host.name / "files" / name).read_text()
        for section, group in stands_for[name].items():
            patch = patch.replace(section, group)
        host.write("/root/patch.conf", patch)
        if name not in OPTIONS:  # of either site: both have the same services
            arguments = [word for each in listed.split() for word in ("--namespace", each)]
            OPTIONS[name] = host.run("oslo-config-generator", "--format=yaml", *arguments).stdout
        host.write("/root/options.yaml", OPTIONS[name])
        host.run(
            "oslo-config-validator",
            "--opt-data",
            "/root/options.yaml",
            "--input-file",
            "/root/patch.conf",
        )
        deprecated = host.run("python3", "-", input=DEPRECATED).stdout.split()
        # what copy-on-write snapshots cost in this release; the other site does without
        price = set() if world.before else {"DEFAULT.show_multiple_locations"}
        assert set(deprecated) <= price


OPTIONS: dict[str, str] = {}
"""What the generator says of a service, which takes it several seconds, by the service's file."""

DEPRECATED = """
import yaml
from oslo_config import cfg
sections = {}
cfg.ConfigParser("/root/patch.conf", sections).parse()
groups = yaml.load(open("/root/options.yaml"), yaml.CSafeLoader)["options"]
for section, options in sections.items():
    known = {each["name"].replace("-", "_"): each for each in groups[section]["opts"]}
    for option in options:
        if known[option].get("deprecated_for_removal"):
            print(section + "." + option)
"""


# --- what somebody had bound by hand, as the wiki page says


@by_hand
def test_what_was_bound_by_hand_goes_on(world: World) -> None:
    before, (here, there) = world.before, world.computes
    assert before
    assert world.openstack.download(before.image) == NEW_IMAGE
    here.write("before")
    here.migrate("before", there)
    there.destroy("before")
    # by the scheduler, which must know who serves a volume that is there
    world.openstack.extend_volume(before.volume, 2)
    assert (
        world.openstack.show_volume(before.volume)["os-vol-host-attr:host"] == "controller@rbd#RBD"
    )
    for host in world.hosts:
        assert ", 0 changed" in run_bundle(host)
    for compute in world.computes:
        secrets = compute.host.run("virsh", "-q", "secret-list").stdout.split()
        assert set(before.uuids.values()) == set(secrets[::4])
    applications = world.ceph.json("osd", "pool", "application", "get")
    assert all("rbd" in applications[pool] for pool in ("glance-images", "nova-vms"))


@by_hand
def test_what_the_page_left_is_named_where_it_stands(world: World) -> None:
    """Options that nothing reads, and keys in files that everybody may read."""
    node1, _, controller = world.hosts
    stores = "[glance_store] stores, [glance_store] default_store"
    left = "!! keys of this site stand in files that it does not read: /etc/ceph"
    for host, lines in {
        controller: (
            f"!! /etc/glance/glance-api.conf: nothing reads {stores}\n",
            "!! /etc/cinder/cinder.conf: nothing reads [rbd] glance_api_version\n",
            f"{left}/client.images.key (root:root 0644), /etc/ceph/client.volumes.key (root:",
        ),
        node1: (
            "!! /etc/nova/nova.conf: nothing reads [DEFAULT] disk_cachemodes\n",
            f"{left}/ceph.client.images.keyring (root:root 0644), /etc/ceph/client.images.key (",
            # of the same kind, but this one libvirt's step looks after
            "keyring /etc/ceph/ceph.client.volumes.keyring (root:root 0600): was root:root 0644",
        ),
    }.items():
        assert [line for line in lines if line not in world.said[host.name]] == []
    (command,) = re.findall(r"-> if nothing else on this host reads them: (.*)", apply(node1))
    node1.run("sh", "-c", command)
    assert "keys of this site" not in apply(node1, "--verify")


DEPLOYS = "/etc/sudoers.d/cephos-recipe"


@by_hand
def test_who_has_the_key_carries_and_applies(world: World) -> None:
    node1, node2, _ = world.hosts
    ssh = ("ssh", "-i", "/root/deploy", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes")
    done = node1.run(*ssh, "deploy@node2", f"sudo -n {BUNDLE}/apply --check")
    assert done.stdout.splitlines()[-1].startswith("ok            total                check:")
    assert node2.run("stat", "-c", "%U:%G %a", DEPLOYS).stdout == "root:root 440\n"
    assert node2.run("getent", "shadow", "deploy").stdout.startswith("deploy:*:")


@by_hand
def test_a_host_that_is_not_prepared_is_refused_before_the_first_change(world: World) -> None:
    host = world.hosts[1]
    for do, undo, status, said in (
        (
            (
                "cp -a /var/lib/dpkg/status /root; sed -i /^Package:.qemu-block-extra$/,/^$/d"
                " /var/lib/dpkg/status"
            ),
            "mv /root/status /var/lib/dpkg",
            69,
            "not installed: qemu-block-extra",
        ),
        (
            "echo nonsense >/etc/sudoers.d/other",
            "rm /etc/sudoers.d/other",
            69,
            "sudo's rules on this host are not right: ",
        ),
        (
            "sed -i 's/^@includedir/# includedir/' /etc/sudoers",
            "sed -i 's/^# includedir/@includedir/' /etc/sudoers",
            69,
            "sudo of this host does not read /etc/sudoers.d",
        ),
        (
            "usermod --shell /usr/sbin/nologin deploy",
            "usermod --shell /bin/bash deploy",
            1,
            "it is there already, and nobody's to log in as",
        ),
    ):
        host.run("sh", "-ec", do)
        try:
            assert said in apply(host, "--check", status=status)
        finally:
            host.run("sh", "-ec", undo)


# --- what must be noticed


@new_site
def test_a_wrong_secret_uuid_is_noticed_and_repaired(world: World, volume: str) -> None:
    """The test of a guest from a volume can fail; --verify says so first; apply mends it."""
    controller, compute = world.openstack.host, world.computes[0]
    conf = controller.read("/etc/cinder/cinder.conf")
    wrong = re.sub(r"(?m)^rbd_secret_uuid = .*", f"rbd_secret_uuid = {FSID}", conf)
    assert wrong != conf
    controller.write("/root/wrong.conf", wrong)
    controller.run("cp", "/root/wrong.conf", "/etc/cinder/cinder.conf")
    controller.run("systemctl", "restart", world.openstack.unit("cinder-volume"))
    world.openstack.await_cinder("rbd")
    with pytest.raises(GuestRefusedError):
        compute.boot("guest", world.openstack.connect(volume))
    assert "cinder.conf as in files/cinder.conf: is patched" in apply(
        controller, "--verify", status=1
    )
    assert (
        statuses(apply(controller))["80-cinder /etc/cinder/cinder.conf as in files/cinder.conf"]
        == "changed"
    )
    world.openstack.await_cinder("rbd")
    compute.boot("guest", world.openstack.connect(volume))
    compute.destroy("guest")


@new_site
def test_an_unreadable_keyring_is_noticed_and_repaired(world: World) -> None:
    controller = world.openstack.host
    controller.run("chown", "root:root", "/etc/ceph/ceph.client.images.keyring")
    controller.run("chmod", "0600", "/etc/ceph/ceph.client.images.keyring")
    controller.run("systemctl", "restart", world.openstack.unit("glance-api"))
    world.openstack.await_glance()
    with pytest.raises(ApiError):
        world.openstack.upload(NEW_IMAGE)
    assert "was root:root 0600" in apply(controller, "--verify", status=1)
    said = statuses(apply(controller))
    assert said[f"50-glance restart {world.openstack.unit('glance-api')}.service"] == "changed"
    world.openstack.await_glance()
    assert world.openstack.upload(NEW_IMAGE) in world.ceph.images("glance-images")


@new_site
def test_a_wrong_key_in_libvirt_is_noticed_and_repaired(world: World) -> None:
    compute = world.computes[0].host
    uuid = compute.run("virsh", "-q", "secret-list").stdout.split()[0]
    compute.run("virsh", "-q", "secret-set-value", uuid, "--file", "/dev/stdin", input="d3Jvbmc=")
    assert "its value is replaced (content hidden)" in apply(compute, "--verify", status=1)
    assert "changed" in statuses(apply(compute)).values()
    apply(compute, "--verify")


@new_site
def test_changed_capabilities_are_updated_and_said(world: World) -> None:
    admin = world.ceph.host
    before = world.ceph.run("auth", "get", "client.volumes")
    world.ceph.run(
        "auth", "caps", "client.volumes", "mon", "allow r", "osd", "allow rwx pool=nova-vms"
    )
    said = apply(admin, "--check", status=10)
    assert "mon caps + 'profile rbd' - 'allow r'; osd caps +" in said
    assert statuses(apply(admin))["20-clients client.volumes of cluster ceph"] == "changed"
    assert world.ceph.run("auth", "get", "client.volumes") == before


@new_site
def test_a_client_that_may_do_too_much_fails_the_proof(world: World) -> None:
    """The proof of access can fail: here the capabilities are widened behind its back."""
    admin = world.ceph.host
    world.ceph.run("auth", "caps", "client.nova", "mon", "profile rbd", "osd", "profile rbd")
    said = apply(admin, "--only", "30", status=1)
    assert "the cluster let it create an image in pool cinder-volumes" in said
    assert world.ceph.images("cinder-volumes") == [
        image for image in world.ceph.images("cinder-volumes") if image.startswith("volume-")
    ]
    apply(admin)


# --- the way back


@new_site
def test_rollback_restores_every_file_and_apply_converges_again(world: World) -> None:
    host = world.openstack.host
    pristine = "/var/lib/cephos/lab/pristine"
    kept = host.run("find", pristine, "-type", "f", "-printf", "/%P\n").stdout.split()
    assert sorted(kept) == ["/etc/cinder/cinder.conf", "/etc/glance/glance-api.conf"]
    original = {path: host.run("sha256sum", f"{pristine}{path}").stdout.split()[0] for path in kept}
    said = apply(host, "--rollback")
    for path, digest in original.items():
        assert host.run("sha256sum", path).stdout.split()[0] == digest
        base = subprocess.run(
            ["stat", "-c", "%u:%g %a", f"{host.base}{path}"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert host.run("stat", "-c", "%u:%g %a", path).stdout == base.stdout
    assert "client" not in host.run("ls", "/etc/ceph").stdout
    assert len(re.findall(r"(?m)^changed .* restart ", said)) == 2
    world.openstack.await_glance()
    assert world.openstack.download(world.old_image) == OLD_IMAGE
    assert "0 changed" in apply(host, "--rollback")
    assert "changed" in statuses(apply(host)).values()
    world.openstack.await_glance()
    apply(host, "--verify")


@new_site
def test_rollback_does_not_overwrite_what_somebody_else_changed(world: World) -> None:
    host = world.computes[1].host
    host.run("sh", "-c", "echo '# mine' >>/etc/nova/nova.conf")
    said = apply(host, "--rollback", status=1)
    assert "/etc/nova/nova.conf: somebody has changed it after apply did" in said
    assert host.read("/etc/nova/nova.conf").endswith("# mine\n")
    assert "images_type = rbd" in host.read("/etc/nova/nova.conf")
    said = apply(host, "--rollback", "--force")
    assert "images_type = rbd" not in host.read("/etc/nova/nova.conf")
    assert re.search(r"skipped .* libvirt secret .*: left alone", said)


@by_hand
def test_rollback_brings_back_what_was_bound_by_hand(world: World) -> None:
    """All but the files that a test took away as it was told to."""
    assert world.before
    for host in world.hosts:
        apply(host, "--rollback")
        now, before = (
            set(text.splitlines()) for text in (configuration(host), world.before.files[host.name])
        )
        assert not now - before
        assert all(re.search(r"/etc/ceph/\S+\.key(ring)?( |$)", line) for line in before - now)
        assert host.run("test", "-e", DEPLOYS, check=False).returncode


@by_hand
def test_volumes_that_would_lose_their_backend_are_kept_from_it(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The page gave the backend no name, so its volumes go by what the driver calls itself."""
    assert world.before
    text = page_site(world.ceph.mon_host, world.before.uuids, world.before.key)
    renamed = edited(("        volume_backend_name: RBD\n", ""), site=text)
    out = compiled(tmp_path_factory.mktemp("renamed"), renamed)
    host = world.openstack.host
    host.put(out / "hosts/controller", "/root/renamed")
    before = configuration(host)
    said = apply(host, status=1, bundle="/root/renamed")
    assert "are found by [rbd] volume_backend_name = RBD; the site says rbd" in said
    assert configuration(host) == before
