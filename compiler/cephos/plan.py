"""From the site to what must be made: profiles, steps, files, waves and hand-offs.

Hosts that differ in nothing but their name share a profile, so that every distinct file is rendered
and checked once, however many hosts there are.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from cephos import caps, ini, knowledge, ranges, services, sign
from cephos.libvirt import libvirt_secret
from cephos.model import CEPH_ADMIN, CINDER, CINDER_BACKUP, GLANCE, NOVA

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from cephos.knowledge import Platform
    from cephos.model import Cluster, HostGroup, Path, Site, Store

ROLE_PURPOSES = {
    CEPH_ADMIN: "Pools, users and keys are made in Ceph.",
    GLANCE: "Glance stores images in Ceph.",
    NOVA: "Computes hold the secrets and keep disks of guests in Ceph.",
    CINDER: "Cinder stores volumes in Ceph.",
    CINDER_BACKUP: "cinder-backup stores backups of volumes in Ceph.",
}
"""What each role's bundles bring about, in the order across the site.

Keys come first. Computes come before Cinder: from the moment Cinder uses the new backend it hands
out a secret UUID that every compute must know. A host with several roles goes with its last; one
that makes the keys, or is a compute, goes with that, and where its Cinder must wait for other hosts
it has a second turn.
"""

_WAITING = 80
"""The first of the steps that wait for computes: Cinder's."""


@dataclass(frozen=True)
class Step:
    """One script, `steps/NN-name.sh`; `source` is where in the description it comes from."""

    number: int
    name: str
    purpose: str
    source: Path
    context: Mapping[str, Any] = field(repr=False)

    @property
    def path(self) -> str:
        """Return its path in the bundle."""
        return f"steps/{self.full_name}.sh"

    @property
    def full_name(self) -> str:
        """Return what `apply` calls it: `NN-name`."""
        return f"{self.number:02}-{self.name}"


@dataclass(frozen=True)
class DataFile:
    """One file under `files/`."""

    path: str
    text: str
    purpose: str
    source: Path


@dataclass(frozen=True)
class Tool:
    """A program for people, which no step runs; its text is `templates/tools/NAME`."""

    name: str
    purpose: str

    @property
    def path(self) -> str:
        """Return where it lies in the bundle."""
        return f"tools/{self.name}"


TOOLS = {
    CEPH_ADMIN: (Tool("rbd-locks", "find locks of clients that are gone, and break them"),),
    GLANCE: (
        Tool("glance-images-to-rbd", "copy images of other stores into RBD, under their ids"),
    ),
}
"""What helps people on hosts of each role."""

MAKE_HANDOFF = Tool("make-handoff", "seal keyrings that were delivered into this host's hand-off")
"""What helps where no `ceph-admin` host makes hand-offs."""


@dataclass(frozen=True)
class Share:
    """What a step needs of one cluster: to reach pools as clients, with their keyrings."""

    cluster: Cluster
    keyrings: tuple[list[str], ...]
    """What `install_keyring` is told of each."""
    uses: tuple[tuple[str, str], ...]
    """Client and pool."""


@dataclass(frozen=True)
class Handoff:
    """The sealed file with a cluster's keys for a host, and the host that seals it.

    Its name is `HOST.tar`; where the site has several clusters, `HOST.CLUSTER.tar`. Keys that are
    delivered are sealed by a person, all in one.
    """

    source: str | None
    suffix: str
    keyrings: tuple[services.Keyring, ...]

    def file(self, host: str) -> str:
        """Return its name for a host."""
        return f"{host}{self.suffix}.tar"


@dataclass(frozen=True)
class Profile:
    """Hosts whose bundles are the same but for `host.env` and what follows from it."""

    groups: tuple[HostGroup, ...]
    roles: tuple[str, ...]
    platform: Platform
    steps: tuple[Step, ...]
    files: tuple[DataFile, ...]
    keyrings: tuple[services.Keyring, ...]
    handoffs: tuple[Handoff, ...]
    """What somebody carries to each host; a `ceph-admin` host keeps its own."""
    tools: tuple[Tool, ...]

    def hosts(self) -> Iterator[tuple[str, HostGroup]]:
        """Yield each host with the entry that describes it."""
        return ((name, group) for group in self.groups for name in group.names)

    @property
    def first_steps(self) -> list[Step]:
        """Return the steps that need not wait for computes."""
        return [step for step in self.steps if step.number < _WAITING]

    @property
    def restarts(self) -> list[str]:
        """Return the units that are restarted where something that they read has changed."""
        return _restarts(self.steps)


