"""What a bundle promises of a production host, on hosts that are not as it expects.

A refusal comes before the first change, with its own exit status, and says what to do.
"""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from compiling import compiled
from real import lab
from real.bundles import (
    BUNDLE,
    HANDOFFS,
    actions,
    apply,
    carry,
    carry_out,
    run_bundle,
    started,
    traces,
)
from real.lab import FSID, SITE, UUID, World, undone
from real.tracing import programs
from rig import Host, Rig, ceph
from rig.libvirt import Libvirt

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with lab.world(tmp_path_factory.mktemp("careful")) as world:
        yield world


def refused(host: Host, status: int, message: str, *arguments: str) -> None:
    """The bundle refuses, in apply and in --check, in the same words, and changes nothing."""
    before = traces(host)
    said = [apply(host, *mode, *arguments, status=status) for mode in ((), ("--check",))]
    assert message in said[0], said[0]
    assert "->" in said[0]
    assert said[0].replace("apply:", "check:").replace(", 0 changed", ", 0 would-change") == said[1]
    assert traces(host) == before


@dataclass(frozen=True)
class Strange:
    """Something done to a host, how it is undone, and what the bundle says of it."""

    do: str
    undo: str
    status: int
    message: str
    host: str = "compute"


KEEP = f"cp -a {BUNDLE} /root/kept"
RESTORE = f"rm -rf {BUNDLE}; mv /root/kept {BUNDLE}"
KEEP_HANDOFF = f"cp -a {HANDOFFS}/cmp1.tar /root"
RESTORE_HANDOFF = f"mv /root/cmp1.tar {HANDOFFS}"
OPEN = f"{KEEP_HANDOFF}; mkdir /root/open; cd /root/open; tar -xf ../cmp1.tar"
RESEAL = (
    f"sha256sum handoff.env *.keyring >SHA256SUMS; tar -cf {HANDOFFS}/cmp1.tar *; rm -r /root/open"
)
LIST_MORE = RESEAL.replace("; tar", "; printf '%064d  /dev/zero' 0 >>SHA256SUMS; tar")
NOVA = "/etc/nova/nova.conf"
KEEP_NOVA = f"cp -a {NOVA} /root"
RESTORE_NOVA = f"rm -rf {NOVA}; mv /root/nova.conf /etc/nova"
REMOVE_VMS = "ceph osd pool rm vms vms --yes-i-really-really-mean-it"
SMALL = "cp -a {0} /root/copy; mount -t tmpfs -o size=12m small {0}; cp -a /root/copy/. {0}"
# hosts of today have newer ones, so only what virsh says of them is old
OLD_VIRSH = (
    "mv /usr/bin/virsh /usr/bin/virsh.real;"
    ' printf \'#!/bin/sh\nvirsh.real "$@" | sed "{}"\n\' >/usr/bin/virsh; chmod +x /usr/bin/virsh'
)
RESTORE_VIRSH = "mv /usr/bin/virsh.real /usr/bin/virsh"
STRANGE = {
    "a byte changed": Strange(
        f"{KEEP}; sed -i s/rbd/rbx/ {BUNDLE}/files/nova.conf", RESTORE,
        65, "the bundle is damaged: files/nova.conf: FAILED",
    ),
    "a file missing": Strange(
        f"{KEEP}; rm {BUNDLE}/steps/70-nova.sh", RESTORE, 65, "the bundle is damaged: sha256sum:"
    ),
    "a file added": Strange(
        f"{KEEP}; touch {BUNDLE}/steps/99-more.sh", RESTORE,
        65, "a file that it was not compiled with: steps/99-more.sh",
    ),
    "another host": Strange(
        "hostname other", "hostname cmp1", 65, "this bundle is for host cmp1, but this host calls"
    ),
    "no hand-off": Strange(
        f"mv {HANDOFFS} /root/handoffs", f"mv /root/handoffs {HANDOFFS}",
        65, "no hand-off has its key, and it is not here yet",
    ),
    "a hand-off cut short": Strange(
        f"{KEEP_HANDOFF}; truncate -s 700 {HANDOFFS}/cmp1.tar", RESTORE_HANDOFF, 65, "is refused: "
    ),
    "a byte of the hand-off changed": Strange(
        f"{KEEP_HANDOFF}; sed -i 's/key = A/key = B/' {HANDOFFS}/cmp1.tar",
        RESTORE_HANDOFF, 65, "a checksum in it does not match",
    ),
    "a hand-off that lists what is not in it": Strange(
        f"{OPEN}; {LIST_MORE}", RESTORE_HANDOFF,
        65, "its SHA256SUMS lists something that is not in it (/dev/zero)",
    ),
    "a hand-off that would fill the memory": Strange(
        f"{OPEN}; truncate -s 2M big.keyring; {RESEAL}", RESTORE_HANDOFF, 65, "it holds 2097"
    ),
    "a hand-off of another host": Strange(
        f"{OPEN}; sed -i s/host=cmp1/host=ctl1/ handoff.env; {RESEAL}", RESTORE_HANDOFF,
        65, "it is for site=lab, host=ctl1, this host is site=lab, host=cmp1",
    ),
    "a hand-off of another site": Strange(
        f"{OPEN}; sed -i s/site=lab/site=par/ handoff.env; {RESEAL}", RESTORE_HANDOFF,
        65, "it is for site=par, host=cmp1, this host is site=lab, host=cmp1",
    ),
    "a key that the cluster does not know": Strange(
        f"{OPEN}; printf '[client.nova]\\nkey = AQDn9wJr5n7QGxAASwi39T0LPRm/EtfPuPsMgQ==\\n'"
        f" >ceph.client.nova.keyring; {RESEAL}", RESTORE_HANDOFF,
        65, f"the cluster does not accept the key of client.nova in {HANDOFFS}/cmp1.tar",
    ),
    "a key in ceph.conf": Strange(
        "printf '[client.nova]\\nkey = AQDn9wJr5n7QGxAASwi39T0LPRm/EtfPuPsMgQ==\\n'"
        " >/etc/ceph/ceph.conf", "rm /etc/ceph/ceph.conf",
        69, "/etc/ceph/ceph.conf keeps client.nova out of the cluster",
    ),
    "a command missing": Strange(
        "mv /usr/bin/rbd /root", "mv /root/rbd /usr/bin", 69, "the command 'rbd' is missing"
    ),
    "a user missing": Strange(
        "sed -i s/^nova:/avon:/ /etc/passwd", "sed -i s/^avon:/nova:/ /etc/passwd",
        69, "there is no user 'nova' on this host",
    ),
    "a group missing": Strange(
        "sed -i s/^nova:/avon:/ /etc/group", "sed -i s/^avon:/nova:/ /etc/group",
        69, "there is no group 'nova' on this host",
    ),
    "a unit missing": Strange(
        "mv /lib/systemd/system/nova-compute.service /root; mv /etc/init.d/nova-compute /root;"
        " systemctl daemon-reload",
        "mv /root/nova-compute.service /lib/systemd/system; mv /root/nova-compute /etc/init.d;"
        " systemctl daemon-reload",
        69, "there is no unit nova-compute.service",
    ),
    "a unit that runs and is masked": Strange(
        "systemctl mask --runtime glance-api", "systemctl unmask --runtime glance-api",
        69, "restart glance-api.service: it is masked, though it is not stopped", "controller",
    ),
    "a configuration file missing": Strange(
        f"mv {NOVA} /root", RESTORE_NOVA, 69, "the file does not exist"
    ),
    "a link to nothing for a configuration file": Strange(
        f"mv {NOVA} /root; ln -s gone.conf {NOVA}", RESTORE_NOVA,
        69, "it is a symbolic link to nothing",
    ),
    "a folder for a configuration file": Strange(
        f"mv {NOVA} /root; mkdir {NOVA}", RESTORE_NOVA, 69, "it is a directory, not a file"
    ),
    "a pipe for a configuration file": Strange(
        f"mv {NOVA} /root; mkfifo {NOVA}", RESTORE_NOVA, 69, "it is a fifo, not a file"
    ),
    "a folder for a keyring": Strange(
        "mkdir /etc/ceph/ceph.client.nova.keyring", "rmdir /etc/ceph/ceph.client.nova.keyring",
        69, "it is a directory, not a file",
    ),
    "a keyring that is another by a link": Strange(
        "cd /etc/ceph; install -m 0600 /dev/null ceph.client.nova.keyring;"
        " ln -s ceph.client.nova.keyring ceph.client.cinder.keyring",
        "rm /etc/ceph/ceph.client.*.keyring",
        1, ".keyring are one file, through a symbolic link",
    ),
    "an immutable configuration file": Strange(
        f"chattr +i {NOVA}", f"chattr -i {NOVA}", 69, f"not even root can write to {NOVA}"
    ),
    "an immutable folder": Strange(
        "chattr +i /etc/nova", "chattr -i /etc/nova", 69, "not even root can write to /etc/nova"
    ),
    "a configuration file that only grows": Strange(
        f"chattr +a {NOVA}", f"chattr -a {NOVA}", 69, f"{NOVA} is append-only",
    ),
    "a folder that only grows": Strange(
        "chattr +a /etc/nova", "chattr -a /etc/nova", 69, "/etc/nova is append-only",
    ),
    "a read-only file system": Strange(
        "mount --bind /etc/nova /etc/nova; mount -o remount,bind,ro /etc/nova", "umount /etc/nova",
        69, f"not even root can write to {NOVA}",
    ),
    "a configuration file mounted alone": Strange(
        f"mount --bind {NOVA} {NOVA}", f"umount {NOVA}", 69, "it is a mount point"
    ),
    "a full disk under a configuration file": Strange(
        SMALL.format("/etc/nova"), "umount /etc/nova; rm -r /root/copy",
        69, "MiB are free on the file system of /etc/nova; 16 are needed",
    ),
    "a full disk for what rollback needs": Strange(
        SMALL.format("/var/lib/cephos"), "umount /var/lib/cephos; rm -r /root/copy",
        69, "MiB are free on the file system of /var/lib/cephos",
    ),
    "a clock in the past": Strange( # seen from the host it is the same
        f"{KEEP}; touch -d '3 days' {BUNDLE}/SHA256SUMS", RESTORE,
        69, "the clock of this host says ",
    ),
    "a configuration file that Nova cannot read": Strange(
        f"{KEEP_NOVA}; echo nonsense >>{NOVA}", RESTORE_NOVA, 65, f"{NOVA}:",
    ),
    "a file that Nova reads later says otherwise": Strange(
        "cp -a /etc/nova/nova-compute.conf /root;"
        " echo images_type = qcow2 >>/etc/nova/nova-compute.conf",
        "mv /root/nova-compute.conf /etc/nova", 69, "it sets [libvirt] images_type otherwise",
    ),
    "another cluster": Strange(
        "echo '[global]\nfsid = \\\n\"11111111-2222-3333-4444-555555555555\"' >/etc/ceph/ceph.conf",
        "rm /etc/ceph/ceph.conf", 65, "bound to another cluster (fsid 11111111-2222",
    ),
    "a configuration file of Ceph that Nova may not read": Strange(
        "install -m 0600 /dev/null /etc/ceph/ceph.conf", "rm /etc/ceph/ceph.conf",
        69, "user nova cannot read /etc/ceph/ceph.conf (root:root 0600)",
    ),
    "a folder of Ceph that Nova may not enter": Strange(
        "chmod 0750 /etc/ceph", "chmod 0755 /etc/ceph",
        69, "user nova cannot read /etc/ceph (",
    ),
    "libvirt stopped": Strange(
        "systemctl stop libvirtd.service libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket",
        "systemctl start libvirtd.service", 69, "libvirt does not answer",
    ),
    "a libvirt that Nova does not start on": Strange(
        OLD_VIRSH.format("s/daemon: .*/daemon: 5.10.0/"), RESTORE_VIRSH,
        69, "virsh version says against daemon: 5.10.0",
    ),
    "a QEMU that Nova does not start on": Strange(
        OLD_VIRSH.format("s/QEMU 7.*/QEMU 4.1.1/"), RESTORE_VIRSH,
        69, "virsh version says hypervisor: QEMU 4.1.1",
    ),
    "a secret of that name with another UUID": Strange(
        "echo '<secret><uuid>99999999-79c5-4b5e-9d44-2f8f0e3b6a11</uuid><usage type=\"ceph\">"
        "<name>ceph.client.nova secret</name></usage></secret>' >/root/s.xml;"
        " virsh -q secret-define /root/s.xml",
        "virsh -q secret-undefine 99999999-79c5-4b5e-9d44-2f8f0e3b6a11",
        1, "a secret of this name with UUID 99999999-79c5-4b5e-9d44-2f8f0e3b6a11",
    ),
    "a private secret": Strange(
        f"echo '<secret private=\"yes\"><uuid>{UUID}</uuid>"
        "<usage type=\"ceph\"><name>ceph.client.nova secret</name></usage></secret>' >/root/s.xml;"
        " virsh -q secret-define /root/s.xml",
        f"virsh -q secret-undefine {UUID}",
        1, "libvirt holds it as private",
    ),
    "an ephemeral secret": Strange(
        f"echo '<secret ephemeral=\"yes\"><uuid>{UUID}</uuid>"
        "<usage type=\"ceph\"><name>ceph.client.nova secret</name></usage></secret>' >/root/s.xml;"
        " virsh -q secret-define /root/s.xml",
        f"virsh -q secret-undefine {UUID}",
        1, "libvirt holds it as ephemeral",
    ),
    "that UUID for something else": Strange(
        f"echo '<secret><uuid>{UUID}</uuid><usage type=\"ceph\">"
        f"<name>mine</name></usage></secret>' >/root/s.xml;"
        " virsh -q secret-define /root/s.xml;"
        f" printf bWluZQ== | virsh -q secret-set-value {UUID} --file /dev/stdin",
        f"virsh -q secret-undefine {UUID}",
        1, "libvirt already uses this UUID for 'ceph mine'",
    ),
    "that UUID without a value": Strange(
        f"echo '<secret><uuid>{UUID}</uuid><usage type=\"ceph\">"
        f"<name>mine</name></usage></secret>' >/root/s.xml; virsh -q secret-define /root/s.xml",
        f"virsh -q secret-undefine {UUID}",
        1, "libvirt has this UUID for 'ceph mine', without a value",
    ),
    "a pool that belongs to CephFS": Strange(
        "ceph osd pool application enable volumes cephfs --yes-i-really-mean-it",
        "ceph osd pool application disable volumes cephfs --yes-i-really-mean-it",
        1, "it is there already, and belongs to cephfs", "admin",
    ),
    "an erasure-coded pool": Strange(
        f"{REMOVE_VMS}; ceph osd pool create vms 8 8 erasure",
        f"{REMOVE_VMS}; ceph osd pool create vms; rbd pool init vms",
        1, "it is there already, erasure-coded", "admin",
    ),
}  # fmt: skip


