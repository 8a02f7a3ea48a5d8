"""The rig itself: what it gives is real, and nothing of it outlives the test."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rig import Host, Rig, ceph
from rig.libvirt import GuestRefusedError, Libvirt
from rig.openstack import ApiError, Connection, OpenStack, start_compute
from rig.waiting import until

if TYPE_CHECKING:
    from rig.ceph import Ceph

pytestmark = pytest.mark.real

FSID = "3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10"
SECRET = "11111111-2222-4333-8444-555555555555"  # noqa: S105 (the UUID of a secret that isn't)
REMOVE_MOUNTED = """
import subprocess, sys
from pathlib import Path
from rig import RigError, base
folder = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "rig", folder / "inner"], check=True)
(folder / "inner/precious").touch()
try:
    base.remove(folder)
except RigError as error:
    print(error)
print((folder / "inner/precious").exists())
"""
ABANDONED_RIG = """
from rig import Rig
with Rig() as rig:
    host = rig.host("lost")
    print(rig.folder, host.root, flush=True)
    input()
"""


@dataclass(frozen=True)
class Site:
    ceph: Ceph
    openstack: OpenStack
    libvirt: Libvirt

    @property
    def hosts(self) -> tuple[Host, ...]:
        return self.ceph.host, self.openstack.host, self.libvirt.host


@pytest.fixture(scope="module")
def site(rig: Rig) -> Site:
    ceph1, ctl1, cmp1 = rig.hosts("ceph1", "ctl1", "cmp1")
    openstack, libvirt = OpenStack(ctl1), Libvirt(cmp1)
    with ThreadPoolExecutor() as pool:
        cluster = pool.submit(ceph.start, ceph1, FSID)
        for started in (pool.submit(openstack.start), pool.submit(libvirt.start)):
            started.result()
    return Site(cluster.result(), openstack, libvirt)


def test_hosts_run_systemd_without_a_failed_unit(site: Site) -> None:
    for host in site.hosts:
        assert host.run("systemctl", "is-system-running").stdout == "running\n"
        assert host.run("hostname").stdout == f"{host.name}\n"


def test_hosts_reach_each_other_by_ssh_and_name(site: Site) -> None:
    cluster, controller, _ = site.hosts
    assert cluster.run("ssh", controller.name, "hostname").stdout == "ctl1\n"


def test_a_command_runs_as_the_user_asked_for_and_fails_loudly(site: Site) -> None:
    host = site.openstack.host
    assert host.run("id", "-un", user="glance").stdout == "glance\n"
    assert host.run("cat", input="näh\n").stdout == "näh\n"
    with pytest.raises(subprocess.CalledProcessError) as failure:
        host.run("ls", "/nowhere")
    assert any("No such file" in note for note in failure.value.__notes__)
    with pytest.raises(subprocess.TimeoutExpired):
        host.run("sleep", "321", timeout=0.2)
    assert "sleep 321" not in host.run("ps", "axo", "args").stdout


def test_a_folder_is_put_with_its_modes(site: Site, tmp_path: Path) -> None:
    script = tmp_path / "bundle/steps/10-say.sh"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\necho said\n")
    script.chmod(0o750)
    host = site.ceph.host
    host.put(tmp_path / "bundle", "/root/in/bundle")
    assert host.run("/root/in/bundle/steps/10-say.sh").stdout == "said\n"
    assert host.run("stat", "-c", "%U %a", "/root/in/bundle/steps/10-say.sh").stdout == "root 750\n"
    assert (host.root / "root/in/bundle/steps/10-say.sh").read_text() == script.read_text()


def test_a_power_cut_keeps_the_disk(rig: Rig) -> None:
    host = rig.host("cut")
    host.write("/etc/kept", "kept\n")
    host.write("/run/lost", "lost\n")
    host.down()
    host.up()
    assert host.read("/etc/kept") == "kept\n"
    assert host.run("test", "-e", "/run/lost", check=False).returncode == 1
    host.down()


def test_ceph_answers_and_keeps_what_is_written(site: Site) -> None:
    assert site.ceph.run("fsid").strip() == FSID
    assert site.ceph.health() == "HEALTH_OK"
    site.ceph.run("osd", "pool", "create", "proof", "8")
    site.ceph.host.run("rbd", "pool", "init", "proof")
    site.ceph.host.run("rbd", "import", "--no-progress", "-", "proof/image", input="real" * 999)
    assert site.ceph.images("proof") == ["image"]
    assert site.ceph.host.run("rbd", "export", "proof/image", "-").stdout == "real" * 999
    assert site.ceph.parent("proof", "image") is None


def test_glance_keeps_an_image_in_files_before_any_bundle_ran(site: Site) -> None:
    content = os.urandom(300_000)
    image = site.openstack.upload(content)
    assert site.openstack.download(image) == content
    about = site.openstack.show_image(image)
    assert (about["status"], about["size"]) == ("active", len(content))
    stored = site.openstack.host.run("ls", "/var/lib/glance/images").stdout.split()
    assert stored == [image]


def test_cinder_answers_and_has_no_rbd_backend_yet(site: Site) -> None:
    assert site.openstack.volumes() == []
    assert "cinder-volume@rbd" not in site.openstack.cinder_services()
    with pytest.raises(ApiError, match="could not be found") as refusal:
        site.openstack.connect(SECRET)
    assert refusal.value.status == 404


def test_libvirt_refuses_a_guest_whose_secret_is_unknown(site: Site) -> None:
    monitor = (site.ceph.mon_host, 6789)
    with pytest.raises(GuestRefusedError, match="no secret with matching uuid"):
        site.libvirt.boot("guest", Connection("nova", SECRET, "nova-vms/disk", (monitor,)))
    assert site.libvirt.state("guest") is None


def test_libvirt_starts_a_guest_without_a_secret(site: Site) -> None:
    host = site.libvirt.host
    host.run("qemu-img", "create", "-q", "/var/lib/libvirt/images/disk.raw", "1M")
    disk = """<disk type='file'><driver name='qemu' type='raw'/>
        <source file='/var/lib/libvirt/images/disk.raw'/><target dev='vda' bus='virtio'/></disk>"""
    site.libvirt.boot("guest", disk)
    assert site.libvirt.state("guest") == "running"
    site.libvirt.write("guest")
    site.libvirt.destroy("guest")
    assert site.libvirt.state("guest") is None


def test_nova_compute_becomes_ready_and_restarts(site: Site) -> None:
    site.openstack.start_nova()
    host = site.libvirt.host
    start_compute(host)
    host.run("systemctl", "restart", "nova-compute")
    assert host.run("systemctl", "is-active", "nova-compute").stdout == "active\n"


def test_units_are_also_named_as_rdo_does(rig: Rig) -> None:
    host = rig.host("rdo", units="rdo")
    show = ("systemctl", "show", "--property=LoadState", "--value")
    assert host.run(*show, "openstack-nova-compute").stdout == "loaded\n"
    assert host.run(*show, "openstack-cinder-nonsense").stdout == "not-found\n"
    host.down()


def test_what_is_mounted_in_a_folder_is_never_removed(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    done = subprocess.run(
        ["unshare", "--mount", sys.executable, "-c", REMOVE_MOUNTED, str(tmp_path)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        f"{tmp_path} cannot be removed, unmount first: {tmp_path}/inner",
        "True",
    ]


def test_nothing_outlives_a_test_that_is_killed() -> None:
    test = subprocess.Popen(
        [sys.executable, "-c", ABANDONED_RIG],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with test:
        assert test.stdout
        folder, root = map(Path, test.stdout.readline().split())
        assert root.is_dir()
        test.kill()
    until("the host's processes are gone", lambda: not root.exists(), 10)
    assert "lost" not in Path("/proc/self/mounts").read_text()
    assert folder.is_dir()
    with Rig():
        assert not folder.exists()
    assert not list(Path("/sys/fs/cgroup").rglob(folder.name))
