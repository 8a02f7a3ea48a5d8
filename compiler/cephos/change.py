"""What a change of the site means for a site that runs: two records, held against each other.

Dangers are data (`data/dangers.toml`). What the next `apply` does on a host follows from what its
bundle manages, before and after; what a bundle no longer manages stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from cephos import knowledge, ranges
from cephos.effects import HANDOFFS, is_file
from cephos.record import Record, read
from cephos.tree import SUMS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from cephos.effects import State
    from cephos.manifest import Manifest
    from cephos.record import Kind

Hosts = tuple[str, ...]
"""Host ranges."""
Path = tuple[str, ...]
"""Keys from the top of `record.Record.facts`."""
_Managed = dict[str, "tuple[str, State]"]
"""Thing -> the first step that names it, and how it is to be."""

_Key = TypeVar("_Key", str, Path)
_Edit = tuple[_Key, "str | None", "str | None"]
"""What changes, with both values; None where there is none."""

_GONE = object()


@dataclass(frozen=True)
class Setting:
    """Something with a value; None where there is none."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Case:
    """Where a danger lies: a path of the description, and the hosts that feel it."""

    subject: str
    before: str | None
    after: str | None
    hosts: Hosts


@dataclass(frozen=True)
class Danger:
    """A danger by name."""

    code: str
    breaks: str
    first: str
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class Members:
    """Hosts that come or go, with their roles."""

    count: int
    hosts: Hosts
    roles: tuple[str, ...]


@dataclass(frozen=True)
class Access:
    """What a client may do in a pool: `write`, `read` or None."""

    cluster: str
    client: str
    pool: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Action:
    """One thing that `apply` changes, in the first step that names it."""

    step: str
    what: str
    new: bool
    settings: tuple[Setting, ...]


@dataclass(frozen=True)
class Restart:
    """A unit that `apply` restarts, in the step that does."""

    step: str
    unit: str


@dataclass(frozen=True)
class Turn:
    """What `apply` does on hosts that are alike, before and after."""

    wave: int
    count: int
    hosts: Hosts
    actions: tuple[Action, ...]
    restarts: tuple[Restart, ...]


@dataclass(frozen=True)
class Left:
    """What stays on hosts, or in Ceph, though their bundles no longer manage it."""

    hosts: Hosts
    things: tuple[str, ...]


@dataclass(frozen=True)
class Rendered:
    """Files that change without a change for `apply`; no hosts: files of the site."""

    hosts: Hosts
    files: tuple[str, ...]


@dataclass(frozen=True)
class Change:
    """All that a change means. `compared` tells with what: a record, files alone, or nothing."""

    site: str
    compared: Literal["record", "files", "nothing"]
    dangers: tuple[Danger, ...]
    added: tuple[Members, ...]
    removed: tuple[Members, ...]
    facts: tuple[Setting, ...]
    access: tuple[Access, ...]
    apply: tuple[Turn, ...]
    left: tuple[Left, ...]
    rendered: tuple[Rendered, ...]

    def __bool__(self) -> bool:
        return any([self.dangers, self.added, self.removed, self.facts, self.apply, self.rendered])