@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE.keys())
def test_a_strange_host_is_refused_before_the_first_change(world: World, strange: Strange) -> None:
    host: Host = getattr(world, strange.host)
    host.run("sh", "-ec", strange.do)
    try:
        refused(host, strange.status, strange.message)
    finally:
        host.run("sh", "-ec", strange.undo)


def test_a_bundle_for_another_cluster_is_refused(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Its monitors answer, but they are not of the cluster that the site describes."""
    other = FSID.replace("3b2f", "4c30")
    out = compiled(tmp_path_factory.mktemp("other"), SITE.replace(FSID, other))
    world.compute.put(out / "hosts/cmp1", "/root/other")
    before = traces(world.compute)
    said = apply(world.compute, status=69, bundle="/root/other")
    assert f"the cluster at 192.168.8.11 has fsid {FSID}, this bundle is for {other}" in said
    assert traces(world.compute) == before


def test_only_root_may_apply(world: World) -> None:
    world.compute.run("cp", "-r", BUNDLE, "/var/tmp/cephos")  # noqa: S108  # on a host of the test
    done = world.compute.run("/var/tmp/cephos/apply", user="glance", check=False)  # noqa: S108
    assert (done.returncode, "this must run as root" in done.stdout) == (69, True)


def test_one_apply_at_a_time(world: World) -> None:
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(run_bundle, world.compute, "--check", status=None) for _ in range(2)]
        said = sorted((run.result() for run in runs), key=len)
    assert "another apply is running on this host" in said[0]
    assert "would-change" in said[1]
    with world.compute.popen("flock", "/run/cephos/lock", "sh", "-c", "echo; read x") as holder:
        assert holder.stdout
        holder.stdout.readline()
        refused(world.compute, 75, "another apply is running on this host")
        holder.communicate(b"\n")


OTHER_STORES = "enabled_backends = file:file, far:s3, rbd:cinder"


def test_images_in_a_store_that_would_be_lost_from_view_are_refused(world: World) -> None:
    host = world.controller
    conf = host.read("/etc/glance/glance-api.conf")
    for line, message in {
        "stores = file,swift": "images in its store 'swift' would be lost from view",
        "filesystem_store_datadir = /srv/images": "its images lie in /srv/images",
    }.items():
        changed = re.sub(r"(?m)^\[glance_store\]$", rf"[glance_store]\n{line}", conf)
        host.write("/root/glance.conf", changed)
        host.run("sed", "-i", "/^filesystem_store_datadir = .var/d", "/root/glance.conf")
        host.run("cp", "/root/glance.conf", "/etc/glance/glance-api.conf")
        refused(host, 1, message)
    shown = re.sub(r"(?m)^\[DEFAULT\]$", f"[DEFAULT]\n{OTHER_STORES}", conf)
    host.write("/root/glance.conf", shown)
    host.run("cp", "/root/glance.conf", "/etc/glance/glance-api.conf")
    refused(host, 1, "show_image_direct_url would show the keys of its store 'far' to every user")
    refused(host, 1, "it has a store 'rbd' of another type, cinder")
    host.write("/root/glance.conf", conf)
    host.run("cp", "/root/glance.conf", "/etc/glance/glance-api.conf")


OLD_RBD = """#!/bin/sh
case $* in
  --version) echo 'ceph version 15.2.10 (27917a5) octopus (stable)' ;;
  *) exec rbd.real "$@" ;;
