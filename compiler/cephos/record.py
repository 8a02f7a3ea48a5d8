"""What OUT remembers of the site that it was compiled from, for the next change to be held against.

The record lies in `manifest.json` under `record`. `facts` has the shape of `site.yaml`, with every
default and derived value filled in; `profiles` says what the bundles of which hosts manage. Neither
holds key material: the compiler never sees any.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar

from cephos import ranges, services
from cephos.effects import effects
from cephos.model import Cluster, Erasure, ImageStore

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from cephos.model import Path, Store
    from cephos.plan import Plan
    from cephos.tree import Tree

VERSION = 1
"""Of the record's form: a reader that knows another one does not guess."""

_OfHosts = TypeVar("_OfHosts", "Kind", "Part")


@dataclass(frozen=True)
class Kind:
    """Hosts whose bundles manage the same; `steps` are those of `effects.effects`.

    `earlier` tells of each step that is done before the hosts' last wave, in which.
    """

    hosts: tuple[str, ...]
    wave: int
    earlier: Mapping[str, int]
    roles: tuple[str, ...]
    platform: str
    keyrings: tuple[str, ...]
    steps: Mapping[str, Any]

    def is_like(self, other: Kind) -> bool:
        """Tell whether the bundles of the other's hosts manage the same."""
        return replace(self, hosts=other.hosts) == other


@dataclass(frozen=True)
class Part:
    """Hosts that were compiled alone, from a later description than the others."""

    hosts: tuple[str, ...]
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Record:
    """A compilation as far as a change of it can matter to a running site.

    `facts` are those that the whole site was last compiled from; `ahead` are parts of it since.
    """

    facts: Mapping[str, Any]
    kinds: tuple[Kind, ...]
    ahead: tuple[Part, ...] = ()

    def of(self, hosts: Collection[str]) -> Record:
        """Return the record with these hosts alone."""
        return Record(self.facts, _chosen(self.kinds, hosts), _chosen(self.ahead, hosts))

    def ages(self) -> Iterator[Record]:
        """Yield a record for each description that hosts were compiled from, with these hosts."""
        moved = {host for part in self.ahead for host in part.hosts}
        yield Record(self.facts, _chosen(self.kinds, self.kind_of().keys() - moved))
        for part in self.ahead:
            yield Record(part.facts, _chosen(self.kinds, {*part.hosts}))

    def kind_of(self) -> dict[str, Kind]:
        """Return the kind of each host, by name."""
        return {host: kind for kind in self.kinds for host in kind.hosts}

    def plain(self) -> dict[str, Any]:
        """Return it as it is kept in the manifest; `read` is the way back."""
        plain: dict[str, Any] = {
            "version": VERSION,
            "facts": self.facts,
            "profiles": [
                {
                    "hosts": _folded(kind.hosts),
                    "wave": kind.wave,
                    **({"earlier": kind.earlier} if kind.earlier else {}),
                    "roles": list(kind.roles),
                    "platform": kind.platform,
                    "keyrings": list(kind.keyrings),
                    "steps": kind.steps,
                }
                for kind in self.kinds
            ],
        }
        if self.ahead:
            plain["ahead"] = [
                {"hosts": _folded(part.hosts), "facts": part.facts} for part in self.ahead
            ]
        return plain


def _chosen(groups: Iterable[_OfHosts], hosts: Collection[str]) -> tuple[_OfHosts, ...]:
    return tuple(
        replace(group, hosts=chosen)
        for group in groups
        if (chosen := tuple(host for host in group.hosts if host in hosts))
    )


def kept(plan: Plan, tree: Tree) -> Tree:
    """Return the tree with the record of what was rendered of the plan, of all hosts or of some."""
    return replace(tree, about={**tree.about, "record": _record(plan, tree).plain()})


def _record(plan: Plan, tree: Tree) -> Record:
    profiles = {name: profile for profile in plan.profiles for name, _ in profile.hosts()}
    kinds = []
    for bundles in tree.bundles:
        host = next(iter(bundles.hosts))
        profile = profiles[host]
        *begun, last = (wave for wave in plan.waves if wave.has(profile))
        kinds.append(
            Kind(
                hosts=tuple(bundles.hosts),
                wave=last.number,
                earlier={
                    step.full_name: wave.number for wave in begun for step in wave.steps(profile)
                },
                roles=profile.roles,
                platform=profile.platform.name,
                keyrings=tuple(keyring.name for keyring in profile.keyrings),
                steps=effects(bundles.shared),
            )
        )
    return Record(facts(plan), tuple(kinds))


