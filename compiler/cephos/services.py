"""What Glance, Cinder and Nova must be told, and which keys their hosts hold.

One function per configuration file; each returns the sections of the patch that is merged into the
file on the host. Only what differs from the defaults of the release is written, except where a
wrong value in the existing file would break the service.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cephos import ini, knowledge
from cephos.model import CINDER, CINDER_BACKUP, GLANCE, NOVA

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cephos.knowledge import OptionValue
    from cephos.model import (
        Backend,
        Backup,
        Cluster,
        Glance,
        HostGroup,
        ImageStore,
        Nova,
        Path,
        Site,
        Store,
    )

Sections = dict[str, dict[str, str]]

GLANCE_OWN_STORES = ("file", "http")
"""The stores that Glance has by default; they stay enabled, after the site's."""

TRASH_INTERVAL = "15m"
"""How often Ceph purges the trash of a pool, where that is its part."""

GUEST_SOCKETS, GUEST_LOGS = "/run/ceph-guests", "/var/log/ceph-guests"
"""Folders of the Ceph clients inside guests.

Not below /run/ceph: that is ceph:ceph 0770 (ceph-common's tmpfiles.d), so neither QEMU nor Nova
could enter.
"""

GUEST_SETTINGS = {
    "admin_socket": f"{GUEST_SOCKETS}/$cluster-$name.$pid.$cctid.asok",
    "log_file": f"{GUEST_LOGS}/$cluster-$name.$pid.log",
}

QEMU_CEPH_CONF = "/etc/ceph/ceph.conf"
"""What QEMU reads, of whatever cluster a disk is: libvirt names no file, and librados then looks
there (block/rbd.c: rados_conf_read_file).
"""

MANAGED: Mapping[str, Mapping[str, str]] = {
    "glance": {
        "DEFAULT.enabled_backends": "the stores of the site",
        "DEFAULT.show_image_direct_url": "services.glance.copy_on_write",
        "DEFAULT.show_multiple_locations": "all_locations and services.nova.cow_snapshots",
        "glance_store.default_backend": "the stores of the site",
        "glance_store.stores": "the stores of the site",
        "glance_store.default_store": "the stores of the site",
        "<store>.rbd_store_pool": "the store's pool",
        "<store>.rbd_store_user": "the store's client",
        "<store>.rbd_store_ceph_conf": "the cluster's name",
    },
    "cinder": {
        "DEFAULT.enabled_backends": "the names under services.cinder.backends",
        "DEFAULT.backup_driver": "services.cinder.backup",
        "DEFAULT.backup_ceph_pool": "services.cinder.backup.pool",
        "DEFAULT.backup_ceph_user": "services.cinder.backup.client",
        "DEFAULT.backup_ceph_conf": "the cluster's name",
        "<backend>.volume_driver": "the kind of backend",
        "<backend>.volume_backend_name": "the backend's volume_backend_name",
        "<backend>.backend_availability_zone": "the backend's availability_zone",
        "<backend>.rbd_pool": "the backend's pool",
        "<backend>.rbd_user": "the backend's client",
        "<backend>.rbd_ceph_conf": "the cluster's name",
        "<backend>.rbd_cluster_name": "the cluster's name",
        "<backend>.rbd_secret_uuid": "clusters.….clients.….secret_uuid",
    },
    "nova": {
        "DEFAULT.force_raw_images": "images_type: Nova does not start with rbd and false",
        "libvirt.images_type": "services.nova",
        "libvirt.images_rbd_pool": "services.nova.pool",
        "libvirt.images_rbd_ceph_conf": "the cluster's name",
        "libvirt.rbd_user": "services.nova.client",
        "libvirt.rbd_secret_uuid": "clusters.….clients.….secret_uuid",
    },
}
"""Options that the compiler writes itself, and what each follows from."""