def compare(before: Manifest, after: Manifest) -> Change:
    """Return what it means to go from one compilation to another, each with its record.

    `before` is empty if nothing has been compiled yet. If it has no record that can be read, what
    the change means is not told, but which files change, and that is a danger.
    """
    record = read(after.about["record"])
    assert record  # noqa: S101  # it was made in this run
    known = read(before.about.get("record"))
    if before and known is None:
        return _by_files(before, after, record)
    old = known.of(before.hosts()) if known else Record({}, ())
    was, becomes = old.kind_of(), record.kind_of()
    alike: dict[tuple[int, int], list[str]] = {}
    for host, kind in becomes.items():
        alike.setdefault((id(was.get(host)), id(kind)), []).append(host)
    groups = [_Group(was.get(hosts[0]), becomes[hosts[0]], hosts) for hosts in alike.values()]
    resealed = _seal(old) != _seal(record)
    handoffs = [
        each for group in groups for each in group.handoffs(record.facts["clusters"], anew=resealed)
    ]
    turns = [[*group.turns(handoffs)] for group in groups]
    edits = _edits(_leaves(old.facts), _leaves(record.facts)) if known else ()
    return Change(
        site=record.facts["site"],
        compared="record" if known else "nothing",
        dangers=tuple(_dangers(old, record)) if known else (),
        added=_members((group.new, group.hosts) for group in groups if group.old is None),
        removed=_members(
            (kind, [host for host in kind.hosts if host not in becomes]) for kind in old.kinds
        ),
        facts=tuple(
            Setting(".".join(path), *values) for path, *values in edits if not _is_access(path)
        ),
        access=tuple(Access(*path[1::2], *values) for path, *values in edits if _is_access(path)),
        apply=tuple(sorted(chain(*turns), key=lambda turn: turn.wave)),
        left=tuple(left for group in groups if (left := group.left()).things),
        rendered=(
            *_rendered_site(before, after),
            *(
                each
                for group, done in zip(groups, turns, strict=True)
                if group.old and not done
                for each in _rendered_bundles(group.hosts, before, after)
            ),
        ),
    )


def _by_files(before: Manifest, after: Manifest, record: Record) -> Change:
    """Return what the files alone tell."""
    was, becomes = before.hosts(), after.hosts()
    staying = [host for host in becomes if host in was]
    rendered = (
        *_rendered_site(before, after),
        *_rendered_bundles(staying, before, after),
    )
    added = [host for host in becomes if host not in was]
    removed = [host for host in was if host not in becomes]
    return Change(
        site=record.facts["site"],
        compared="files",
        dangers=(_danger("unknown", ()),) if rendered or added or removed else (),
        added=(Members(len(added), _folded(added), ()),) if added else (),
        removed=(Members(len(removed), _folded(removed), ()),) if removed else (),
        facts=(),
        access=(),
        apply=(),
        left=(),
        rendered=rendered,
    )


def _members(kinds: Iterable[tuple[Kind, Sequence[str]]]) -> tuple[Members, ...]:
    return tuple(Members(len(hosts), _folded(hosts), kind.roles) for kind, hosts in kinds if hosts)


def _folded(hosts: Iterable[str]) -> Hosts:
    return tuple(ranges.fold(hosts))


def _rendered_site(before: Manifest, after: Manifest) -> Iterator[Rendered]:
    files = _differing(before.digests(None), after.digests(None))
    if files:
        yield Rendered((), files)


def _rendered_bundles(
    hosts: Iterable[str], before: Manifest, after: Manifest
) -> Iterator[Rendered]:
    alike: dict[tuple[str, ...], list[str]] = {}
    for host in hosts:
        alike.setdefault(_differing(before.digests(host), after.digests(host)), []).append(host)
    yield from (Rendered(_folded(hosts), files) for files, hosts in alike.items() if files)