def facts(plan: Plan) -> dict[str, Any]:
    """Return the description as plain values, under the paths of `site.yaml`.

    Below a cluster's `clients` stands what each may do in which pool: `read` or `write`. Options
    have the names that they have in the file, `section.name`, however the site spells them.
    """
    site = plan.site

    def plain(store: Store) -> dict[str, Any]:
        options = {
            f"{section}.{name}": value
            for section, name, value in services.options_in_file(site, store)
        }
        return _plain(store) | {"options": options}

    tree: dict[str, Any] = {
        "site": site.name,
        "openstack": {"release": site.release.name},
        "signers": list(site.signers),
    }
    if site.deploy_user:
        _place(
            tree,
            site.deploy_user.path,
            {"name": site.deploy_user.name, "authorized_keys": list(site.deploy_user.keys)},
        )
    for cluster in site.clusters.values():
        clients: dict[str, Any] = {
            name: {
                "pools": dict.fromkeys(access.readable(), "read")
                | dict.fromkeys(access.write, "write")
            }
            for name, access in plan.access[cluster.name].items()
        }
        for store in site.stores():
            if store.cluster is cluster and store.for_guests:
                clients[store.client]["secret_uuid"] = cluster.secret_uuid(store.client)
        _place(
            tree,
            cluster.path,
            {
                "release": cluster.release.name,
                "fsid": cluster.fsid,
                "mon_host": list(cluster.mon_host),
                "min_compat_client": cluster.min_compat_client.name
                if cluster.min_compat_client
                else "as it is",
                "pools": {name: _plain(pool) for name, pool in cluster.pools.items()},
                "clients": clients,
            },
        )
    if site.glance:
        # a store that is described alone is short for a map of one
        images = {store.name: plain(store) for store in site.image_stores}
        _place(tree, site.glance.path, _plain(site.glance) | {"stores": images})
    for store in site.stores():
        if not isinstance(store, ImageStore):
            _place(tree, store.path, plain(store))
    for backend in site.backends:
        # to which its volumes belong
        _place(tree, (*backend.path, "host"), site.host_of(backend))
    return tree


def joined(earlier: Any, hosts: Collection[str], part: Any) -> Any:
    """Return the record, as it is kept, of a compilation of some hosts beside one that was.

    `hosts` stay as the `earlier` record has them, and so do the facts, until no host is left that
    was compiled from them. The others are ahead; one that manages what it did keeps its place in
    the record. None if there is nothing to go by.
    """
    old, new = read(earlier), read(part)
    if old is None or new is None:
        return None
    before, now = old.kind_of(), new.kind_of()
    same = {host for host in now.keys() & before if now[host].is_like(before[host])}
    staying, moved = old.of({*hosts, *same}), new.of(now.keys() - same)
    kinds = (*staying.kinds, *moved.kinds)
    ahead = [*old.of(hosts).ahead]
    if new.facts != old.facts:
        there = [host for part in ahead if part.facts == new.facts for host in part.hosts]
        ahead = [part for part in ahead if part.facts != new.facts]
        ahead.append(Part((*there, *now), new.facts))
    if sum(len(part.hosts) for part in ahead) == sum(len(kind.hosts) for kind in kinds):
        *ahead, last = ahead
        return Record(last.facts, kinds, tuple(ahead)).plain()
    return Record(old.facts, kinds, tuple(ahead)).plain()


def _plain(value: Any) -> dict[str, Any]:
    """Return the fields of a part of the model that say something."""
    named = {field.name: getattr(value, field.name) for field in fields(value)}
    return {
        name: _fact(each)
        for name, each in named.items()
        if name not in {"name", "path"} and each is not None
    }


def _fact(value: Any) -> Any:
    match value:
        case Cluster() | ImageStore():
            return value.name
        case Erasure():
            return _plain(value)
        case Mapping():
            return dict(value)
    return value


def _place(tree: dict[str, Any], path: Path, value: Any) -> None:
    for key in path[:-1]:
        tree = tree.setdefault(str(key), {})
    tree[str(path[-1])] = value


def _folded(hosts: Iterable[str]) -> list[str]:
    """Return the hosts as ranges, as far as `ranges.expand` takes them back."""
    names = list(hosts)
    folded = ranges.fold(names)
    fits = len(names) <= ranges.NAMES_LIMIT and max(map(len, folded)) <= ranges.PATTERN_LIMIT
    return folded if fits else names


def _unfolded(folded: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for each in folded for name in ranges.expand(each))


def read(plain: Any) -> Record | None:
    """Return the record that was kept; None if it is none of this version, or tampered with."""
    import jsonschema  # noqa: PLC0415  # only --plan and --host read a record

    schema = (files("cephos.schema") / "record.schema.json").read_text(encoding="utf-8")
    try:
        jsonschema.validate(plain, json.loads(schema))
        kinds = tuple(
            Kind(
                hosts=_unfolded(kind["hosts"]),
                wave=kind["wave"],
                earlier=kind.get("earlier", {}),
                roles=tuple(kind["roles"]),
                platform=kind["platform"],
                keyrings=tuple(kind["keyrings"]),
                steps=kind["steps"],
            )
            for kind in plain["profiles"]
        )
        ahead = tuple(
            Part(_unfolded(part["hosts"]), part["facts"]) for part in plain.get("ahead", ())
        )
    except (jsonschema.ValidationError, ranges.RangeError, RecursionError):
        return None
    return Record(plain["facts"], kinds, ahead)