@dataclass(frozen=True)
class KeyringFile:
    """Who may read a keyring's file: `owner` (`user:group`) by `mode` (octal), `readers` by ACL.

    An ACL and not a group of its own: whom it lets in stands at the file, takes effect at once, and
    goes with the file.
    """

    owner: str
    mode: str
    readers: tuple[str, ...]


@dataclass(frozen=True)
class Keyring:
    """The key of one client of one cluster, both by name."""

    cluster: str
    client: str

    @property
    def name(self) -> str:
        """Return `CLUSTER.client.NAME`, the stem of its file name.

        The form is not ours to choose: os_brick/initiator/connectors/rbd.py looks for
        `/etc/ceph/CLUSTER.client.NAME.keyring` and nowhere else.
        """
        return f"{self.cluster}.client.{self.client}"


def stores_of(site: Site, group: HostGroup) -> Iterator[tuple[Store, str | None]]:
    """Yield what the group's hosts store with, and the service user that reads the key.

    The user is None where only libvirt needs the key: a compute attaches volumes as Cinder's
    client with the secret that Cinder names (Nova, since Ocata: release note ocata-bug-1635008),
    and QEMU gets the key from libvirt. cinder-backup opens a volume as the volume's own client.
    """
    users = {role: unit.user for role, unit in group.platform.units.items()}
    by_role: tuple[tuple[str, Iterable[Store | None], str | None], ...] = (
        (GLANCE, site.image_stores, users[GLANCE]),
        (NOVA, [site.nova], users[NOVA]),
        (NOVA, site.backends, None),
        (CINDER_BACKUP, [site.backup], users[CINDER_BACKUP]),
        (CINDER, site.backends_of(group), users[CINDER]),
        (CINDER_BACKUP, site.backends, users[CINDER_BACKUP]),
    )
    for role, stores, user in by_role:
        if role in group.roles:
            yield from ((store, user) for store in stores if store)


def keyrings(site: Site, group: HostGroup) -> list[Keyring]:
    """Return the keyrings that each host of the group holds, no others."""
    return list(
        dict.fromkeys(
            Keyring(store.cluster.name, store.client) for store, _ in stores_of(site, group)
        )
    )


def keyring_readers(site: Site, group: HostGroup, keyring: Keyring) -> list[str]:
    """Return the service users that must be able to read the keyring's file; [] is root alone."""
    return list(
        dict.fromkeys(
            user
            for store, user in stores_of(site, group)
            if user and Keyring(store.cluster.name, store.client) == keyring
        )
    )


def keyring_file(site: Site, group: HostGroup, keyring: Keyring) -> KeyringFile:
    """Return who may read the keyring's file on the group's hosts: the services that use it."""
    first, *others = keyring_readers(site, group, keyring) or ["root"]
    return KeyringFile(f"{first}:{first}", "0600" if first == "root" else "0640", tuple(others))


def guest_keyrings(site: Site) -> dict[Keyring, Path]:
    """Return the keyrings that libvirt holds for guests, and where each comes from.

    Nova's for disks of guests, Cinder's for volumes.
    """
    found: dict[Keyring, Path] = {}
    for store in (site.nova, *site.backends):
        if store:
            found.setdefault(Keyring(store.cluster.name, store.client), store.path)
    return found


def glance_conf(site: Site, glance: Glance) -> Sections:
    """Return what glance-api.conf must say, without the list of stores (`glance_stores`).

    `enabled_backends` makes Glance ignore `stores`, `default_store` and every other option of
    [glance_store] but default_backend, so the file store gets its folder said again in a section
    of its own.
    """
    sections: Sections = {"DEFAULT": {"show_image_direct_url": ini.value(glance.copy_on_write)}}
    if glance.all_locations or snapshots_set_locations(site):
        sections["DEFAULT"]["show_multiple_locations"] = "true"
    if knowledge.behaves("glance_multi_store", site.release):
        sections["glance_store"] = {"default_backend": glance.default.name}
        sections |= {store.name: _rbd_store(store) for store in glance.stores}
        sections["file"] = {"filesystem_store_datadir": "/var/lib/glance/images"}
        for store in glance.stores:
            _add_options(sections, site, store)
    else:
        (store,) = glance.stores  # rule E227
        sections["glance_store"] = {"default_store": "rbd"} | _rbd_store(store)
        _add_options(sections, site, store)
    return sections


