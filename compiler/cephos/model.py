"""The site as values of the field's own kinds.

`build` turns a document that the schema has accepted into a `Site`. Everything later works on that;
`path` leads back to the place in the document, for diagnostics and for provenance.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from cephos import knowledge, ranges
from cephos.diagnostics import did_you_mean, quote

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping

    from cephos.diagnostics import Report
    from cephos.knowledge import Option, OptionValue, Platform, Release
    from cephos.load import Document

Path = tuple[str | int, ...]
"""Keys and indexes from the top of the document."""

CEPH_ADMIN, GLANCE, CINDER, CINDER_BACKUP, NOVA = (
    "ceph-admin", "glance", "cinder", "cinder-backup", "nova-compute"
)  # fmt: skip
"""The roles."""

SERVICES: dict[str, Path] = {
    GLANCE: ("services", "glance"),
    CINDER: ("services", "cinder"),
    CINDER_BACKUP: ("services", "cinder", "backup"),
    NOVA: ("services", "nova"),
}
"""Where what a role runs is described."""


@dataclass(frozen=True)
class Erasure:
    """An erasure code: that of an existing `profile`, or one that is made of the rest."""

    profile: str | None
    k: int | None
    m: int | None
    failure_domain: str | None
    device_class: str | None

    @property
    def settings(self) -> list[str]:
        """Return `KEY=VALUE` of the profile that is made; [] of one that exists."""
        found = {
            "k": self.k,
            "m": self.m,
            "crush-failure-domain": self.failure_domain,
            "crush-device-class": self.device_class,
        }
        return [f"{key}={value}" for key, value in found.items() if value is not None]


@dataclass(frozen=True)
class Pool:
    """A pool and how it is created; None leaves the choice to Ceph.

    Data of its images goes to `data_pool`, if there is one. RBD keeps the index of images in
    replicated pools only (Ceph's documentation, "Erasure coding with overwrites").
    """

    name: str
    pg_num: int | None
    autoscale: str | None
    target_size_ratio: float | None
    size: int | None
    crush_rule: str | None
    data_pool: str | None
    erasure: Erasure | None
    path: Path

    @property
    def profile(self) -> str:
        """Return the name of its erasure code profile; one that is made has the pool's own."""
        return (self.erasure and self.erasure.profile) or self.name


@dataclass(frozen=True)
class Cluster:
    """A Ceph cluster; `mon_host` holds `address`, `address:port` or `[address]:port`."""

    name: str
    release: Release
    fsid: str
    mon_host: tuple[str, ...]
    pools: Mapping[str, Pool]
    secret_uuids: Mapping[str, str]
    classic_caps: bool
    """Whether capabilities have the form that was before profiles."""
    delivered: bool
    """Whether another team makes its pools, users and keys, and no host of the site does."""
    min_compat_client: Release | None
    """The oldest release that its clients may have; None leaves that as it is."""
    path: Path

    @property
    def conf(self) -> str:
        """Return the path of its configuration file on every host."""
        return f"/etc/ceph/{self.name}.conf"

    @property
    def makes_pools_whole(self) -> bool:
        """Tell whether one command makes a pool with all its settings."""
        return knowledge.behaves("pool_settings_by_name", self.release)

    @cached_property
    def data_pools(self) -> frozenset[str]:
        """Return the pools that take data only, and hold no index of images."""
        pools = self.pools.values()
        erasure = (pool.name for pool in pools if pool.erasure)
        return frozenset(erasure).union(pool.data_pool for pool in pools if pool.data_pool)

    def data_pool(self, pool: str) -> str | None:
        """Return where data of images goes whose index lies in the pool, if somewhere else."""
        return self.pools[pool].data_pool if pool in self.pools else None

    def secret_uuid(self, client: str) -> str:
        """Return the UUID of the client's libvirt secret, the same on every host of the site."""
        given = self.secret_uuids.get(client)
        return given or str(uuid.uuid5(uuid.UUID(self.fsid), f"client.{client}"))


@dataclass(frozen=True, kw_only=True)
class Store:
    """A use of a pool by a service, as a client; `options` are the site's own for it."""

    service: ClassVar[str]
    for_guests: ClassVar[bool] = False
    """Whether QEMU opens what is stored, so that libvirt holds the key."""

    cluster: Cluster
    pool: str
    client: str
    options: Mapping[str, OptionValue]
    path: Path

    def named(self) -> Iterator[tuple[Option, OptionValue]]:
        """Yield the options that the site names, by any spelling, but for those that are none."""
        service = str(self.path[1])
        for spelling, value in self.options.items():
            option = knowledge.find_option(service, spelling)
            if not isinstance(option, list):
                yield option, value


@dataclass(frozen=True, kw_only=True)
class ImageStore(Store):
    """A store of Glance; `name` is its id and its section."""

    service = "glance"

    name: str


@dataclass(frozen=True)
class Glance:
    """Where images are stored: in the `default` store, unless a user names another."""

    stores: tuple[ImageStore, ...]
    default: ImageStore
    copy_on_write: bool
    all_locations: bool
    """Whether Nova and Cinder see an image in each of its stores, not in the first alone."""
    unit: str | None
    """What the site says runs Glance, if that is not the platform's own unit."""
    path: Path

    def stores_in(self, cluster: Cluster) -> list[ImageStore]:
        """Return the stores that a cluster holds."""
        return [store for store in self.stores if store.cluster is cluster]

    def cloned_from(self, cluster: Cluster) -> ImageStore | None:
        """Return the store that an image in all of them is cloned from there; None if it is not."""
        near = self.stores_in(cluster) if self.copy_on_write else []
        if self.default in near:
            return self.default
        return near[0] if near and self.all_locations else None


@dataclass(frozen=True, kw_only=True)
class Backend(Store):
    """A Cinder backend; `name` is its section."""

    service = "cinder"
    for_guests = True

    name: str
    volume_backend_name: str
    volume_type: str | None
    """The volume type that leads to it; None if that is nobody's business here."""
    availability_zone: str | None
    trash: str | None
    """Who empties the trash: `schedule` is Ceph, anything else Cinder."""


@dataclass(frozen=True, kw_only=True)
class Backup(Store):
    """Where cinder-backup stores backups of volumes."""

    service = "cinder-backup"


@dataclass(frozen=True, kw_only=True)
class Nova(Store):
    """Where disks of guests are stored."""

    service = "nova"
    for_guests = True

    cow_snapshots: bool


@dataclass(eq=False)  # not frozen, as all else is here: ten thousand of them would cost twice
class HostGroup:
    """One entry of `hosts`: hosts that are described alike; it equals no other."""

    pattern: str
    names: tuple[str, ...]
    roles: frozenset[str]
    platform: Platform
    clusters: tuple[str, ...]
    """Those that a `ceph-admin` host administers; none on any other host."""
    backends: tuple[str, ...]
    """Those that a `cinder` host runs; none on any other host."""
    path: Path


@dataclass(frozen=True)
class DeployUser:
    """An account on every host that becomes root without a password.

    Only who has one of `keys` (lines of authorized_keys) logs in as it; without any, its keys are
    not the site's business.
    """

    name: str
    keys: tuple[str, ...]
    path: Path


@dataclass(frozen=True)
class Site:
    """The whole description."""

    name: str
    release: Release
    clusters: Mapping[str, Cluster]
    glance: Glance | None
    backends: tuple[Backend, ...]
    backup: Backup | None
    nova: Nova | None
    groups: tuple[HostGroup, ...]
    prepares: bool
    """Whether hosts are looked after before their roles are."""
    deploy_user: DeployUser | None
    sends_handoffs: bool
    """Whether the `ceph-admin` host copies hand-offs to their hosts."""
    signers: tuple[str, ...]
    """Who may sign bundles: `NAME TYPE KEY`; empty if bundles need not be signed."""
    unsound: frozenset[Path] = frozenset()
    """Places of what was wrong, and is left out here or has something else standing in for it."""

    @cached_property
    def kinds(self) -> tuple[tuple[HostGroup, ...], ...]:
        """Return the groups, those together whose hosts differ in nothing but their names."""
        alike: dict[Hashable, list[HostGroup]] = {}
        for group in self.groups:
            same = (group.roles, group.platform.name, group.clusters, group.backends)
            alike.setdefault(same, []).append(group)
        return tuple(map(tuple, alike.values()))

    def groups_with(self, role: str) -> tuple[HostGroup, ...]:
        """Return the groups whose hosts have the role."""
        return tuple(group for group in self.groups if role in group.roles)

    def hosts_with(self, role: str) -> list[str]:
        """Return the names of the hosts that have the role, in the order of the description."""
        return [name for group in self.groups_with(role) for name in group.names]

    def administrators(self, cluster: Cluster) -> list[str]:
        """Return the names of the hosts that administer the cluster; rule E215 wants one."""
        return self._administrators.get(cluster.name, [])

    @cached_property
    def _administrators(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for group in self.groups:
            for cluster in group.clusters:
                found.setdefault(cluster, []).extend(group.names)
        return found

    def host_of(self, backend: Backend) -> str | None:
        """Return HOST of `HOST@BACKEND#POOL`, to which Cinder has the backend's volumes belong.

        The backend's own `backend_host`, else `DEFAULT.host` of the first host that runs it, which
        anything may name that stands in the same file; else that host's name.
        """
        given = [_value_of("<backend>.backend_host", backend)]
        for group in self.groups:
            if backend.name in group.backends:
                backup = [self.backup] if self.backup and CINDER_BACKUP in group.roles else []
                stores: list[Store] = [*self.backends_of(group), *backup]
                given += (_value_of("DEFAULT.host", store) for store in stores)
                given += group.names[:1]
        return next((str(host) for host in given if host), None)

    def backends_of(self, group: HostGroup) -> list[Backend]:
        """Return the backends that each host of the group runs."""
        return [backend for backend in self.backends if backend.name in group.backends]

    @property
    def image_stores(self) -> tuple[ImageStore, ...]:
        """Return Glance's stores."""
        return self.glance.stores if self.glance else ()

    def stores(self) -> Iterator[Store]:
        """Yield every use of a pool by a service."""
        yield from self.image_stores
        yield from self.backends
        if self.backup:
            yield self.backup
        if self.nova:
            yield self.nova


def _value_of(full_name: str, store: Store) -> OptionValue | None:
    """Return what the site gives an option where it describes the store; None if nothing."""
    return next((value for option, value in store.named() if option.full_name == full_name), None)


def build(document: Document, report: Report) -> Site:
    """Return the site that the document describes.

    The document must have passed the schema. Diagnostics E121 to E123 and E201, E202, E205, E208
    and E226 are raised here; something stands in for a release, platform, cluster or store that is
    none, and hosts of a range that is none are left out, so that the rules can judge the rest.
    """
    return _Builder(document, report).site()


class _Builder:
    def __init__(self, document: Document, report: Report) -> None:
        self._document = document
        self._data: dict[str, Any] = document.data
        self._report = report
        self._unsound = set(document.unsound)
        self._clusters: dict[str, Cluster] = {}

    def site(self) -> Site:
        openstack = self._data["openstack"]
        release = self._release("openstack", openstack["release"], ("openstack", "release"))
        platform = self._platform(openstack["platform"], ("openstack", "platform"))
        self._clusters = {
            name: self._cluster(name, entry) for name, entry in self._data["clusters"].items()
        }
        groups = self._groups(platform)
        services = self._data["services"]
        return Site(
            name=self._data["site"],
            release=release,
            clusters=self._clusters,
            glance=self._glance(services.get("glance")),
            backends=tuple(
                self._backend(name, entry)
                for name, entry in services.get("cinder", {}).get("backends", {}).items()
            ),
            backup=self._backup(services.get("cinder", {}).get("backup")),
            nova=self._nova(services.get("nova")),
            groups=groups,
            prepares="prepare" in self._data,
            deploy_user=self._deploy_user(self._data.get("prepare", {}).get("deploy_user")),
            sends_handoffs=self._data.get("transport") == "scp",
            signers=tuple(self._data.get("signers", ())),
            unsound=frozenset(self._unsound),
        )

    def _release(self, product: str, spelling: str, path: Path) -> Release:
        names = knowledge.release_names(product)
        release = names.get(spelling.lower())
        if release:
            return release
        known = knowledge.releases(product)
        guess = did_you_mean(spelling.lower(), names)
        self._report.add(
            "E201",
            f"{quote(spelling)} is not a known release of {product}"
            + (f"; did you mean {quote(guess)}?" if guess else ""),
            self._document.span(path),
            help=f"known are {', '.join(each.name for each in known)}",
        )
        self._unsound.add(path)
        return known[-1]

    def _platform(self, name: str, path: Path) -> Platform:
        known = knowledge.platforms()
        if name in known:
            return known[name]
        reason = knowledge.refused_platforms().get(name)
        guess = did_you_mean(name, known)
        self._report.add(
            "E202",
            f"hosts of platform {quote(name)} cannot be served: {reason}"
            if reason
            else f"{quote(name)} is not a platform"
            + (f"; did you mean {quote(guess)}?" if guess else ""),
            self._document.span(path),
            help=f"known are {', '.join(known)}",
        )
        self._unsound.add(path)
        return next(iter(known.values()))

    def _cluster(self, name: str, entry: dict[str, Any]) -> Cluster:
        path: Path = ("clusters", name)
        return Cluster(
            name=name,
            release=self._release("ceph", entry["release"], (*path, "release")),
            fsid=entry["fsid"],
            mon_host=tuple(entry["mon_host"]),
            pools={
                pool: self._pool(pool, settings, (*path, "pools", pool))
                for pool, settings in entry["pools"].items()
            },
            secret_uuids={
                client: settings["secret_uuid"]
                for client, settings in entry.get("clients", {}).items()
                if "secret_uuid" in settings
            },
            classic_caps=entry.get("caps") == "classic",
            delivered=entry.get("keys") == "delivered",
            min_compat_client=knowledge.release_names("ceph").get(
                entry.get("min_compat_client", "")
            ),
            path=path,
        )

    @staticmethod
    def _pool(name: str, settings: dict[str, Any], path: Path) -> Pool:
        return Pool(
            name=name,
            pg_num=settings.get("pg_num"),
            autoscale=settings.get("autoscale"),
            target_size_ratio=settings.get("target_size_ratio"),
            size=settings.get("size"),
            crush_rule=settings.get("crush_rule"),
            data_pool=settings.get("data_pool"),
            erasure=Erasure(
                **{field.name: settings["erasure"].get(field.name) for field in fields(Erasure)}
            )
            if "erasure" in settings
            else None,
            path=path,
        )

    def _glance(self, entry: dict[str, Any] | None) -> Glance | None:
        if entry is None:
            return None
        path: Path = ("services", "glance")
        stores = {
            name: ImageStore(**self._store(store, (*path, "stores", name)), name=name)
            for name, store in entry.get("stores", {}).items()
        } or {"rbd": ImageStore(**self._store(entry, path), name="rbd")}
        return Glance(
            stores=tuple(stores.values()),
            default=self._default_store(entry, stores),
            copy_on_write=entry.get("copy_on_write", True),
            all_locations=entry.get("all_locations", False),
            unit=entry.get("unit"),
            path=path,
        )

    def _default_store(self, entry: dict[str, Any], stores: Mapping[str, ImageStore]) -> ImageStore:
        first = next(iter(stores))
        name = entry.get("default", first)
        place = ("services", "glance", "default")
        if name not in stores and place not in self._unsound:
            guess = did_you_mean(name, stores)
            self._report.add(
                "E226",
                f"there is no image store {quote(name)}"
                + (f"; did you mean {quote(guess)}?" if guess else ""),
                self._document.span(place),
                help=f"there are {', '.join(map(quote, stores))}",
            )
            self._unsound.add(place)
        return stores.get(name, stores[first])

    def _backend(self, name: str, entry: dict[str, Any]) -> Backend:
        return Backend(
            **self._store(entry, ("services", "cinder", "backends", name)),
            name=name,
            volume_backend_name=entry.get("volume_backend_name", name),
            volume_type=entry.get("volume_type"),
            availability_zone=entry.get("availability_zone"),
            trash=entry.get("trash"),
        )

    def _backup(self, entry: dict[str, Any] | None) -> Backup | None:
        if entry is None:
            return None
        return Backup(**self._store(entry, ("services", "cinder", "backup")))

    def _nova(self, entry: dict[str, Any] | None) -> Nova | None:
        if entry is None:
            return None
        return Nova(
            **self._store(entry, ("services", "nova")),
            cow_snapshots=entry.get("cow_snapshots", False),
        )

    @staticmethod
    def _deploy_user(entry: dict[str, Any] | None) -> DeployUser | None:
        if entry is None:
            return None
        keys = tuple(entry.get("authorized_keys", ()))
        return DeployUser(entry["name"], keys, ("prepare", "deploy_user"))

    def _store(self, entry: dict[str, Any], path: Path) -> dict[str, Any]:
        """Return the fields that every store has."""
        return {
            "cluster": self._cluster_of(entry, path),
            "pool": entry["pool"],
            "client": entry["client"],
            "options": entry.get("options", {}),
            "path": path,
        }

    def _cluster_of(self, entry: dict[str, Any], path: Path) -> Cluster:
        name = entry.get("cluster")
        place = (*path, "cluster")
        if name is None and len(self._clusters) > 1 and place not in self._unsound:
            self._report.add(
                "E205",
                f"{'.'.join(map(str, path))} does not say which cluster it stores in",
                self._document.span(path, key=True),
                help=f"add `cluster: NAME`; there are {', '.join(map(quote, self._clusters))}",
            )
            self._unsound.add(place)
        elif name is not None and self._is_cluster(name, place):
            return self._clusters[name]
        return next(iter(self._clusters.values()))

    def _is_cluster(self, name: str, path: Path) -> bool:
        if name in self._clusters:
            return True
        guess = did_you_mean(name, self._clusters)
        self._report.add(
            "E205",
            f"there is no cluster {quote(name)}"
            + (f"; did you mean {quote(guess)}?" if guess else ""),
            self._document.span(path),
            help=f"there are {', '.join(map(quote, self._clusters))}"
            if len(self._clusters) > 1
            else f"there is one, {quote(next(iter(self._clusters)))}",
        )
        self._unsound.add(path)
        return False

    def _groups(self, default: Platform) -> tuple[HostGroup, ...]:
        groups = []
        first_named: dict[str, str] = {}
        glance_unit = self._data["services"].get("glance", {}).get("unit")
        for pattern, entry in self._data["hosts"].items():
            path: Path = ("hosts", pattern)
            try:
                names = ranges.expand(pattern)
            except ranges.RangeError as error:
                span = self._document.span(path, key=True).part(error.offset, error.length)
                self._report.add(error.code, error.message, span)
                self._unsound.add(path)
                continue
            for name in names:
                if name in first_named:
                    self._report.add(
                        "E208",
                        f"host {quote(name)} is described twice: by"
                        f" {quote(first_named[name])} and by {quote(pattern)}",
                        self._document.span(path, key=True),
                    )
                    break
                first_named[name] = pattern
            if len(first_named) > ranges.NAMES_LIMIT:
                message = f"with these the site has more than {ranges.NAMES_LIMIT:,} hosts"
                self._report.add("E122", message, self._document.span(path, key=True))
                self._unsound.add(path)
                break
            platform = default
            if "platform" in entry:
                platform = self._platform(entry["platform"], (*path, "platform"))
            if glance_unit:
                platform = platform.with_unit(GLANCE, glance_unit)
            groups.append(
                HostGroup(
                    pattern=pattern,
                    names=tuple(names),
                    roles=frozenset(entry["roles"]),
                    platform=platform,
                    clusters=self._administered(entry, path),
                    backends=self._run(entry),
                    path=path,
                )
            )
        return tuple(groups)

    def _run(self, entry: dict[str, Any]) -> tuple[str, ...]:
        if CINDER not in entry["roles"]:
            return ()
        cinder: dict[str, Any] = self._data["services"].get("cinder", {})
        described = tuple(cinder.get("backends", {}))
        chosen = entry.get("backends", described)
        return tuple(name for name in described if name in chosen)

    def _administered(self, entry: dict[str, Any], path: Path) -> tuple[str, ...]:
        if CEPH_ADMIN not in entry["roles"]:
            return ()
        named = enumerate(entry.get("clusters", ()))
        return tuple(
            name for at, name in named if self._is_cluster(name, (*path, "clusters", at))
        ) or tuple(self._clusters)
