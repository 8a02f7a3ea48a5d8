"""Hosts and roles: who makes the keys, who runs what, and what may run only once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cephos.diagnostics import Diagnostic, quote
from cephos.model import CEPH_ADMIN, CINDER, SERVICES
from cephos.rules.places import (
    ADMINISTERED,
    CLUSTERS,
    ROLES,
    RUN,
    STORES,
    described,
    hint,
    listed,
    rule,
)
from cephos.services import stores_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cephos.model import Site
    from cephos.rules.places import Places


OTHERS = {
    "root": "it is root already",
    "ceph": "Ceph's packages make that user, whom its daemons run as",
    "cephadm": "Ceph's packages make that user, by whom its manager reaches the host",
}
"""Users that are somebody else on every platform (ceph.spec.in, debian/*.postinst of Ceph)."""


@rule(*STORES)
def roles_have_a_service(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E206: a host runs a service that the site does not describe."""
    missing = {role: path for role, path in SERVICES.items() if not described(site, path)}
    for role, path in missing.items():
        service = ".".join(map(str, path))
        for group in site.groups_with(role):
            yield Diagnostic(
                "E206",
                f"role {quote(role)} needs {service}, which is not described",
                at.role(group, role),
                help=f"describe {service} (its pool and client), or drop the role",
            )


@rule(ROLES, ADMINISTERED)
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


@rule(*CLUSTERS, ROLES, ADMINISTERED)
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


@rule(*STORES, ROLES)
def host_settings_suit_the_roles(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E207: `clusters` of a host that administers none, `backends` of one that runs none."""
    backends = [backend.name for backend in site.backends]
    for group in site.groups:
        given = at.keys(group.path)
        for key, role, what in (
            ("clusters", CEPH_ADMIN, "administers"),
            ("backends", CINDER, "runs"),
        ):
            if key in given and role not in group.roles:
                yield Diagnostic(
                    "E207",
                    f"`{key}` says what a {role} host {what}, and this is none",
                    at.key((*group.path, key)),
                    help="leave it out: where a service stores is said under `services`",
                )
        named = at.items((*group.path, "backends")) if "backends" in given else []
        for number, name in enumerate(named):
            if name not in backends:
                yield Diagnostic(
                    "E207",
                    f"there is no backend {quote(name)}{hint(name, backends)}",
                    at.value((*group.path, "backends", number)),
                    help=f"there are {listed(backends)}",
                )


@rule()
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


@rule()
def handoffs_are_there_to_be_sent(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E241: where keys are delivered no host of the site makes hand-offs."""
    if site.sends_handoffs and any(cluster.delivered for cluster in site.clusters.values()):
        yield Diagnostic(
            "E241",
            "keys are delivered, so no host makes hand-offs that it could send",
            at.value(("transport",)),
            help="leave it out: whoever runs tools/make-handoff has the hand-offs, and sends them",
        )


@rule()
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


@rule(ROLES, RUN)
def every_service_has_a_host(site: Site, at: Places) -> Iterator[Diagnostic]:
    """W302: a service that no host runs."""
    for role, path in SERVICES.items():
        if described(site, path) and not site.hosts_with(role):
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