def _restarts(steps: Iterable[Step]) -> list[str]:
    return [step.context["unit"].unit for step in steps if "unit" in step.context]


@dataclass(frozen=True)
class Wave:
    """Hosts that may be applied at the same time, after those of every wave before.

    `begun` are those of them whose first steps are done in it, and the rest in a later one.
    """

    number: int
    roles: tuple[str, ...]
    groups: tuple[HostGroup, ...]
    begun: tuple[HostGroup, ...]

    def has(self, profile: Profile) -> bool:
        """Tell whether the profile's hosts have a turn in it."""
        return profile.groups[0].pattern in self._patterns

    def begins(self, profile: Profile) -> bool:
        """Tell whether the profile's hosts have a first turn in it, and another one later."""
        return profile.groups[0] in self.begun

    def steps(self, profile: Profile) -> Sequence[Step]:
        """Return the steps of the profile's hosts after which they are done with the wave."""
        return profile.first_steps if self.begins(profile) else profile.steps

    def restarts(self, profile: Profile) -> list[str]:
        """Return the units that are restarted in it where something that they read has changed."""
        return _restarts(self.steps(profile))

    @property
    def whole(self) -> tuple[HostGroup, ...]:
        """Return its groups of which all steps are done."""
        return tuple(group for group in self.groups if group not in self.begun)

    @cached_property
    def _patterns(self) -> frozenset[str]:
        return frozenset(group.pattern for group in self.groups)

    @property
    def purposes(self) -> list[str]:
        """Return what its bundles bring about."""
        return [ROLE_PURPOSES[role] for role in self.roles]


@lru_cache(maxsize=64)  # a runbook names the same hosts again and again
def host_ranges(groups: tuple[HostGroup, ...]) -> list[str]:
    """Return the groups' hosts as people read them: ranges as written, lone hosts folded."""
    lone = ranges.fold(group.names[0] for group in groups if len(group.names) == 1)
    return [*lone, *(group.pattern for group in groups if len(group.names) > 1)]


@dataclass(frozen=True)
class Plan:
    """All that is rendered."""

    site: Site
    access: Mapping[str, Mapping[str, caps.Access]]
    profiles: tuple[Profile, ...]
    waves: tuple[Wave, ...]

    def carried_in(self, wave: Wave) -> list[str]:
        """Return the clients whose keys are carried to hosts of the wave."""
        handoffs = (
            each for profile in self.profiles if wave.has(profile) for each in profile.handoffs
        )
        return list(dict.fromkeys(key.client for each in handoffs for key in each.keyrings))

    @property
    def admin_hosts(self) -> dict[str, list[Cluster]]:
        """Return the hosts that administer clusters, each with these."""
        found: dict[str, list[Cluster]] = {}
        for cluster in self.site.clusters.values():
            for host in self.site.administrators(cluster):
                found.setdefault(host, []).append(cluster)
        return found

    @property
    def delivered(self) -> list[Cluster]:
        """Return the clusters whose pools, users and keys another team makes."""
        return [cluster for cluster in self.site.clusters.values() if cluster.delivered]

    def scheduled_trash(self, cluster: Cluster) -> dict[str, str]:
        """Return the cluster's pools whose trash Ceph purges, each with how often."""
        return services.scheduled_trash(self.site, cluster)

    @property
    def snapshots_set_locations(self) -> bool:
        """Tell whether copy-on-write snapshots cost Glance's protection of locations."""
        return services.snapshots_set_locations(self.site)

    @property
    def guest_keyrings(self) -> list[services.Keyring]:
        """Return the keyrings that libvirt on the computes holds."""
        return list(services.guest_keyrings(self.site)) if self.site.nova else []

    def holders(self, cluster: Cluster, client: str) -> tuple[HostGroup, ...]:
        """Return the groups whose hosts hold the client's key, in the order of the description."""
        keyring = services.Keyring(cluster.name, client)
        holding = (profile for profile in self.profiles if keyring in profile.keyrings)
        groups = {group for profile in holding for group in profile.groups}
        return tuple(group for group in self.site.groups if group in groups)


