"""What a site must be beyond its form: one function per rule.

A rule yields diagnostics with a code of its own (E2xx, W3xx). It sees the whole model and may
assume that the schema has been kept.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any

from cephos import caps, knowledge
from cephos.diagnostics import Diagnostic, describe, did_you_mean, quote
from cephos.model import CEPH_ADMIN, CINDER, SERVICES
from cephos.services import GLANCE_OWN_STORES, MANAGED, stores_for_nova, stores_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from cephos.diagnostics import Report, Span
    from cephos.knowledge import Option, OptionValue
    from cephos.load import Document
    from cephos.model import Backend, HostGroup, ImageStore, Path, Site, Store

    Rule = Callable[[Site, "Places"], Iterator[Diagnostic]]

RULES: dict[Rule, tuple[Path, ...]] = {}
"""Every rule, in the order of the codes, with the places that it relies on."""

_SHOWN = 12
PORTS = 65536
LABEL = 63
"""Longest part of a host name between dots: RFC 1035, section 2.3.4."""
ANY = "*"
RELEASE: Path = ("openstack", "release")
CEPH_RELEASE: Path = ("clusters", ANY, "release")
POOLS: Path = ("clusters", ANY, "pools", ANY)
STORES: tuple[Path, ...] = (
    ("services", "glance", "stores", ANY),
    ("services", ANY, "backends", ANY),
    ("services", "cinder", "backup"),
)
CLUSTERS: tuple[Path, ...] = (
    ("services", ANY, "cluster"),
    *((*store, "cluster") for store in STORES),
)
ROLES: Path = ("hosts", ANY, "roles", ANY)
ADMINISTERED: Path = ("hosts", ANY, "clusters", ANY)
"""Places that rules rely on: where something is wrong there, a rule cannot tell what is missing."""

OTHERS = {
    "root": "it is root already",
    "ceph": "Ceph's packages make that user, whom its daemons run as",
    "cephadm": "Ceph's packages make that user, by whom its manager reaches the host",
}
"""Users that are somebody else on every platform (ceph.spec.in, debian/*.postinst of Ceph)."""

EXAMPLE_UUIDS = frozenset(
    {
        # https://docs.ceph.com/en/latest/rbd/rbd-openstack/
        "457eb676-33da-42ec-9a8c-9293d545c337",
        # the constant of OpenStack's nova-compute charm
        "c91ce26f-403d-4058-9c38-6b56e1c428e0",
    }
)
"""UUIDs printed in documentation and shipped as defaults: copied, they are not unique."""

_LIBRARIES = {
    *("barbican", "coordination", "cors", "database", "default", "healthcheck", "key_manager"),
    *("keystone_authtoken", "os_brick", "oslo_concurrency", "oslo_limit", "oslo_messaging_kafka"),
    *("oslo_messaging_notifications", "oslo_messaging_rabbit", "oslo_middleware", "oslo_policy"),
    *("oslo_reports", "oslo_versionedobjects", "privsep", "profiler", "service_user", "ssl"),
    "vault",
}

# Sections that mean something else than a backend or store: the option lists of Cinder and Glance,
# and of the libraries that they use. Those of Glance's own stores (`services.GLANCE_OWN_STORES`).
RESERVED_SECTIONS: Mapping[str, frozenset[str]] = {
    "cinder": frozenset(
        {
            *("backend", "backend_defaults", "brcd_fabric_example", "cisco_fabric_example"),
            *("fc-zone-manager", "glance", "nova", "sample_castellan_source"),
            "sample_remote_file_source",
        }
        | _LIBRARIES
    ),
    "glance": frozenset(
        {
            *("backend_defaults", "barbican_service_user", "cinder", "glance_download_opts"),
            *("glance_download_properties", "glance_store", "image_conversion", "image_format"),
            *("image_import_opts", "import_filtering_opts", "inject_metadata_properties"),
            *("oslo_messaging_amqp", "paste_deploy", "store_type_location_strategy", "task"),
            *("taskflow_executor", "wsgi"),
            *GLANCE_OWN_STORES,
        }
        | _LIBRARIES
    ),
}


class Places:
    """Spans of the document by path."""

    def __init__(self, document: Document) -> None:
        """Look paths up in this document."""
        self._document = document

    def key(self, path: Path) -> Span:
        """Return where the key stands."""
        return self._document.span(path, key=True)

    def value(self, path: Path) -> Span:
        """Return where the value stands."""
        return self._document.span(path)

    def given(self, path: Path) -> bool:
        """Tell whether the description has the key."""
        return self._at(path) is not None

    def items(self, path: Path) -> list[str]:
        """Return the items of a list; none if it is not given."""
        return list(self._at(path) or ())

    def _at(self, path: Path) -> Any:
        node: Any = self._document.data
        for key in path:
            node = node.get(key) if isinstance(node, dict) else None
        return node

    def role(self, group: HostGroup, role: str) -> Span:
        """Return where a group of hosts is given a role."""
        roles = self._document.data["hosts"][group.pattern]["roles"]
        index = roles.index(role) if isinstance(roles, list) and role in roles else 0
        return self.value((*group.path, "roles", index))


def check(site: Site, document: Document, report: Report) -> None:
    """Apply every rule that has what it relies on."""
    places = Places(document)
    for rule, relied_on in RULES.items():
        if not any(_is_of(place, kind) for place in site.unsound for kind in relied_on):
            report.extend(rule(site, places))


def _is_of(place: Path, kind: Path) -> bool:
    """Tell whether a place is of a kind, or around places of that kind."""
    return len(place) <= len(kind) and all(
        wanted in {step, ANY} for step, wanted in zip(place, kind, strict=False)
    )


def _rule(*relied_on: Path) -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        RULES[rule] = relied_on
        return rule

    return register


def _hint(word: str, candidates: Iterable[str]) -> str:
    guess = did_you_mean(word, candidates)
    return f"; did you mean {quote(guess)}?" if guess else ""


def _listed(names: Iterable[str]) -> str:
    shown = [quote(name) for name in names]
    more = [f"{len(shown) - _SHOWN} more"] if len(shown) > _SHOWN else []
    return ", ".join(shown[:_SHOWN] + more) or "none"


@_rule(*STORES, *CLUSTERS)
def fixed_clients_are_used(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E203: an entry under `clients` that no service names fixes nothing."""
    for cluster in site.clusters.values():
        used = {store.client for store in site.stores() if store.cluster is cluster}
        for client in cluster.secret_uuids:
            if client not in used:
                yield Diagnostic(
                    "E203",
                    f"client {quote(client)} is not used by any service{_hint(client, used)}",
                    at.key((*cluster.path, "clients", client)),
                    help=f"services use {_listed(used)}; an entry here only fixes what is theirs",
                )


@_rule(POOLS)
def pools_exist(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E204: a service stores in a pool that its cluster does not describe."""
    for store in site.stores():
        stands_in = (*store.path, "cluster") in site.unsound
        if store.pool not in store.cluster.pools and not stands_in:
            yield Diagnostic(
                "E204",
                f"cluster {quote(store.cluster.name)} has no pool {quote(store.pool)}"
                f"{_hint(store.pool, store.cluster.pools)}",
                at.value((*store.path, "pool")),
                help=f"it has {_listed(store.cluster.pools)};"
                f" a new one goes under clusters.{store.cluster.name}.pools",
            )


@_rule(*STORES)
def roles_have_a_service(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E206: a host runs a service that the site does not describe."""
    missing = {role: path for role, path in SERVICES.items() if not _described(site, path)}
    for group in site.groups:
        for role, path in missing.items():
            service = ".".join(map(str, path))
            if role in group.roles:
                yield Diagnostic(
                    "E206",
                    f"role {quote(role)} needs {service}, which is not described",
                    at.role(group, role),
                    help=f"describe {service} (its pool and client), or drop the role",
                )


@_rule(POOLS)
def data_pools_exist(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E204: the data of a pool goes to a pool that its cluster does not describe."""
    for cluster in site.clusters.values():
        for pool in cluster.pools.values():
            if pool.data_pool and pool.data_pool not in cluster.pools:
                yield Diagnostic(
                    "E204",
                    f"cluster {quote(cluster.name)} has no pool {quote(pool.data_pool)}"
                    f"{_hint(pool.data_pool, cluster.pools)}",
                    at.value((*pool.path, "data_pool")),
                    help=f"describe it beside this one, such as {pool.data_pool}:"
                    " {erasure: {k: 4, m: 2}}",
                )


@_rule(POOLS)
def data_pools_take_data_only(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E223: indexes of images lie in replicated pools, data of another pool in one that is none."""
    for cluster in site.clusters.values():
        for pool in cluster.pools.values():
            target = cluster.pools.get(pool.data_pool or "")
            if target and target.data_pool:
                yield Diagnostic(
                    "E223",
                    f"pool {quote(target.name)} has a data pool itself, so it cannot be one",
                    at.value((*pool.path, "data_pool")),
                    help="name the pool that takes the data in the end",
                )
    for store in site.stores():
        if store.pool in store.cluster.data_pools:
            yield Diagnostic(
                "E223",
                f"pool {quote(store.pool)} takes data only, so {store.service} cannot store in it",
                at.value((*store.path, "pool")),
                help="name a replicated pool here, and this one as the data_pool of that",
            )


@_rule()
def erasure_codes_are_whole(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E224: an erasure code is a profile that exists, or k and m; it decides the pool's rest."""
    for cluster in site.clusters.values():
        for pool in cluster.pools.values():
            code, place = pool.erasure, (*pool.path, "erasure")
            if code is None:
                continue
            made = [code.k, code.m, code.failure_domain, code.device_class]
            if code.profile is None and None in {code.k, code.m}:
                yield Diagnostic(
                    "E224",
                    "an erasure code needs k and m, or the profile of one that exists",
                    at.key(place),
                    help="k parts of data and m of redundancy, each on another host:"
                    " {k: 4, m: 2} survives the loss of two",
                )
            elif code.profile is not None and any(each is not None for each in made):
                yield Diagnostic(
                    "E224",
                    f"profile {quote(code.profile)} exists, so nothing else can be said of it",
                    at.key(place),
                    help="leave out the rest, or leave out `profile`, and one is made",
                )
            for key in ("size", "crush_rule", "data_pool"):
                if getattr(pool, key) is not None:
                    yield Diagnostic(
                        "E224",
                        f"an erasure-coded pool cannot have {quote(key)}",
                        at.key((*pool.path, key)),
                        help="its code decides how many parts there are and where they lie",
                    )


@_rule(POOLS)
def one_data_pool_per_client(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E225: librbd knows one data pool for a client, whatever pool an image is made in."""
    for cluster in site.clusters.values():
        for client, access in caps.main_pools(site, cluster).items():
            data = {pool: cluster.data_pool(pool) for pool in access.write}
            if len(set(data.values())) > 1:
                *_, last = (
                    store
                    for store in site.stores()
                    if store.cluster is cluster and store.client == client
                )
                listed = ", ".join(f"{pool} ({to or 'none'})" for pool, to in data.items())
                yield Diagnostic(
                    "E225",
                    f"client {quote(client)} writes to pools with different data pools: {listed}",
                    at.value((*last.path, "client")),
                    help="Ceph knows one data pool for a client (rbd_default_data_pool): use one"
                    " client for each",
                )


def _described(site: Site, service: Path) -> bool:
    return any(store.path[: len(service)] == service for store in site.stores())


@_rule()
def example_uuids_are_refused(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E209: an identity copied from documentation is not an identity."""
    for cluster in site.clusters.values():
        found: list[tuple[str, Path]] = [(cluster.fsid, (*cluster.path, "fsid"))]
        found += [
            (uuid, (*cluster.path, "clients", client, "secret_uuid"))
            for client, uuid in cluster.secret_uuids.items()
        ]
        for uuid, path in found:
            if uuid in EXAMPLE_UUIDS:
                yield Diagnostic(
                    "E209",
                    f"{uuid} is the example of a manual, so other sites have it too",
                    at.value(path),
                    help="leave secret_uuid out: it is then derived, unique, the same on all hosts",
                )


@_rule(*CLUSTERS)
def secret_uuids_are_unique(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E210: libvirt holds one key per UUID."""
    owners: dict[str, tuple[str, Path]] = {}
    for cluster in {each.fsid: each for each in site.clusters.values()}.values():
        clients = dict.fromkeys(store.client for store in site.stores() if store.cluster is cluster)
        for client in clients:
            uuid = cluster.secret_uuid(client)
            name = quote(client) + (f" of {quote(cluster.name)}" if len(site.clusters) > 1 else "")
            place = (*cluster.path, "clients", client, "secret_uuid")
            if uuid in owners:
                other, given = owners[uuid]
                yield Diagnostic(
                    "E210",
                    f"clients {other} and {name} share the secret UUID {uuid}",
                    at.value(place if client in cluster.secret_uuids else given),
                    help="libvirt holds one key under one UUID: give each client its own",
                )
            owners[uuid] = name, place


@_rule()
def options_are_right(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E212 to E214: an option exists, is free to set, and has a fit value."""
    first: dict[tuple[Path, str], Path] = {}
    for service, path, option, value in _options(site):
        spelling = str(path[-1])
        if isinstance(option, list):
            yield _no_such_option(service, spelling, option, at.key(path))
            continue
        name = f"{service}'s option {quote(option.name)}"
        if option.section == "<backend>" and path[2] == "backup":
            yield Diagnostic(
                "E212",
                f"{name} is a backend's, and cinder-backup does not read it",
                at.key(path),
                help="it goes under services.cinder.backends, to the backend that it is meant for",
            )
        # a section of the operator's own naming is the store's, any other the whole file's
        scope = path[:-1] if option.is_of_its_store else path[:2]
        earlier = first.setdefault((scope, option.full_name), path)
        if earlier != path:
            yield Diagnostic(
                "E213",
                f"{name} is set above already, as {quote(str(earlier[-1]))}",
                at.key(path),
                help="keep one of the two: a file cannot hold both",
            )
        elif option.full_name in MANAGED[service]:
            yield Diagnostic(
                "E213",
                f"{name} follows from {MANAGED[service][option.full_name]}, so it cannot be set"
                " here",
                at.key(path),
                help="leave it out: the bundles set it",
            )
        misfit = _misfit(option, value)
        if misfit:
            yield Diagnostic("E214", f"{name} {misfit}", at.value(path))


@_rule(RELEASE)
def options_suit_the_release(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E212 and W303: the services of this release read the option, without a warning."""
    for service, path, option, _ in _options(site):
        if isinstance(option, list) or option.full_name in MANAGED[service]:
            continue
        name = f"{service}'s option {quote(option.name)}"
        use = f"use {option.instead}" if option.instead else "leave it out"
        if not option.known_in(site.release):
            gone = option.until and not knowledge.within(site.release, None, option.until)
            when = f"went after {option.until}" if gone else f"came with {option.since}"
            yield Diagnostic(
                "E212", f"{name} is unknown to {site.release.name}: it {when}", at.key(path), use
            )
        elif option.deprecated_in(site.release):
            yield Diagnostic(
                "W303", f"{name} is deprecated since {option.deprecated}", at.key(path), use
            )


def _options(site: Site) -> Iterator[tuple[str, Path, Option | list[Option], OptionValue]]:
    """Yield service, place, meaning and value of each option that the site gives."""
    for store in site.stores():
        service = str(store.path[1])
        for spelling, value in store.options.items():
            path = (*store.path, "options", spelling)
            yield service, path, knowledge.find_option(service, spelling), value


def _no_such_option(service: str, spelling: str, alike: list[Option], span: Span) -> Diagnostic:
    if alike:
        names = ", ".join(option.full_name for option in alike)
        return Diagnostic(
            "E212",
            f"{quote(spelling)} could be any of {names}",
            span,
            help="write the one that you mean with its section",
        )
    table = knowledge.options(service)
    candidates = {option.name for option in table.values()} | set(table)
    return Diagnostic(
        "E212",
        f"{service} has no Ceph-related option {quote(spelling)}{_hint(spelling, candidates)}",
        span,
        help="the services ignore an unknown option in silence, so it is refused here",
    )


def _misfit(option: Option, value: OptionValue) -> str | None:
    """Say why the value does not fit the option; None if it does."""
    kind, check = _KINDS[option.type]
    if not check(value):
        return f"must be {kind}, not {describe(value)}"
    return next(_misfits(option, value), None)


def _whole(value: OptionValue) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _boolean(value: OptionValue) -> bool:
    return isinstance(value, bool)


def _one_text(value: OptionValue) -> bool:
    return not isinstance(value, bool | list)


def _listable(value: OptionValue) -> bool:
    return not isinstance(value, bool | float)


_KINDS: Mapping[str, tuple[str, Callable[[OptionValue], bool]]] = {
    "boolean": ("true or false", _boolean),
    "integer": ("a whole number", _whole),
    "string": ("text", _one_text),
    "dict": ("text", _one_text),
    # one value: a patch cannot hold a key twice
    "multi": ("text", _one_text),
    "list": ("a list", _listable),
}
"""What a site may give an option of each type of the option table."""


def _misfits(option: Option, value: OptionValue) -> Iterator[str]:
    """Yield what is wrong with a value of the right kind."""
    items = value if isinstance(value, list) else [value]
    for item in filter(_splits, value if isinstance(value, list) else ()):
        yield f"has the item {quote(item)}, which a comma-separated list cannot hold"
    if not "".join(map(str, items)).isprintable():
        yield "must be one line of printable characters"
    if isinstance(value, int) and option.minimum is not None and value < option.minimum:
        yield f"must be at least {option.minimum}, not {value}"
    if isinstance(value, int) and option.maximum is not None and value > option.maximum:
        yield f"must be at most {option.maximum}, not {value}"
    if option.choices and str(value) not in option.choices:
        choices = list(filter(None, option.choices))
        yield f"must be one of {', '.join(choices)}, not {describe(value)}" + (
            _hint(str(value), choices)
        )
    if option.name == "disk_cachemodes" and not all(
        "=" in item for item in ",".join(map(str, items)).split(",")
    ):
        # nova/virt/libvirt/driver.py drops such an item with a line in its log
        yield "needs items like network=writeback; nova ignores any other"


def _splits(item: str | int) -> bool:
    """Tell whether a list item is not what comes out when the list is split at its commas."""
    return str(item).split(",") != [str(item).strip()] or not str(item)


@_rule(ROLES, ADMINISTERED)
def one_ceph_admin(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E215: one host makes a cluster's pools, users and hand-offs, unless they are delivered."""
    delivered = [cluster for cluster in site.clusters.values() if cluster.delivered]
    made = [cluster for cluster in site.clusters.values() if not cluster.delivered]
    if delivered and made:
        yield Diagnostic(
            "E215",
            f"keys of cluster {quote(delivered[0].name)} are delivered, those of"
            f" {quote(made[0].name)} are not",
            at.value((*delivered[0].path, "keys")),
            help="a host gets all its keys one way: `keys: delivered` of every cluster, or of none",
        )
        return
    if delivered:
        for group in site.groups_with(CEPH_ADMIN):
            yield Diagnostic(
                "E215",
                "keys are delivered, so no host of this site makes pools, users and keys",
                at.role(group, CEPH_ADMIN),
                help="drop the role, or `keys: delivered` of the cluster",
            )
        return
    if not site.hosts_with(CEPH_ADMIN):
        yield Diagnostic(
            "E215",
            "no host has the role 'ceph-admin', so nobody would make pools, users and keys",
            at.key(("hosts",)),
            help="give the role to one host that has the cluster's admin keyring; if another team"
            " makes them, say `keys: delivered` of the cluster",
        )
        return
    for cluster in site.clusters.values():
        admins = site.administrators(cluster)
        groups = [group for group in site.groups if cluster.name in group.clusters]
        if not admins:
            yield Diagnostic(
                "E215",
                f"no host administers cluster {quote(cluster.name)}, so nobody would make its"
                " pools, users and keys",
                at.key(cluster.path),
                help="name it under `clusters` of the ceph-admin host that has its admin keyring",
            )
        for group in groups if len(admins) > 1 else ():
            yield Diagnostic(
                "E215",
                f"{len(admins)} hosts administer cluster {quote(cluster.name)}; one makes its"
                " pools, users and keys",
                at.role(group, CEPH_ADMIN),
                help="keep the role on one host that has the cluster's admin keyring"
                if len(site.clusters) == 1
                else "say with `clusters` which of them administers which",
            )


@_rule(*CLUSTERS, ROLES, ADMINISTERED)
def administrators_wait_for_no_key(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E216: a `ceph-admin` host has its turn before any hand-off has been made."""
    for group in site.groups_with(CEPH_ADMIN):
        foreign = {
            store.cluster.name: role
            for role in sorted(group.roles - {CEPH_ADMIN})
            for store, _ in stores_of(site, replace(group, roles=frozenset({role})))
            if store.cluster.name not in group.clusters
        }
        for name, role in foreign.items():
            yield Diagnostic(
                "E216",
                f"as {quote(role)} this host needs keys of cluster {quote(name)}, which another"
                " host administers",
                at.role(group, role),
                help="a ceph-admin host comes first, before other hosts' keys can arrive: give"
                f" role {quote(role)} to a host of its own, or let this one administer"
                f" {quote(name)} too",
            )


@_rule(*STORES, ROLES)
def host_settings_suit_the_roles(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E207: `clusters` of a host that administers none, `backends` of one that runs none."""
    for group in site.groups:
        for key, role, what in (
            ("clusters", CEPH_ADMIN, "administers"),
            ("backends", CINDER, "runs"),
        ):
            path = (*group.path, key)
            if role not in group.roles and at.given(path):
                yield Diagnostic(
                    "E207",
                    f"`{key}` says what a {role} host {what}, and this is none",
                    at.key(path),
                    help="leave it out: where a service stores is said under `services`",
                )
        for number, name in enumerate(at.items((*group.path, "backends"))):
            described = [backend.name for backend in site.backends]
            if name not in described:
                yield Diagnostic(
                    "E207",
                    f"there is no backend {quote(name)}{_hint(name, described)}",
                    at.value((*group.path, "backends", number)),
                    help=f"there are {_listed(described)}",
                )


@_rule()
def clusters_differ(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E218: one cluster under two names would be made twice, and libvirt's secrets would clash."""
    names: dict[str, str] = {}
    for cluster in site.clusters.values():
        if cluster.fsid in names:
            yield Diagnostic(
                "E218",
                f"clusters {quote(names[cluster.fsid])} and {quote(cluster.name)} have the same"
                " fsid, so they are one",
                at.value((*cluster.path, "fsid")),
                help="`ceph fsid` on a host of each prints what it is",
            )
        names[cluster.fsid] = cluster.name


@_rule()
def one_volume_service_per_backend(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E217: two cinder-volume services on one backend corrupt its state, unless they coordinate."""
    told: set[str] = set()
    for backend in site.backends:
        groups = [group for group in site.groups if backend.name in group.backends]
        hosts = sum(len(group.names) for group in groups)
        for group in groups if hosts > 1 else ():
            if group.pattern not in told:
                told.add(group.pattern)
                yield Diagnostic(
                    "E217",
                    f"{hosts} hosts have the role 'cinder', and would run backend"
                    f" {quote(backend.name)} side by side without coordination",
                    at.role(group, CINDER),
                    help="active-active Cinder is not supported by this version: say with"
                    " `backends` which host runs which, each backend on one",
                )


@_rule(*CLUSTERS)
def disks_lie_beside_images(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E220: Nova clones images of its own cluster; others it copies, in silence.

    Source: nova's release note avoid_muli_ceph_download (21.0.0).
    """
    glance, nova = site.glance, site.nova
    if not (glance and nova and glance.copy_on_write) or stores_for_nova(site):
        return
    decided = "never_download_image_if_on_rbd"
    far = [store for store in glance.stores if store.cluster is not nova.cluster]
    if far and not any(spelling.rpartition(".")[2] == decided for spelling in nova.options):
        of_store = f" of store {quote(far[0].name)}" if len(glance.stores) > 1 else ""
        yield Diagnostic(
            "E220",
            f"images{of_store} lie in cluster {quote(far[0].cluster.name)} and disks of guests in"
            f" {quote(nova.cluster.name)}: for each guest Nova would download its image to the"
            " compute, and copy it into Ceph",
            at.value((*nova.path, "cluster")),
            help=f"store both in one cluster, or decide with options: {{{decided}: true}} refuses"
            " such guests, false lets Nova copy (since Ussuri)"
            + (
                "; or let Glance copy such images: `all_locations: true` (since Victoria)"
                if len(far) < len(glance.stores)
                else ""
            ),
        )


@_rule(*STORES, *CLUSTERS, ("services", "glance", "default"))
def nova_knows_its_image_store(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E226: Nova must name the store of its own cluster, for Glance to copy images into."""
    glance, nova, named = site.glance, site.nova, "images_rbd_glance_store_name"
    if not (glance and nova):
        return
    given = {spelling: name for spelling, name in nova.options.items() if named in spelling}
    near = [store.name for store in glance.stores_in(nova.cluster)]
    for spelling, name in given.items():
        if name not in near:
            yield Diagnostic(
                "E226",
                f"there is no image store {quote(str(name))} in cluster {quote(nova.cluster.name)},"
                f" where disks of guests lie{_hint(str(name), near)}",
                at.value((*nova.path, "options", spelling)),
                help=f"there are {_listed(near)}",
            )
    if len(stores_for_nova(site)) > 1 and not given:
        yield Diagnostic(
            "E226",
            f"image stores {_listed(near)} lie in the cluster of guests' disks: Nova cannot tell"
            " into which of them Glance shall copy images that lie elsewhere",
            at.key(nova.path),
            help=f"say which, with options: {{{named}: {near[0]}}}",
        )


@_rule(RELEASE)
def the_release_knows_several_image_stores(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E227: before Train Glance's stores have one section for all, or are an experiment."""
    if at.given(("services", "glance", "stores")) and not knowledge.behaves(
        "glance_multi_store", site.release
    ):
        yield Diagnostic(
            "E227",
            f"Glance of {site.release.name} knows one RBD store: it has several since train",
            at.key(("services", "glance", "stores")),
            help="describe one: `pool` and `client` of services.glance itself",
        )


@_rule()
def backends_and_stores_have_their_own_section(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E219: some sections of cinder.conf and glance-api.conf mean something else."""
    what = {"cinder": ("cinder.conf", "backend"), "glance": ("glance-api.conf", "store")}
    stores: tuple[ImageStore | Backend, ...] = (*site.image_stores, *site.backends)
    for store in stores:
        if store.name.lower() in RESERVED_SECTIONS[store.service]:
            file, kind = what[store.service]
            yield Diagnostic(
                "E219",
                f"section [{store.name}] of {file} is not free for a {kind}",
                at.key(store.path),
                help=f"{store.service.capitalize()} or one of its libraries reads other options"
                " there: choose another name, such as rbd",
            )


@_rule(RELEASE, CEPH_RELEASE)
def trash_is_there_to_be_emptied(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E241: before 2024.1 Cinder deletes volumes itself (its release notes, 24.0.0)."""
    for backend in site.backends:
        ceph = backend.cluster.release
        if backend.trash and not knowledge.behaves("cinder_leaves_trash", site.release):
            yield Diagnostic(
                "E241",
                f"in {site.release.name} Cinder leaves nothing in the trash to be purged",
                at.value((*backend.path, "trash")),
                help="leave it out",
            )
        elif backend.trash == "schedule" and not knowledge.behaves("trash_schedule", ceph):
            yield Diagnostic(
                "E241",
                f"{ceph.name} cannot purge trash by a schedule",
                at.value((*backend.path, "trash")),
                help="leave it out: cinder-volume then purges it",
            )


@_rule()
def handoffs_are_there_to_be_sent(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E241: where keys are delivered no host of the site makes hand-offs."""
    if site.sends_handoffs and any(cluster.delivered for cluster in site.clusters.values()):
        yield Diagnostic(
            "E241",
            "keys are delivered, so no host makes hand-offs that it could send",
            at.value(("transport",)),
            help="leave it out: whoever runs tools/make-handoff has the hand-offs, and sends them",
        )


@_rule()
def services_are_not_the_administrator(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E221: a service that is client.admin may destroy the cluster."""
    for store in site.stores():
        if store.client == "admin":
            yield Diagnostic(
                "E221",
                "client 'admin' is the cluster's administrator; a service needs a user of its own",
                at.value((*store.path, "client")),
                help=f"name a new one, such as {store.service}: it is made with the least rights"
                " that do",
            )


@_rule()
def monitors_have_addresses(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E222: what looks like an address and is none; clients would wait for it in silence."""
    for cluster in site.clusters.values():
        for number, monitor in enumerate(cluster.mon_host):
            wrong = _wrong_address(monitor)
            if wrong:
                yield Diagnostic(
                    "E222",
                    f"no monitor has the address {quote(monitor)}: {wrong}",
                    at.value((*cluster.path, "mon_host", number)),
                    help="`ceph mon dump` on a host of the cluster shows the addresses",
                )


def _wrong_address(monitor: str) -> str | None:
    """Say what is wrong with `host`, `host:port` or `[IPv6]:port`."""
    host, _, port = monitor.partition("]:") if monitor[0] == "[" else monitor.partition(":")
    if port and not 0 < int(port) < PORTS:
        return f"port {port} does not exist"
    labels = host.split(".")
    if host[0] == "[":
        return None if _is(IPv6Address, host.strip("[]")) else "it is no IPv6 address"
    if labels[-1].isdecimal():  # no name ends so: RFC 3696, section 2
        return None if _is(IPv4Address, host) else "an IPv4 address is four numbers up to 255"
    if not all(0 < len(label) <= LABEL for label in labels):
        return f"the parts of a name are 1 to {LABEL} characters long"
    return None


def _is(kind: Callable[[str], object], text: str) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True


@_rule(RELEASE)
def glance_has_a_unit(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E232: what runs Glance where it has no server of its own is the site's to say."""
    glance = site.glance
    if glance and not glance.unit and not knowledge.behaves("glance_has_server", site.release):
        yield Diagnostic(
            "E232",
            f"Glance of {site.release.name} has no server of its own, so what runs it must be said",
            at.key(glance.path),
            help="name the unit that runs glance.wsgi.api:application on your hosts, such as"
            " `unit: httpd.service`",
        )


@_rule()
def locks_can_be_broken(site: Site, at: Places) -> Iterator[Diagnostic]:
    """W331: without `profile rbd` on the monitors nobody can blocklist a client that has died."""
    for cluster in site.clusters.values():
        if cluster.classic_caps:
            yield Diagnostic(
                "W331",
                "with classic capabilities no client can take over the lock of one that has died",
                at.value((*cluster.path, "caps")),
                help="guests of a compute that crashed then stay down until somebody runs"
                " tools/rbd-locks --break: leave it out if you can",
            )


@_rule()
def the_deploy_user_is_nobody_else(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E228: a name that packages give to a user of their own cannot be the deploy user's."""
    if site.deploy_user is None:
        return
    taken = OTHERS | {
        user: f"on {group.platform.name} a service or guests run as that user"
        for group in site.groups
        for user in (group.platform.qemu, *(unit.user for unit in group.platform.units.values()))
    }
    reason = taken.get(site.deploy_user.name)
    if reason:
        yield Diagnostic(
            "E228",
            f"{quote(site.deploy_user.name)} cannot be the deploy user: {reason}",
            at.value((*site.deploy_user.path, "name")),
            help="name an account that is nobody else's, such as deploy",
        )


@_rule(CEPH_RELEASE)
def pools_suit_the_release(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E231: the Ceph release makes a pool with what is said of it, and with no less."""
    for cluster in site.clusters.values():
        autoscaler = knowledge.behaves("pg_autoscaler", cluster.release)
        for pool in cluster.pools.values():
            if pool.pg_num is None and not cluster.makes_pools_whole:
                yield Diagnostic(
                    "E231",
                    f"pool {quote(pool.name)} needs pg_num: {cluster.release.name} makes no pool"
                    " without",
                    at.key(pool.path),
                    help="give about 100 placement groups for each OSD, over all pools and"
                    " replicas, as a power of two",
                )
            if pool.erasure and not cluster.makes_pools_whole:
                yield Diagnostic(
                    "E231",
                    f"bundles make no erasure-coded pool in {cluster.release.name}: they do from"
                    " octopus on",
                    at.key((*pool.path, "erasure")),
                    help="leave it out, and data_pool of the pools that would use it: replicated"
                    " pools do without",
                )
            for key in ("autoscale", "target_size_ratio"):
                if getattr(pool, key) is not None and not autoscaler:
                    yield Diagnostic(
                        "E231",
                        f"{cluster.release.name} has no autoscaler, so pool {quote(pool.name)}"
                        f" cannot have {quote(key)}",
                        at.key((*pool.path, key)),
                        help="leave it out, and give pg_num",
                    )


@_rule(CEPH_RELEASE)
def clusters_know_their_oldest_client(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E231: a cluster can demand no release of its clients that came after it."""
    for cluster in site.clusters.values():
        oldest = cluster.min_compat_client
        if oldest and oldest.order > cluster.release.order:
            yield Diagnostic(
                "E231",
                f"{cluster.release.name} knows no clients of {oldest.name}",
                at.value((*cluster.path, "min_compat_client")),
                help="clones of version 2 need mimic, the balancer's upmap luminous",
            )


@_rule(*STORES, *CLUSTERS, (*POOLS, "data_pool"))
def every_pool_is_used(site: Site, at: Places) -> Iterator[Diagnostic]:
    """W301: a pool that no service stores in."""
    for cluster in site.clusters.values():
        used = {store.pool for store in site.stores() if store.cluster is cluster}
        used |= {pool.data_pool for pool in cluster.pools.values() if pool.data_pool}
        misspelt = used - set(cluster.pools)
        for name, pool in cluster.pools.items():
            # a service that misspells this pool's name is told so (E204), and that explains this
            if name not in used and not did_you_mean(name, misspelt):
                yield Diagnostic(
                    "W301",
                    f"pool {quote(name)} is not used by any service",
                    at.key(pool.path),
                    help="it would be made and stay empty: name it in a service, or drop it",
                )


@_rule(ROLES)
def every_service_has_a_host(site: Site, at: Places) -> Iterator[Diagnostic]:
    """W302: a service that no host runs."""
    for role, path in SERVICES.items():
        if _described(site, path) and not site.hosts_with(role):
            yield Diagnostic(
                "W302",
                f"no host has the role {quote(role)}",
                at.key(path),
                help=f"give it to the hosts that run {role}; without, nothing reads this",
            )
    for backend in site.backends if site.hosts_with(CINDER) else ():
        if not any(backend.name in group.backends for group in site.groups):
            yield Diagnostic(
                "W302",
                f"no host runs backend {quote(backend.name)}",
                at.key(backend.path),
                help="name it under `backends` of a host with the role 'cinder'; without, nothing"
                " reads this",
            )


@_rule(*CLUSTERS)
def shared_pools(site: Site, at: Places) -> Iterator[Diagnostic]:
    """W304: services that share a pool can destroy each other's data and confuse its statistics."""
    users: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for store in site.stores():
        key = (store.cluster.name, store.pool)
        if users[key]:
            names = " and ".join([*users[key], store.service])
            yield Diagnostic(
                "W304",
                f"pool {quote(store.pool)} is shared by {names}",
                at.value((*store.path, "pool")),
                help="a pool of its own keeps the client of one service away from the other's data",
            )
        users[key].append(store.service)


@_rule(*CLUSTERS)
def shared_clients(site: Site, at: Places) -> Iterator[Diagnostic]:
    """W305: services that share a client share what each may do, and its key."""
    users: defaultdict[tuple[str, str], dict[str, Store]] = defaultdict(dict)
    for store in site.stores():
        users[store.cluster.name, store.client][store.service] = store
    for (_, client), stores in users.items():
        if len(stores) > 1:
            *_, last = stores.values()
            yield Diagnostic(
                "W305",
                f"client {quote(client)} is shared by {', '.join(list(stores)[:-1])} and"
                f" {list(stores)[-1]}",
                at.value((*last.path, "client")),
                help="each of their hosts can then do what all of them may, such as delete every"
                " image and volume; a client of its own keeps each service to its pools",
            )


@_rule((*POOLS, "pg_num"))
def pg_num_is_a_power_of_two(site: Site, at: Places) -> Iterator[Diagnostic]:
    """W306: else some placement groups hold twice what others hold, and Ceph's health warns.

    Source: Ceph's documentation, "Health checks", POOL_PG_NUM_NOT_POWER_OF_TWO.
    """
    for cluster in site.clusters.values():
        for pool in cluster.pools.values():
            if pool.pg_num is not None and pool.pg_num.bit_count() != 1:
                less = 1 << pool.pg_num.bit_length() - 1
                yield Diagnostic(
                    "W306",
                    f"pg_num of pool {quote(pool.name)} is no power of two",
                    at.value((*pool.path, "pg_num")),
                    help=f"{less} or {2 * less}: else some placement groups hold twice what others"
                    " do, and `ceph -s` warns for ever",
                )