def _differing(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """Return the paths of files that are not the same, but for checksums of all others."""
    paths = sorted({*before, *after} - {SUMS})
    return tuple(path for path in paths if before.get(path) != after.get(path))


class _Group:
    """Hosts that were alike and are alike; `old` is None for hosts that are new."""

    def __init__(self, old: Kind | None, new: Kind, hosts: list[str]) -> None:
        self.old, self.new, self.hosts = old, new, hosts
        self._was = _managed(old)
        self._becomes = _managed(new)
        self.changed = [
            thing
            for thing, (_, state) in self._becomes.items()
            if thing not in self._was or self._was[thing][1] != state
        ]

    def turns(self, handoffs: Sequence[tuple[str, str, bool, Setting]]) -> Iterator[Turn]:
        """Yield what `apply` does here; a `ceph-admin` host writes its clusters' hand-offs."""
        actions = [self._action(thing) for thing in self.changed if not _is_handoffs(thing)]
        for cluster, what, new, setting in handoffs:
            if HANDOFFS + cluster in self._becomes:
                step, _ = self._becomes[HANDOFFS + cluster]
                actions.append(Action(step, what, new, (setting,)))
        actions.sort(key=lambda action: action.step)
        restarts = [*self._restarts()]
        for wave in sorted({self._wave(action.step) for action in actions}):
            yield Turn(
                wave=wave,
                count=len(self.hosts),
                hosts=_folded(self.hosts),
                actions=tuple(each for each in actions if self._wave(each.step) == wave),
                restarts=tuple(each for each in restarts if self._wave(each.step) == wave),
            )

    def _wave(self, step: str) -> int:
        return self.new.earlier.get(step, self.new.wave)

    def handoffs(
        self, clusters: Collection[str], *, anew: bool
    ) -> Iterator[tuple[str, str, bool, Setting]]:
        """Yield the hand-offs to these hosts that are others than before.

        Each with the cluster whose keys it holds, its name, whether it is new, and the keys.
        """
        for cluster in clusters:
            wanted = _keyrings_of(self.new, cluster)
            had = _keyrings_of(self.old, cluster) if self.old else ""
            name = f" with keys of {cluster}" if len(clusters) > 1 else ""
            for hosts in _folded(self.hosts) if wanted and (anew or wanted != had) else ():
                keys = Setting("keyrings", had or None, wanted)
                yield cluster, f"hand-off for {hosts}{name}", not had, keys

    def left(self) -> Left:
        """Return what the bundles no longer manage."""
        things = (thing for thing in self._was if thing not in self._becomes)
        return Left(
            _folded(self.hosts), tuple(thing for thing in things if not _is_handoffs(thing))
        )

    def _action(self, thing: str) -> Action:
        step, state = self._becomes[thing]
        _, was = self._was.get(thing, ("", {}))
        settings = tuple(Setting(*edit) for edit in _edits(was, state))
        return Action(step, thing, thing not in self._was, settings)

    def _restarts(self) -> Iterator[Restart]:
        reads: dict[str, set[str]] = {}
        for step in self.new.steps.values():
            for unit in step["restarts"]:
                reads.setdefault(unit, set()).update(filter(is_file, step["manages"]))
        for name, step in self.new.steps.items():
            for unit in step["restarts"]:
                if reads[unit].intersection(self.changed):
                    yield Restart(name, unit)


def _seal(record: Record) -> tuple[str | None, bool]:
    """Return what all hand-offs hold or are named by: the site, and whether it has clusters."""
    return record.facts.get("site"), len(record.facts.get("clusters", ())) > 1


def _is_handoffs(thing: str) -> bool:
    return thing.startswith(HANDOFFS)


def _keyrings_of(kind: Kind, cluster: str) -> str:
    return " ".join(name for name in kind.keyrings if name.startswith(f"{cluster}.client."))


def _managed(kind: Kind | None) -> _Managed:
    found: _Managed = {}
    for name, step in kind.steps.items() if kind else ():
        for thing, state in step["manages"].items():
            found.setdefault(thing, (name, state))
    return found


def _edits(before: Mapping[_Key, str], after: Mapping[_Key, str]) -> list[_Edit[_Key]]:
    """Return what has another value, with both; None where there is none."""
    both = ((key, before.get(key), after.get(key)) for key in {**before, **after})
    return [(key, was, becomes) for key, was, becomes in both if was != becomes]


def _written(record: Record) -> dict[str, frozenset[str]]:
    """Return what the files of each host hold: `section.option`, among other things."""
    found: dict[str, frozenset[str]] = {}
    for kind in record.kinds:
        states = (state for step in kind.steps.values() for state in step["manages"].values())
        found |= dict.fromkeys(kind.hosts, frozenset(name for state in states for name in state))
    return found


def _leaves(tree: Mapping[str, Any], path: Path = ()) -> dict[Path, str]:
    found: dict[Path, str] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            found |= _leaves(value, (*path, key))
        elif value != []:
            found[*path, key] = _text(value)
    return found


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_access(path: Path) -> bool:
    """Tell whether it says what a client may do in a pool."""
    return path[0] == "clusters" and path[2::2] == ("clients", "pools")


def _dangers(old: Record, new: Record) -> Iterator[Danger]:
    """Yield the dangers that the change holds, in the order of the table."""
    here, *ahead = (_Way(age, new) for age in old.ages())
    for code, row in knowledge.dangers().items():
        cases: dict[_Edit[Path], list[str]] = {}
        for when in row["when"]:
            moved = [way for way in ahead if way.feels(when)]
            for way in moved if moved and not here.feels(when) else [here, *moved]:
                for edit, hosts in way.found(when):
                    cases.setdefault(edit, []).extend(hosts)
        if cases:
            yield _danger(code, (case for found in cases.items() for case in _cases(*found)))


class _Way:
    """What changes for hosts that were compiled from one description."""

    def __init__(self, old: Record, new: Record) -> None:
        self._before, self._after = _tree(old), _tree(new)
        self._had, self._has = _written(old), _written(new)
        self._felt: dict[str, list[str]] = {}
        for host in filter(self._after["hosts"].__contains__, self._before["hosts"]):
            for role in self._before["hosts"][host]["roles"]:
                self._felt.setdefault(role, []).append(host)

    def feels(self, when: Mapping[str, Any]) -> bool:
        """Tell whether what a row of the table says is felt by one of these hosts."""
        return when["felt_by"] in self._felt if "felt_by" in when else bool(self._felt)

    def found(self, when: Mapping[str, Any]) -> Iterator[tuple[_Edit[Path], list[str]]]:
        """Yield what changes as a row of the table says, and the hosts that feel it."""
        for (top, *rest), was, becomes in _found(self._before, self._after, when):
            hosts = [rest.pop(0)] if top == "hosts" else self._felt.get(when.get("felt_by", ""), [])
            if when.get("unwritten") and hosts:
                # what the site no longer names may be what the compiler writes by itself
                hosts = [h for h in hosts if rest[-1] in self._had[h] - self._has[h]]
                if not hosts:
                    continue
            yield ((top, *rest), was, becomes), hosts


def _cases(found: _Edit[Path], names: list[str]) -> Iterator[Case]:
    """Yield a case, or one for each range of hosts where hosts themselves change."""
    (top, *rest), before, after = found
    hosts = _folded(dict.fromkeys(names))
    if top != "hosts":
        yield Case(".".join((top, *rest)), before, after, hosts)
        return
    for each in hosts:
        yield Case(".".join((top, each, *rest)), before, after, (each,))


def _danger(code: str, cases: Iterable[Case]) -> Danger:
    row = knowledge.dangers()[code]
    return Danger(code, row["breaks"], row["first"], tuple(cases))


def _tree(record: Record) -> dict[str, Any]:
    """Return the facts with each host among them."""
    hosts = {
        host: {"roles": list(kind.roles), "platform": kind.platform}
        for host, kind in record.kind_of().items()
    }
    return {**record.facts, "hosts": hosts}


def _found(
    before: Mapping[str, Any], after: Mapping[str, Any], when: Mapping[str, Any]
) -> Iterator[_Edit[Path]]:
    """Yield each path that `when` is about and that changes as it says, with both values."""
    for path, node in _matching(before, when["path"].split(".")):
        there = _at(after, path)
        becomes = "gone" if there is _GONE else None if isinstance(there, dict) else _text(there)
        was = None if isinstance(node, dict) else _text(node)
        if becomes == was or _at(after, path[:-1]) is _GONE:
            continue
        if becomes in when["becomes"] if "becomes" in when else becomes != "gone":
            # an item of a list has no name of its own
            is_item = isinstance(_at(before, path[:-1]), list)
            yield path[:-1] if is_item else path, was, None if there is _GONE else becomes


def _matching(node: Any, pattern: Sequence[str], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every place below a node that the pattern leads to."""
    if not pattern:
        yield path, node
        return
    for key, child in _children(node).items():
        if pattern[0] in {"*", key}:
            yield from _matching(child, pattern[1:], (*path, key))


def _at(node: Any, path: Path) -> Any:
    for key in path:
        node = _children(node).get(key, _GONE)
    return node


def _children(node: Any) -> Mapping[str, Any]:
    if isinstance(node, list):
        return {_text(item): item for item in node}
    return node if isinstance(node, dict) else {}