def plan(site: Site) -> Plan:
    """Return what the site needs, in the order of the description."""
    access = {cluster.name: caps.access(site, cluster) for cluster in site.clusters.values()}
    return Plan(
        site=site,
        access=access,
        profiles=tuple(_Profile(site, access, groups).build() for groups in site.kinds),
        waves=tuple(_waves(site)),
    )


def _waves(site: Site) -> Iterator[Wave]:
    count = Counter(role for group in site.groups for role in group.roles for _ in group.names)
    turns = {kind[0].roles: _turns(kind[0].roles, count) for kind in site.kinds}
    number = 0
    for role in ROLE_PURPOSES:
        groups = tuple(group for group in site.groups if role in turns[group.roles])
        if groups:
            number += 1
            roles = {each for turn in turns.values() for each in turn.get(role, ())}
            begun = [group for group in groups if role != [*turns[group.roles]][-1]]
            yield Wave(number, _in_order(roles), groups, tuple(begun))


def _turns(roles: frozenset[str], count: Mapping[str, int]) -> dict[str, Collection[str]]:
    """Return the roles that decide when a host has a turn, each with the roles that are done then.

    `count` tells how many hosts of the site have each role.
    """
    *_, last = _in_order(roles)
    later = roles & {CINDER, CINDER_BACKUP}
    if CEPH_ADMIN in roles:
        first, waits = CEPH_ADMIN, CINDER in roles and count[NOVA] > (NOVA in roles)
    elif NOVA in roles:
        # no other host's Cinder may be at work before it; its own comes after all computes
        first, waits = NOVA, CINDER in roles and count[CINDER] > 1
        if CINDER in roles and not waits:
            first = last
    else:
        first, waits = last, False
    return {first: roles - later, last: later} if waits else {first: roles}


def _in_order(roles: Collection[str]) -> tuple[str, ...]:
    return tuple(role for role in ROLE_PURPOSES if role in roles)