esac
"""


def test_a_client_that_a_cluster_may_lock_out_is_told(world: World) -> None:
    """Real clients of that age run on no host of today, so only what they call themselves is."""
    host = world.compute
    told = "!! Ceph's programs here are 15.2.10: "
    assert told not in apply(host, "--check", status=10)
    host.run("mv", "/usr/bin/rbd", "/usr/bin/rbd.real")
    try:
        host.write("/usr/bin/rbd", OLD_RBD, 0o755)
        assert apply(host, "--check", status=10).count(told) == 1
        newer = OLD_RBD.replace("15.2.10", "15.2.11")
        host.write("/usr/bin/rbd", newer, 0o755)
        assert "!!" not in apply(host, "--check", status=10)
    finally:
        host.run("mv", "/usr/bin/rbd.real", "/usr/bin/rbd")


def test_a_pool_with_other_settings_is_said_and_left_alone(world: World) -> None:
    for arguments in ((), ("--verify",)):
        said = apply(world.admin, *arguments, "--only", "10")
        assert "pool images: size is 1, site.yaml says 2; left alone" in said
        assert "to change it: ceph osd pool set images size 2" in said
    assert world.ceph.json("osd", "pool", "get", "images", "size")["size"] == 1


NARROWER = "+ 'profile rbd-read-only pool=images'"
WIDER = "- 'profile rbd pool=volumes'"


@pytest.mark.parametrize(
    ("osd", "change"),
    [
        ("profile rbd pool=vms", f"osd caps {NARROWER}"),
        (
            "profile rbd pool=vms, profile rbd-read-only pool=images, profile rbd pool=volumes",
            f"osd caps {WIDER}",
        ),
        ("profile rbd pool=vms,profile rbd pool=volumes", f"osd caps {NARROWER} {WIDER}"),
        ("profile rbd-read-only pool=images, profile rbd pool=vms", None),
    ],
    ids=["narrower", "wider", "both", "in another order"],
)
def test_capabilities_that_differ_are_said_word_by_word(
    world: World, osd: str, change: str | None
) -> None:
    services = ("mon", "profile rbd", "mgr", "profile rbd pool=vms", "osd")
    world.ceph.run("auth", "caps", "client.nova", *services, osd)
    said = apply(world.admin, "--only", "20")
    assert actions("changed", said) == (
        [f"20-clients           client.nova of cluster ceph: {change}"] if change else []
    )


def test_questions_leave_nothing_among_the_logs_of_guests(world: World) -> None:
    """Each client would make a file there by what ceph.conf says."""
    host = world.compute
    for arguments in ((), (), ("--check",), ("--verify",)):
        apply(host, *arguments)
    assert host.run("find", "/run/ceph-guests", "/var/log/ceph-guests", "-type", "f").stdout == ""


def test_a_bundle_runs_from_a_medium_mounted_noexec(world: World) -> None:
    host = world.compute
    host.run("sh", "-ec", f"mount --bind {BUNDLE} {BUNDLE}; mount -o remount,bind,noexec {BUNDLE}")
    try:
        assert host.run(f"{BUNDLE}/apply", check=False).returncode == 126
        host.run("bash", f"{BUNDLE}/apply")
        assert "0 changed" in host.run("sh", "-c", f"cd {BUNDLE}; bash apply").stdout
    finally:
        host.run("umount", BUNDLE)


def test_a_run_ends_as_it_should_though_nobody_reads_what_it_says(world: World) -> None:
    """A lost connection looks like `head`; each line is in the log before it is printed."""
    host = world.compute
    undone(host)
    for arguments, output, status, total in (
        ("--check --diff", "| head -n 1", 10, " check: "),
        ("", "| head -n 1", 0, " apply: "),
        ("", ">/dev/full", 0, ", 0 changed"),
        ("--verify", ">&-", 0, " verify: "),
    ):
        command = f"{BUNDLE}/apply {arguments} {output}; exit ${{PIPESTATUS[0]}}"
        done = host.run("bash", "-c", command, check=False, timeout=300)
        assert (done.returncode, done.stderr) == (status, "")
        last = host.read("/var/log/cephos/lab.log").splitlines()[-1]
        assert " ok            total               " in last
        assert total in last


def test_what_the_caller_has_set_changes_nothing(world: World) -> None:
    host = world.compute
    settings = {
        "POSIXLY_CORRECT": "1",
        "TAR_OPTIONS": "-v",
        "GREP_OPTIONS": "-v",
        "GLOBIGNORE": "*",
    }
    done = host.run(f"{BUNDLE}/apply", "--check", env=settings, check=False)
    assert (done.stdout, done.stderr) == (run_bundle(host, "--check", status=None), "")


def test_a_later_run_needs_no_handoff(world: World) -> None:
    apply(world.compute)
    world.compute.run("rm", "-r", HANDOFFS)
    assert "0 changed" in apply(world.compute)
    apply(world.compute, "--verify")
    carry(world.admin, world.compute)


def test_a_handoff_is_found_where_it_was_named_or_beside_apply(world: World) -> None:
    host = world.compute
    sealed = world.ceph.host.run_bytes("cat", f"{HANDOFFS}/cmp1.tar").stdout
    undone(host)
    host.run_bytes("install", "-m", "0600", "/dev/stdin", "/root/mine.tar", input=sealed)
    assert "changed" in apply(host, "--handoff", "/root/mine.tar")
    undone(host)
    host.run("install", "-D", "-m", "0600", "/root/mine.tar", f"{BUNDLE}/handoff/cmp1.tar")
    assert "changed" in apply(host)
    host.run("rm", "-r", f"{BUNDLE}/handoff")


def test_a_configuration_file_may_be_a_link(world: World) -> None:
    """The file that it leads to changes and comes back; the link stays."""
    host = world.compute
    undone(host)
    host.run("sh", "-ec", f"mv {NOVA} /srv/nova.conf; ln -s ../../srv/nova.conf {NOVA}")
    state = ("sh", "-c", f"readlink {NOVA}; stat -c '%u:%g %a' /srv/nova.conf; cat /srv/nova.conf")
    before = host.run(*state).stdout
    apply(host)
    assert "images_type = rbd" in host.read("/srv/nova.conf")
    assert host.run("readlink", NOVA).stdout == "../../srv/nova.conf\n"
    undone(host)
    assert host.run(*state).stdout == before
    host.run("sh", "-ec", f"rm {NOVA}; mv /srv/nova.conf {NOVA}")


@pytest.mark.parametrize("folder", ["/etc/nova", "/var/lib/cephos", "/var/log/cephos"])
def test_a_disk_that_fills_up_in_the_middle_harms_nothing(world: World, folder: str) -> None:
    """It is full from the proof of access on, which is right before nova.conf changes."""
    host = world.compute
    undone(host)
    before = host.read(NOVA)
    host.run(
        "sh", "-ec", f"""
        cp -a {folder} /root/copy; mount -t tmpfs -o size=24m full {folder}
        cp -a /root/copy/. {folder}; mv /usr/sbin/runuser /usr/sbin/runuser.real
        echo '#!/bin/sh