def _rbd_store(store: ImageStore) -> dict[str, str]:
    return {
        "rbd_store_pool": store.pool,
        "rbd_store_user": store.client,
        "rbd_store_ceph_conf": store.cluster.conf,
    }


def scheduled_trash(site: Site, cluster: Cluster) -> dict[str, str]:
    """Return the cluster's pools whose trash Ceph purges, each with how often."""
    leaving: list[Store] = [each for each in site.backends if each.trash == "schedule"]
    if _glance_leaves_trash(site, cluster):
        leaving += site.image_stores
    return {store.pool: TRASH_INTERVAL for store in leaving if store.cluster is cluster}


def _glance_leaves_trash(site: Site, cluster: Cluster) -> bool:
    """Tell whether deleted images that have clones (of version 2) wait to be purged by Ceph."""
    oldest = cluster.min_compat_client
    return (
        oldest is not None
        and knowledge.behaves("clones_outlive_parents", oldest)
        and knowledge.behaves("glance_leaves_trash", site.release)
        and knowledge.behaves("trash_schedule", cluster.release)
    )


def snapshots_set_locations(site: Site) -> bool:
    """Tell whether Glance must let its users set locations, for Nova's copy-on-write snapshots."""
    wanted = site.nova is not None and site.nova.cow_snapshots
    return wanted and knowledge.behaves("snapshots_set_locations", site.release)


def glance_stores(site: Site, glance: Glance) -> tuple[str, list[str]]:
    """Return the option that lists Glance's stores, `section.name`, and its items."""
    if knowledge.behaves("glance_multi_store", site.release):
        items = [f"{store.name}:rbd" for store in glance.stores]
        return "DEFAULT.enabled_backends", items + [f"{kind}:{kind}" for kind in GLANCE_OWN_STORES]
    return "glance_store.stores", ["rbd", *GLANCE_OWN_STORES]


def stores_for_nova(site: Site) -> list[ImageStore]:
    """Return the stores into one of which Glance copies an image that Nova cannot clone.

    None where all lie in the cluster of Nova's disks, or where Nova would not see the copy, since
    the only location that it is shown is the first. One, or the site must say which (rule E226).
    Source: nova/virt/libvirt/imagebackend.py, Rbd.clone.
    """
    glance, nova = site.glance, site.nova
    asks = knowledge.behaves("nova_has_images_copied", site.release)
    if not (glance and nova and glance.copy_on_write and glance.all_locations and asks):
        return []
    near = glance.stores_in(nova.cluster)
    if len(near) == len(glance.stores):
        return []
    return [glance.default] if glance.default in near else near


def cinder_conf(site: Site, backends: Iterable[Backend]) -> Sections:
    """Return what cinder.conf must say of backends, without the list `enabled_backends`."""
    sections: Sections = {}
    for backend in backends:
        section = sections[backend.name] = {
            "volume_driver": "cinder.volume.drivers.rbd.RBDDriver",
            "volume_backend_name": backend.volume_backend_name,
            "rbd_pool": backend.pool,
            "rbd_user": backend.client,
            "rbd_ceph_conf": backend.cluster.conf,
            "rbd_cluster_name": backend.cluster.name,
            "rbd_secret_uuid": backend.cluster.secret_uuid(backend.client),
            # guests may give space back
            "report_discard_supported": "true",
        }
        if knowledge.behaves("cinder_leaves_trash", site.release) and backend.trash != "schedule":
            section["enable_deferred_deletion"] = "true"
        if backend.availability_zone:
            section["backend_availability_zone"] = backend.availability_zone
        neighbours = [store for store in site.stores() if store is not backend]
        if any(
            (store.cluster, store.pool) == (backend.cluster, backend.pool) for store in neighbours
        ):
            section["rbd_exclusive_cinder_pool"] = "false"
        _add_options(sections, site, backend)
    return sections


