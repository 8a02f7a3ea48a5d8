"""Clusters and their users: identity, addresses, libvirt secrets, capabilities."""

from __future__ import annotations

from collections import defaultdict
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from cephos.diagnostics import Diagnostic, quote
from cephos.rules.places import (
    CEPH_RELEASE,
    CLUSTERS,
    STORES,
    hint,
    listed,
    rule,
    together,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cephos.model import Path, Site, Store
    from cephos.rules.places import Places


PORTS = 65536
LABEL = 63
"""Longest part of a host name between dots: RFC 1035, section 2.3.4."""

EXAMPLE_UUIDS = frozenset(
    {
        # https://docs.ceph.com/en/latest/rbd/rbd-openstack/
        "457eb676-33da-42ec-9a8c-9293d545c337",
        # the constant of OpenStack's nova-compute charm
        "c91ce26f-403d-4058-9c38-6b56e1c428e0",
    }
)
"""UUIDs printed in documentation and shipped as defaults: copied, they are not unique."""


@rule(*STORES, *CLUSTERS)
def fixed_clients_are_used(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E203: an entry under `clients` that no service names fixes nothing."""
    for cluster in site.clusters.values():
        used = {store.client for store in site.stores() if store.cluster is cluster}
        for client in cluster.secret_uuids:
            if client not in used:
                yield Diagnostic(
                    "E203",
                    f"client {quote(client)} is not used by any service{hint(client, used)}",
                    at.key((*cluster.path, "clients", client)),
                    help=f"services use {listed(used)}; an entry here only fixes what is theirs",
                )


@rule()
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


@rule(*CLUSTERS)
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


@rule()
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


@rule()
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


@rule()
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


@rule()
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


@rule(CEPH_RELEASE)
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


@rule(*CLUSTERS)
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
                f"client {quote(client)} is shared by {together(stores)}",
                at.value((*last.path, "client")),
                help="each of their hosts can then do what all of them may, such as delete every"
                " image and volume; a client of its own keeps each service to its pools",
            )