case $* in *rbd*) head -c 1G /dev/zero >{folder}/fill ;; esac; exec runuser.real "$@"' \
          >/usr/sbin/runuser; chmod +x /usr/sbin/runuser
        """,
    )  # fmt: skip
    try:
        if folder == "/var/log/cephos":
            assert "changed" in run_bundle(host)
        else:
            said = run_bundle(host, status=1)
            assert "No space left on device" in said.splitlines()[-2]
            assert said.splitlines()[-2].startswith(f"failed        70-nova              {NOVA}")
            assert host.read(NOVA) == before
        assert host.run("find", "/etc", "-name", "*.cephos-new").stdout == ""
        host.run("sh", "-ec", f"mv /usr/sbin/runuser.real /usr/sbin/runuser; rm {folder}/fill")
        apply(host)
        apply(host, "--verify")
        undone(host)
        assert host.read(NOVA) == before
    finally:
        host.run("sh", "-ec", f"umount {folder}; rm -r /root/copy")


def test_a_host_that_has_ceph_in_containers_only_is_spoken_to_by_cephadm(world: World) -> None:
    """As cephadm leaves its hosts: the bundle finds no program of Ceph's there."""
    admin, image = world.admin, "/opt/ceph-image"
    admin.put(Path(__file__).with_name("podman.py"), "/usr/bin/podman")
    admin.run("mkdir", image)
    admin.run("mv", "/usr/bin/ceph", "/usr/bin/rbd", image)
    admin.run("cephadm", "shell", "--fsid", FSID, "--", "true")  # it sets up its own logs
    try:
        admin.run(f"{image}/ceph", "auth", "caps", "client.nova", "mon", "allow r")
        admin.run("rm", f"{HANDOFFS}/cmp1.tar")
        # each question starts cephadm anew, so only the steps that this is about
        (rights,) = actions("changed", apply(admin, "--only", "20"))
        assert "client.nova" in rights
        (handoff,) = actions("changed", apply(admin, "--only", "40"))
        assert "cmp1.tar" in handoff
        run_bundle(admin, "--only", "30")
        carry(admin, world.compute)
        apply(world.compute)
    finally:
        admin.run("mv", f"{image}/ceph", f"{image}/rbd", "/usr/bin")
        admin.run("rm", "/usr/bin/podman")
        undone(world.compute)