def backup_conf(site: Site, backup: Backup) -> Sections:
    """Return what cinder.conf must say where cinder-backup runs."""
    sections: Sections = {
        "DEFAULT": {
            # the class: Cinder takes a module only until Rocky
            "backup_driver": "cinder.backup.drivers.ceph.CephBackupDriver",
            "backup_ceph_pool": backup.pool,
            "backup_ceph_user": backup.client,
            "backup_ceph_conf": backup.cluster.conf,
        }
    }
    _add_options(sections, site, backup)
    return sections


def nova_conf(site: Site, nova: Nova) -> Sections:
    """Return what nova.conf of a compute must say."""
    sections: Sections = {
        # the default, but nova-compute does not start with images_type=rbd and false
        # (nova's release note bug-1816686)
        "DEFAULT": {"force_raw_images": "true"},
        "libvirt": {
            "images_type": "rbd",
            "images_rbd_pool": nova.pool,
            "images_rbd_ceph_conf": nova.cluster.conf,
            "rbd_user": nova.client,
            "rbd_secret_uuid": nova.cluster.secret_uuid(nova.client),
            "disk_cachemodes": "network=writeback",
            "hw_disk_discard": "unmap",
        },
    }
    for store in stores_for_nova(site)[:1]:
        sections["libvirt"]["images_rbd_glance_store_name"] = store.name
    _add_options(sections, site, nova)
    return sections


def _add_options(sections: Sections, site: Site, store: Store) -> None:
    """Lay the site's own options over what the compiler wrote."""
    for section, name, raw in options_in_file(site, store):
        sections.setdefault(section, {})[name] = ini.value(raw)


def options_in_file(site: Site, store: Store) -> Iterator[tuple[str, str, OptionValue]]:
    """Yield section, name and value of the options that the site names for a store."""
    own, files = getattr(store, "name", ""), "file"
    if store.service == "glance" and not knowledge.behaves("glance_multi_store", site.release):
        own = files = "glance_store"
    for option, raw in store.named():
        section = option.section
        if section.startswith("<"):
            section = own if option.is_of_its_store else files
        yield section, option.name, raw


def ceph_conf(site: Site, group: HostGroup, cluster: Cluster) -> Sections:
    """Return what the cluster's configuration file on the group's hosts must say.

    Sockets and logs are set in the section of the client, not in [client]: there they would also
    hold for the `ceph` command of every other user.
    """
    sections: Sections = {
        "global": {"fsid": cluster.fsid, "mon_host": ",".join(cluster.mon_host)},
    }
    for store, _ in stores_of(site, group):
        keyring = Keyring(store.cluster.name, store.client)
        if store.cluster is not cluster:
            continue
        section = sections.setdefault(f"client.{keyring.client}", {})
        section["keyring"] = f"/etc/ceph/{keyring.name}.keyring"
        data_pool = cluster.data_pool(store.pool)
        if data_pool:
            # the services have no option of their own for it
            section["rbd_default_data_pool"] = data_pool
        if NOVA in group.roles and store.for_guests:
            section |= GUEST_SETTINGS
    if NOVA in group.roles and cluster.conf == QEMU_CEPH_CONF:
        for name, settings in guests_ceph_conf(site).items():
            sections.setdefault(name, {}).update(settings)
    return sections


def guests_ceph_conf(site: Site) -> Sections:
    """Return what ceph.conf of a compute must say of guests' clients of every cluster."""
    clients = (key.client for key in guest_keyrings(site))
    return {f"client.{client}": dict(GUEST_SETTINGS) for client in clients}


def secret_usage(keyring: Keyring) -> str:
    """Return the usage name of the libvirt secret; with the cluster, it is unique on a host."""
    return f"{keyring.name} secret"
