"""Real hosts for tests: systemd, Ceph, libvirt, Glance, Cinder and Nova on one machine."""

from rig.base import RigError
from rig.host import Host
from rig.rig import Rig

__all__ = ["Host", "Rig", "RigError"]