def test_a_time_that_is_not_of_the_change_leads_to_no_false_verdict(world: World) -> None:
    host = world.controller
    apply(host)
    conf = "/etc/glance/glance-api.conf"
    host.run("cp", "-p", conf, "/root/before.conf")
    host.run("touch", "-d", "2 hours", conf)
    since = started(host, "glance-api")
    assert f"{conf} changed cannot be told, since that lies in the future" in apply(
        host, "--verify"
    )
    assert "0 changed" in apply(host)
    assert started(host, "glance-api") == since
    # a copy that is put back brings its old time along
    host.run("mv", "/root/before.conf", conf)
    assert f"it runs since before {conf} changed" in apply(host, "--verify", status=1)
    assert f"left alone, though {conf} has changed since it started" in apply(host)
    host.run("systemctl", "restart", "glance-api")
    apply(host, "--verify")


def test_a_cluster_that_hangs_is_said_within_bounds(world: World) -> None:
    """It still takes connections; the wait is said while it lasts."""
    world.admin.run("systemctl", "kill", "--signal=STOP", "rig-ceph-mon")
    try:
        for host, cause in {
            world.compute: "takes connections but does not let client.nova in",
            world.admin: "does not answer",
        }.items():
            before, start = traces(host), time.monotonic()
            said = apply(host, "--check", status=69)
            assert "waiting for ceph, at most 60 seconds" in said.splitlines()[0]
            assert f"cluster ceph {cause}: no answer within 15 seconds" in said
            assert time.monotonic() - start < 60
            assert traces(host) == before
    finally:
        world.admin.run("systemctl", "kill", "--signal=CONT", "rig-ceph-mon")