class _Profile:
    """Collects the steps and files of one profile; each role adds what it needs."""

    def __init__(
        self,
        site: Site,
        access: Mapping[str, Mapping[str, caps.Access]],
        groups: tuple[HostGroup, ...],
    ) -> None:
        self._site = site
        self._access = access
        self._groups = groups
        self._group = groups[0]
        self._delivered = any(each.delivered for each in site.clusters.values())  # rule E215
        self._steps: list[Step] = []
        self._files: list[DataFile] = []

    def build(self) -> Profile:
        roles = self._group.roles
        if self._site.prepares:
            self._prepare()
        if self._site.signers:
            self._signers()
        if CEPH_ADMIN in roles:
            self._ceph_admin()
        if roles - {CEPH_ADMIN}:
            self._ceph_conf()
        if GLANCE in roles:
            self._glance()
        if NOVA in roles:
            self._libvirt()
            self._nova()
        if roles & {CINDER, CINDER_BACKUP}:
            self._cinder_conf()
        if CINDER in roles:
            self._cinder()
        if CINDER_BACKUP in roles:
            self._cinder_backup()
        return Profile(
            groups=self._groups,
            roles=_in_order(roles),
            platform=self._group.platform,
            steps=tuple(self._steps),
            files=tuple(self._files),
            keyrings=tuple(self._held),
            handoffs=() if CEPH_ADMIN in roles else tuple(self._handoffs()),
            tools=tuple(self._tools()),
        )

    def _tools(self) -> Iterator[Tool]:
        for role in _in_order(self._group.roles):
            yield from TOOLS.get(role, ())
        if self._delivered:
            yield MAKE_HANDOFF

    def _step(self, number: int, name: str, purpose: str, source: Path, **context: Any) -> None:
        self._steps.append(Step(number, name, purpose, source, context))

    def _file(self, name: str, text: str, purpose: str, source: Path) -> None:
        self._files.append(DataFile(f"files/{name}", text, purpose, source))

    def _patch(
        self, name: str, target: str, sections: services.Sections, source: Path, note: str = ""
    ) -> None:
        comment = f"Merged into {target}; every other line there stays as it is.{note}"
        purpose = f"what {target} must say"
        self._file(name, ini.text(comment, sections), purpose, source)

    def _prepare(self) -> None:
        platform, user = self._group.platform, self._site.deploy_user
        self._step(
            2,
            "prepare",
            "What this host needs before its roles: packages, which somebody has installed from the"
            " site's own mirror"
            + (
                f"; and user {user.name}, who becomes root without a password, for those who"
                " carry and apply bundles."
                if user
                else "."
            ),
            ("prepare",),
            packages=platform.packages(self._group.roles),
            install=platform.install.split(),
            user=user,
            rule=f"/etc/sudoers.d/cephos-{self._site.name}",
        )
        if user is None:
            return
        self._file(
            "sudoers",
            f"# {user.name} becomes root without a password, also without a terminal\n"
            f"{user.name} ALL = (root) NOPASSWD: ALL\n"
            f"Defaults:{user.name} !requiretty\n",
            f"lets {user.name} become root (sudo)",
            user.path,
        )
        if user.keys:
            self._file(
                "authorized_keys",
                "".join(f"{key}\n" for key in user.keys),
                f"who may log in as {user.name} (sshd)",
                (*user.path, "authorized_keys"),
            )

    def _signers(self) -> None:
        source: Path = ("signers",)
        self._step(
            5,
            "signers",
            "From now on this host runs only bundles that one of the site's signers signed.",
            source,
            file="files/allowed_signers",
        )
        self._file(
            "allowed_signers",
            "".join(
                f'{name} namespaces="{sign.NAMESPACE}" {key}\n'
                for name, _, key in (signer.partition(" ") for signer in self._site.signers)
            ),
            "who may sign bundles for this host (ssh-keygen's ALLOWED SIGNERS)",
            source,
        )

    def _handoffs(self) -> Iterator[Handoff]:
        if self._delivered:
            yield Handoff(None, "", tuple(self._held))
            return
        for cluster in self._site.clusters.values():
            held = tuple(key for key in self._held if key.cluster == cluster.name)
            if held:
                (source,) = self._site.administrators(cluster)  # rule E215
                yield Handoff(source, self._of(cluster, "."), held)

    def _of(self, cluster: Cluster, separator: str) -> str:
        """Return what tells a cluster's file from another's; nothing if there is no other."""
        return f"{separator}{cluster.name}" if len(self._site.clusters) > 1 else ""

    def _where(self, store: Store) -> str:
        cluster = self._of(store.cluster, " of cluster ")
        return f"pool {store.pool}{cluster} as client.{store.client}"

    def _ceph_admin(self) -> None:
        clusters = [self._site.clusters[name] for name in self._group.clusters]
        names = ("cluster " if len(clusters) == 1 else "clusters ") + " and ".join(
            cluster.name for cluster in clusters
        )
        pools: Path = (*clusters[0].path, "pools") if len(clusters) == 1 else ("clusters",)
        self._step(
            10,
            "pools",
            f"Pools of {names}. One that exists is used as it is: never re-created, never changed.",
            pools,
            clusters=clusters,
            scheduled={each.name: services.scheduled_trash(self._site, each) for each in clusters},
        )
        self._step(
            20,
            "clients",
            f"Users of {names}, each with what its service does and no more.",
            ("services",),
            clusters=clusters,
            clients=self._access,
        )
        self._step(
            30,
            "access",
            "Proof with each user's own key: the cluster lets it in, shows it its pools, and"
            " refuses to let it write to the others.",
            ("services",),
            clusters=clusters,
            clients=self._access,
        )
        self._step(
            40,
            "handoff",
            "Hand-offs: one sealed archive per host, with the keys that this host needs and no"
            + (
                " others, copied to its host by SSH."
                if self._site.sends_handoffs
                else " others. Carry each to its host, to the same place (RUNBOOK.md)."
            ),
            ("hosts",),
            handoffs=[
                (cluster, f"files/handoffs{self._of(cluster, '-')}", self._of(cluster, ""))
                for cluster in clusters
            ],
            sends=self._site.sends_handoffs,
        )
        for cluster in clusters:
            self._handoff_list(cluster)

    def _handoff_list(self, cluster: Cluster) -> None:
        lines = ["# host and the keyrings it gets"]
        keyrings: dict[HostGroup, str] = {}
        for kind in self._site.kinds:
            held = services.keyrings(self._site, kind[0])
            names = " ".join(key.name for key in held if key.cluster == cluster.name)
            keyrings.update(dict.fromkeys(kind, names))
        for group in self._site.groups:
            if names := keyrings[group]:
                lines += [f"{host} {names}" for host in group.names]
        self._file(
            f"handoffs{self._of(cluster, '-')}",
            "\n".join(lines) + "\n",
            f"which host gets which keyrings{self._of(cluster, ' of cluster ')}",
            ("hosts",),
        )

    @property
    def _held(self) -> list[services.Keyring]:
        return services.keyrings(self._site, self._group)

    def _ceph_conf(self) -> None:
        for name in dict.fromkeys(key.cluster for key in self._held):
            cluster = self._site.clusters[name]
            sections = services.ceph_conf(self._site, self._group, cluster)
            self._patch(f"{cluster.name}.conf", cluster.conf, sections, cluster.path)

    def _keyring(self, keyring: services.Keyring) -> list[str]:
        """Return what `install_keyring` is told of the keyring on these hosts."""
        file = services.keyring_file(self._site, self._group, keyring)
        return [keyring.client, file.owner, file.mode, *file.readers]

    def _shares(self, stores: Iterable[Store]) -> list[Share]:
        """Return what the stores need, cluster by cluster."""
        by_cluster: dict[str, list[Store]] = {}
        for store in stores:
            by_cluster.setdefault(store.cluster.name, []).append(store)
        return [
            Share(
                cluster=self._site.clusters[name],
                keyrings=tuple(
                    self._keyring(services.Keyring(name, client))
                    for client in dict.fromkeys(store.client for store in its)
                ),
                uses=tuple(dict.fromkeys((store.client, store.pool) for store in its)),
            )
            for name, its in by_cluster.items()
        ]

    def _glance(self) -> None:
        glance = self._site.glance
        assert glance  # noqa: S101  # rule E206
        unit = self._group.platform.units[GLANCE]
        option, stores = services.glance_stores(self._site, glance)
        self._step(
            50,
            "glance",
            "Glance stores images in "
            + " and ".join(map(self._where, glance.stores))
            + ". Images in the file and HTTP stores stay reachable.",
            glance.path,
            shares=self._shares(glance.stores),
            unit=unit,
            patch="glance-api.conf",
            option=option,
            stores=stores,
            unread=knowledge.unread("glance", self._site.release),
        )
        self._patch(
            "glance-api.conf",
            unit.conf,
            services.glance_conf(self._site, glance),
            glance.path,
            f"\n{option.split('.')[1]} is not here: the step puts {','.join(stores)}"
            "\nin front of what it lists already.",
        )

    def _secret_file(self, keyring: services.Keyring) -> str:
        return f"secret-{keyring.name}.xml"

    def _libvirt(self) -> None:
        keys = services.guest_keyrings(self._site)
        nova = self._site.nova
        assert nova  # noqa: S101  # rule E206
        confs = {self._site.clusters[key.cluster].conf for key in self._held}
        apart = services.QEMU_CEPH_CONF not in confs
        self._step(
            60,
            "libvirt",
            "libvirt holds the keys that guests open their disks with: Nova's for disks of guests,"
            " Cinder's for volumes. Without the second no guest starts from a volume.",
            ("services", "nova"),
            shares=[
                {
                    "cluster": self._site.clusters[name],
                    "secrets": [
                        {"keyring": self._keyring(key), "file": self._secret_file(key)}
                        for key in keys
                        if key.cluster == name
                    ],
                    # that of Nova's own cluster is Nova's, which reads it
                    "conf": name != nova.cluster.name,
                }
                for name in dict.fromkeys(key.cluster for key in keys)
            ],
            guests_conf=apart,
        )
        if apart:
            sections = services.guests_ceph_conf(self._site)
            self._patch("ceph.conf", services.QEMU_CEPH_CONF, sections, ("services", "nova"))
        for key, source in keys.items():
            cluster = self._site.clusters[key.cluster]
            fixed = (*cluster.path, "clients", key.client)
            self._file(
                self._secret_file(key),
                libvirt_secret(
                    cluster.secret_uuid(key.client),
                    services.secret_usage(key),
                    f"key of client.{key.client} of Ceph cluster {cluster.name}",
                ),
                f"libvirt's secret for client.{key.client}{self._of(cluster, ' of ')}; it holds"
                " no key",
                fixed if key.client in cluster.secret_uuids else source,
            )
        qemu, user = self._group.platform.qemu, self._group.platform.units[NOVA].user
        self._file(
            "cephos-guests.conf",
            "# Folders for sockets and logs of the Ceph clients inside guests and nova-compute\n"
            f"d {services.GUEST_SOCKETS} 0770 {qemu} {user} -\n"
            f"d {services.GUEST_LOGS} 0770 {qemu} {user} 30d\n",
            "folders for sockets and logs of guests' Ceph clients (tmpfiles.d)",
            ("services", "nova"),
        )

    def _nova(self) -> None:
        nova = self._site.nova
        assert nova  # noqa: S101  # rule E206
        unit = self._group.platform.units[NOVA]
        snapshots = (
            "Snapshots of guests are made within Ceph, so this host may write to all images."
            if nova.cow_snapshots
            else "Snapshots of guests are uploaded, since this host may only read images."
        )
        self._step(
            70,
            "nova",
            f"Nova keeps disks of guests in {self._where(nova)}. {snapshots}",
            nova.path,
            release=self._site.release,
            shares=self._shares([nova]),
            unit=unit,
            patch="nova.conf",
            unread=knowledge.unread("nova", self._site.release),
        )
        self._patch("nova.conf", unit.conf, services.nova_conf(self._site, nova), nova.path)

    def _cinder_conf(self) -> None:
        """Write the patch of the one file that cinder-volume and cinder-backup read."""
        volumes, backups = (role in self._group.roles for role in (CINDER, CINDER_BACKUP))
        backup = self._site.backup if backups else None
        sections = services.backup_conf(self._site, backup) if backup else {}
        backends = self._site.backends_of(self._group) if volumes else ()
        for section, settings in services.cinder_conf(self._site, backends).items():
            sections.setdefault(section, {}).update(settings)
        self._patch(
            "cinder.conf",
            self._group.platform.units[CINDER].conf,
            sections,
            ("services", "cinder"),
            f"\nenabled_backends is not here: the step puts {self._backends} in front of what it"
            " lists already."
            if volumes
            else "",
        )

    @property
    def _backends(self) -> str:
        return ",".join(backend.name for backend in self._site.backends_of(self._group))

    @property
    def _cinder_patch(self) -> list[str]:
        """Return what `patch_ini` is told of cinder.conf, by every step that does."""
        enabled = ["--include", f"DEFAULT.enabled_backends={self._backends}"]
        return ["files/cinder.conf", *(enabled if CINDER in self._group.roles else [])]

    def _cinder_backup(self) -> None:
        backup = self._site.backup
        assert backup  # noqa: S101  # rule E206
        self._step(
            85,
            "cinder-backup",
            f"cinder-backup stores backups in {self._where(backup)}. It opens a volume as the"
            " volume's own client, so it holds that key, too.",
            backup.path,
            shares=self._shares([backup, *self._site.backends]),
            unit=self._group.platform.units[CINDER_BACKUP],
            patch="cinder.conf",
            backends=[],
            merge=self._cinder_patch,
            unread=[],
        )

    def _cinder(self) -> None:
        backends = self._site.backends_of(self._group)
        self._step(
            80,
            "cinder",
            "Cinder stores volumes in "
            + " and ".join(map(self._where, backends))
            + ". Backends that are enabled already stay enabled.",
            ("services", "cinder"),
            shares=self._shares(backends),
            unit=self._group.platform.units[CINDER],
            patch="cinder.conf",
            backends=[backend.name for backend in backends],
            merge=self._cinder_patch,
            unread=[
                name.replace("<backend>", backend.name)
                for name in knowledge.unread("cinder", self._site.release)
                for backend in backends
            ],
        )
