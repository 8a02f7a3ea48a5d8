"""Who may do what in Ceph: capabilities are derived from who uses which pool how, never typed.

The profiles `rbd` and `rbd-read-only` exist since Luminous. On the monitors `profile rbd` includes
the right to blocklist a dead client, without which its exclusive locks can never be broken; that is
why there is no `allow r` here but where the site asks for it (Ceph's documentation, "RBD Exclusive
Locks"; rule W331).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cephos import knowledge

if TYPE_CHECKING:
    from cephos.model import Cluster, Site


@dataclass
class Access:
    """What one client of a cluster needs: pools in the order of first use, each once."""

    cluster: Cluster
    write: dict[str, None] = field(default_factory=dict)
    read: dict[str, None] = field(default_factory=dict)

    def readable(self) -> list[str]:
        """Return every pool that the client may list."""
        return list(self.write | self.read)

    def add_data_pools(self) -> None:
        """Extend each right on a pool to the pool that takes the data of its images."""
        for pools in (self.write, self.read):
            pools.update(
                {data: None for pool in list(pools) if (data := self.cluster.data_pool(pool))}
            )

    def caps(self) -> dict[str, str]:
        """Return the capability text by service, in the order in which Ceph is told."""
        if self.cluster.classic_caps:
            return self._classic_caps()
        write = [f"profile rbd pool={pool}" for pool in self.write]
        read = [
            f"profile rbd-read-only pool={pool}" for pool in self.read if pool not in self.write
        ]
        granted = {"mon": "profile rbd", "osd": ", ".join(write + read)}
        if knowledge.behaves("mgr_profile", self.cluster.release):
            # only what changes images: `rbd trash purge schedule`, background deletion
            granted["mgr"] = ", ".join(write)
        return granted

    def _classic_caps(self) -> dict[str, str]:
        """Return what Ceph's documentation gave before there were profiles."""
        grants = ["allow class-read object_prefix rbd_children"]
        grants += [f"allow rwx pool={pool}" for pool in self.write]
        grants += [f"allow rx pool={pool}" for pool in self.read if pool not in self.write]
        return {"mon": "allow r", "osd": ", ".join(grants)}


def access(site: Site, cluster: Cluster) -> dict[str, Access]:
    """Return what each client of the cluster needs, by client name, in order of first use."""
    needs = main_pools(site, cluster)
    for need in needs.values():
        need.add_data_pools()
    return needs


def main_pools(site: Site, cluster: Cluster) -> dict[str, Access]:
    """Return the same without the pools that only take data of images."""
    needs: defaultdict[str, Access] = defaultdict(lambda: Access(cluster))
    nova = site.nova
    image_stores = [store for store in site.image_stores if store.cluster is cluster]
    backends = [backend for backend in site.backends if backend.cluster is cluster]
    for images in image_stores:
        needs[images.client].write[images.pool] = None
        if knowledge.behaves("glance_reads_clones", site.release):
            for store in (*backends, nova):
                if store and store.cluster is cluster:
                    needs[images.client].read[store.pool] = None
    for backend in backends:
        needs[backend.client].write[backend.pool] = None
        for images in image_stores:
            # the parents of volumes that are clones of images
            needs[backend.client].read[images.pool] = None
    if site.backup and site.backup.cluster is cluster:
        # no right to volumes: cinder-backup opens those as the volume's own client
        # (cinder/backup/drivers/ceph.py: volume_file.rbd_user)
        needs[site.backup.client].write[site.backup.pool] = None
    if nova and nova.cluster is cluster:
        needs[nova.client].write[nova.pool] = None
        for images in image_stores:
            # a copy-on-write snapshot is cloned into the images' own pool
            # by nova.virt.libvirt.imagebackend, in Rbd.direct_snapshot
            right = needs[nova.client].write if nova.cow_snapshots else needs[nova.client].read
            right[images.pool] = None
    return dict(needs)
