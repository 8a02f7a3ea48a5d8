"""Pools: that they exist, suit their use and release, and are not shared by accident."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from cephos import caps, knowledge
from cephos.diagnostics import Diagnostic, did_you_mean, quote
from cephos.rules.places import (
    CEPH_RELEASE,
    CLUSTERS,
    POOLS,
    STORES,
    hint,
    listed,
    rule,
    together,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cephos.model import Site, Store
    from cephos.rules.places import Places


@rule(POOLS)
def pools_exist(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E204: a service stores in a pool that its cluster does not describe."""
    for store in site.stores():
        stands_in = (*store.path, "cluster") in site.unsound
        if store.pool not in store.cluster.pools and not stands_in:
            yield Diagnostic(
                "E204",
                f"cluster {quote(store.cluster.name)} has no pool {quote(store.pool)}"
                f"{hint(store.pool, store.cluster.pools)}",
                at.value((*store.path, "pool")),
                help=f"it has {listed(store.cluster.pools)};"
                f" a new one goes under clusters.{store.cluster.name}.pools",
            )


@rule(POOLS)
def data_pools_exist(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E204: the data of a pool goes to a pool that its cluster does not describe."""
    for cluster in site.clusters.values():
        for pool in cluster.pools.values():
            if pool.data_pool and pool.data_pool not in cluster.pools:
                yield Diagnostic(
                    "E204",
                    f"cluster {quote(cluster.name)} has no pool {quote(pool.data_pool)}"
                    f"{hint(pool.data_pool, cluster.pools)}",
                    at.value((*pool.path, "data_pool")),
                    help=f"describe it beside this one, such as {pool.data_pool}:"
                    " {erasure: {k: 4, m: 2}}",
                )


@rule(POOLS)
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


@rule()
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


@rule(POOLS)
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
                pairs = ", ".join(f"{pool} ({to or 'none'})" for pool, to in data.items())
                yield Diagnostic(
                    "E225",
                    f"client {quote(client)} writes to pools with different data pools: {pairs}",
                    at.value((*last.path, "client")),
                    help="Ceph knows one data pool for a client (rbd_default_data_pool): use one"
                    " client for each",
                )


@rule(CEPH_RELEASE)
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


@rule(*STORES, *CLUSTERS, (*POOLS, "data_pool"))
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


@rule(*CLUSTERS)
def shared_pools(site: Site, at: Places) -> Iterator[Diagnostic]:
    """W304: services that share a pool can destroy each other's data and confuse its statistics."""
    users: defaultdict[tuple[str, str], list[Store]] = defaultdict(list)
    for store in site.stores():
        users[store.cluster.name, store.pool].append(store)
    for (_, pool), stores in users.items():
        if len(stores) > 1:
            often = Counter(store.service for store in stores)
            names = [
                f"{each.service} ({each.path[-1]})" if often[each.service] > 1 else each.service
                for each in stores
            ]
            yield Diagnostic(
                "W304",
                f"pool {quote(pool)} is shared by {together(names)}",
                at.value((*stores[-1].path, "pool")),
                help="a pool of its own keeps the client of one service away from the other's data",
            )


@rule((*POOLS, "pg_num"))
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
