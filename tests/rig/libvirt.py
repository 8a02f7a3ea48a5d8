"""The packaged libvirtd of a compute host, and emulated guests that boot nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from rig.base import RigError
from rig.waiting import until

if TYPE_CHECKING:
    import subprocess

    from rig.host import Host
    from rig.openstack import Connection

UNIT = "libvirtd.service"
START_SECONDS = 60.0
GUEST_SECONDS = 120.0
DISK = "/machine/peripheral/virtio-disk0/virtio-backend"
"""Where libvirt puts the guest's disk among qemu's objects."""
DOMAIN = """<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>32</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    {disk}
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
</domain>
"""


class GuestRefusedError(RigError):
    """libvirt or qemu refused to start or move a guest; the message is theirs."""


@dataclass(frozen=True)
class Libvirt:
    """libvirtd on one host."""

    host: Host

    def start(self) -> None:
        """Start the packaged service; returns when it answers.

        Raises:
            RigError: it doesn't (its journal is quoted).
        """
        self.host.run("systemctl", "start", UNIT)

        def answers() -> bool:
            return self._virsh("version").returncode == 0

        until(f"{UNIT} answers", answers, START_SECONDS, lambda: self.host.journal(UNIT))

    def boot(self, name: str, disk: str | Connection) -> None:
        """Start a guest from a ``<disk>`` element, or from what Cinder says of a volume.

        Raises:
            GuestRefusedError: no such secret, a wrong key, missing caps, no such image.
        """
        xml = disk if isinstance(disk, str) else disk_xml(disk)
        self._virsh_or_refuse("create", "/dev/stdin", input=DOMAIN.format(name=name, disk=xml))

    def state(self, name: str) -> str | None:
        """``running`` or another of libvirt's states; ``None`` if there is no such guest."""
        done = self._virsh("domstate", name)
        return done.stdout.strip() if done.returncode == 0 else None

    def write(self, name: str) -> None:
        """Write 4 KiB at the start of the guest's disk, as the guest would.

        Raises:
            GuestRefusedError: the cluster refused the write.
        """
        log = f"/var/log/libvirt/qemu/{name}.log"
        before = len(self.host.read(log))
        command = f'qemu-io -d {DISK} "write 0 4k"'
        self._virsh_or_refuse("qemu-monitor-command", name, "--hmp", command)

        def answer() -> str:
            # qemu prints the outcome on its standard output, not to the monitor
            return self.host.read(log)[before:]

        said = until(f"guest {name} writes", answer, GUEST_SECONDS)
        if "wrote 4096/4096 bytes" not in said:
            raise GuestRefusedError(f"guest {name} cannot write to its disk: {said.strip()}")

    def destroy(self, name: str) -> None:
        """End a guest at once; its definition goes with it."""
        self._virsh_or_refuse("destroy", name)

    def migrate(self, name: str, target: Libvirt) -> None:
        """Move a running guest to another host, over its ssh.

        Raises:
            GuestRefusedError: for instance since the target lacks the secret.
        """
        there = target.host
        self._virsh_or_refuse(
            *("migrate", "--live", name, f"qemu+ssh://root@{there.name}/system"),
            *("--migrateuri", f"tcp://{there.name}", "--listen-address", there.address),
        )

    def _virsh(
        self,
        *argv: str,
        input: str | None = None,  # noqa: A002 (as in Host.run)
    ) -> subprocess.CompletedProcess[str]:
        virsh = ("virsh", "--quiet", "--connect", "qemu:///system")
        return self.host.run(*virsh, *argv, input=input, check=False, timeout=GUEST_SECONDS)

    def _virsh_or_refuse(self, *argv: str, input: str | None = None) -> str:  # noqa: A002 (as above)
        done = self._virsh(*argv, input=input)
        if done.returncode:
            raise GuestRefusedError(f"virsh {argv[0]} on {self.host.name}: {done.stderr.strip()}")
        return done.stdout


def disk_xml(connection: Connection) -> str:
    """The ``<disk>`` element that attaches an RBD image by its libvirt secret."""
    monitors = "".join(
        f"<host name={quoteattr(host)} port={quoteattr(str(port))}/>"
        for host, port in connection.monitors
    )
    return f"""<disk type='network' device='disk'>
      <driver name='qemu' type='raw' cache='writeback'/>
      <auth username={quoteattr(connection.user)}>
        <secret type='ceph' uuid={quoteattr(connection.secret)}/>
      </auth>
      <source protocol='rbd' name={quoteattr(connection.image)}>{monitors}</source>
      <target dev='vda' bus='virtio'/>
    </disk>"""