def test_a_cluster_that_does_not_answer_is_said_within_bounds(world: World) -> None:
    """Last, since it takes the cluster away."""
    world.admin.run("systemctl", "stop", "rig-ceph-mon")
    carry(world.admin, world.compute)
    start = time.monotonic()
    refused(world.compute, 69, "no monitor of cluster ceph answers on 192.168.8.11")
    before = traces(world.admin)
    said = apply(world.admin, status=69)
    assert "cluster ceph does not answer: " in said
    assert traces(world.admin) == before
    assert time.monotonic() - start < 2 * 60


def test_cinder_beside_the_keys_waits_for_computes(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A `ceph-admin` host has two turns: all but Cinder first, and Cinder after computes."""
    hosts = "hosts: {ctl1: {roles: [ceph-admin, glance, cinder]}, cmp1: {roles: [nova-compute]}}"
    with Rig() as rig:
        ctl1, cmp1 = rig.hosts("ctl1", "cmp1")
        cluster = ceph.start(ctl1, FSID)
        Libvirt(cmp1).start()
        site = re.sub(r"(?s)hosts:.*", hosts, SITE).replace("192.168.8.11", cluster.mon_host)
        out = compiled(tmp_path_factory.mktemp("two"), site)
        for host in rig.members.values():
            host.put(out / "hosts" / host.name, BUNDLE)
        carry_out((out / "RUNBOOK.md").read_text(), rig.members)
        log = ctl1.read("/var/log/cephos/lab.log")
        first, second = re.findall(r"(?ms)--- apply(.*?)^\S+ ok +total", log)[:2]
        assert first.startswith(" --only 10,20,30,40,50,")
        assert ("hand-off for cmp1" in first, "cinder.conf" in first) == (True, False)
        assert re.search("(?m)changed .*cinder.conf", second)
        assert "0 changed" in apply(ctl1)


def test_a_site_can_be_one_host(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The `ceph-admin` host may have every other role too: it hands off to itself."""
    site = re.sub(
        r"(?s)hosts:.*", "hosts: {aio: {roles: [ceph-admin, glance, cinder, nova-compute]}}", SITE
    )
    with Rig() as rig:
        host = rig.host("aio")
        cluster = ceph.start(host, FSID)
        Libvirt(host).start()
        out = compiled(
            tmp_path_factory.mktemp("aio"), site.replace("192.168.8.11", cluster.mon_host)
        )
        host.put(out / "hosts/aio", BUNDLE)
        apply(host)
        apply(host, "--verify")
        assert "0 changed" in apply(host)
        # an answer is kept for the run: `ceph` takes half a second to start, in a container more
        asked = [line for line in programs(host, f"{BUNDLE}/apply") if line.startswith("ceph ")]
        assert sorted(line.partition(" 15 ")[2] for line in asked) == [
            *(f"auth get client.{name}" for name in ("cinder", "glance", "nova")),
            "osd dump",
        ]
