"""Bringing OUT to the rendered tree: only files whose bytes change.

What a run made is known from `manifest.json`; while a run writes, also from `.cephos-pending.json`,
which lists what it is about to make. A file that neither lists was made by somebody else and is
never touched. Nothing is deleted first and made again: unchanged files keep their inode and time.

A bundle whose folder is not there yet is written beside its place and renamed as a whole; any other
file is, one by one. Bundles that `evidence.py` vouches for are not read.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from cephos import manifest, sign
from cephos.evidence import Evidence, Look
from cephos.folder import Folder, OutError, is_all
from cephos.manifest import Manifest
from cephos.parallel import pays, shared, started
from cephos.tree import ARCHIVES, SUMS, File, bundle_path, folders_of, split

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from cephos.manifest import Block
    from cephos.tree import Bundles, Tree

PENDING = ".cephos-pending.json"


@dataclass
class Change:
    """What writing a tree means for OUT; paths are relative to it."""

    rendered: Tree
    """The tree without the files that cover it."""
    kept: Manifest
    """What is told of bundles that stay beside it."""
    earlier: Manifest | None
    """What is true of OUT as it was, if that is sure."""
    bundles: list[str] = field(default_factory=list)
    """Hosts whose bundles are made as a whole."""
    made: list[str] = field(default_factory=list)
    """All other files that are made."""
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    """Files in the way that no run made."""
    outside: dict[str, os.stat_result] = field(default_factory=dict)
    """How the files outside bundles look, once they are as wanted."""
    inside: dict[str, dict[str, os.stat_result]] = field(default_factory=dict)
    """How the unchanged files look of bundles that were read and in which others change."""

    def __bool__(self) -> bool:
        return bool(self.bundles or self.made or self.changed or self.removed)

    @cached_property
    def manifest(self) -> Manifest:
        """Return what the run is to tell of all files; of new bundles that takes a while."""
        return manifest.of(self.rendered, self.kept, self.earlier)

    @cached_property
    def tree(self) -> Tree:
        """Return the tree with the files that cover it."""
        return manifest.cover(self.rendered, self.manifest)

    def new(self) -> list[str]:
        """Return all files that are made."""
        hosts = self.rendered.hosts
        inside = (bundle_path(host, path) for host in self.bundles for path in hosts[host].paths)
        return [*self.made, *inside]

    def counts(self) -> dict[str, int]:
        """Return how many files are new, changed and removed."""
        inside = sum(len(self.rendered.hosts[host].paths) for host in self.bundles)
        return {
            "new": len(self.made) + inside,
            "changed": len(self.changed),
            "removed": len(self.removed),
        }

    def begun(self) -> Manifest:
        """Return what may be half done while OUT is brought to it."""
        paths: list[str] = [*self.made, *self.changed, *self.removed]
        return manifest.names(self.rendered.only(set(self.bundles)).bundles, paths)


class Out:
    """The output folder."""

    def __init__(self, folder: Path) -> None:
        """Take this folder, which need not exist."""
        self.folder = Folder(folder)
        self._evidence = Evidence(folder)
        self._made: tuple[Look | None, Manifest] = (None, Manifest())
        self._ahead: tuple[Look | None, Callable[[], list[list[str]]] | None] = (None, None)

    def made(self) -> Manifest:
        """Return what the last complete run made.

        Raises:
            OutError: the manifest is none, or cannot be read.
        """
        look = self._look(manifest.NAME)
        if look is None or look != self._made[0]:
            self._made = (look, self._listed(manifest.NAME))
        return self._made[1]

    def interrupted(self) -> bool:
        """Tell whether a run began here that no other has completed."""
        return bool(self._listed(PENDING))

    def compare(self, tree: Tree, *, partial: bool = False) -> Change:
        """Return what `write` would do; with `partial`, bundles of other hosts stay as they are.

        Raises:
            OutError: a file that no run made is in the way, or something cannot be read.
        """
        made, begun = self.made(), self._listed(PENDING)
        if partial and begun:
            raise OutError(
                f"an earlier run on {self.folder} was interrupted",
                "complete it first: run once without --host",
            )
        kept = made.without(tree.hosts) if partial else Manifest()
        known = made | begun if begun else made
        is_known = self._is_remembered(manifest.NAME)
        if not is_known:
            self._evidence.forget()
        change = Change(tree, kept, made if is_known else None)
        self._compare_files(change, {*known.files, *(manifest.COVERING.files if made else ())})
        there = self.folder.names("hosts")
        self._compare_bundles(change, there, made, known)
        self._find_removed(change, there, known, kept.hosts())
        if change.foreign:
            others = len(change.foreign) - 1
            raise OutError(
                f"{self.folder.place(change.foreign[0])} was not made by this compiler"
                + (f" (nor were {others} others)" if others else ""),
                "move it away, or compile into another folder",
            )
        return change

    def diff(self, change: Change) -> Iterator[str]:
        """Yield the lines of a unified diff from OUT to the changed tree."""
        import difflib  # noqa: PLC0415  # 2 ms that other runs need not wait for

        for path in sorted([*change.new(), *change.changed, *change.removed]):
            there, file = self.folder.read(path), change.tree.find(path)
            before, after = there or b"", file.data if file else b""
            if file and before == after:
                yield f"mode of {path} becomes {file.mode:04o}\n"
            for line in difflib.unified_diff(
                before.decode(errors="backslashreplace").splitlines(keepends=True),
                after.decode(errors="backslashreplace").splitlines(keepends=True),
                "/dev/null" if there is None else path,
                path if file else "/dev/null",
            ):
                yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"

    def standing(self, made_of: str) -> tuple[int, int] | None:
        """Return how many hosts and files OUT holds, if all that it should and made of just this.

        None means that nobody knows: OUT must be compared with the tree.

        Raises:
            OutError: another compiler is writing it, or something in it cannot be read.
        """
        recalled = self._evidence.recalled
        if recalled.made_of != made_of:
            return None
        with self.folder.alone():
            if self.interrupted() or not all(map(self._is_remembered, recalled.outside)):
                return None
            if self.folder.has(ARCHIVES):  # some or half of one, which a run without them removes
                return None
            self.folder.clear(PENDING)
            self.folder.names("hosts")  # refuses links
            if self._touched(list(self._evidence.hosts())):
                return None
            hosts, files = recalled.counted
            return hosts, files

    @contextmanager
    def looking_ahead(self) -> Iterator[None]:
        """Let another process look at bundles, while this one makes the tree to compare with.

        What it has not come to when the tree is made is shared.
        """
        known = list(self._evidence.hosts())
        if pays(known) and self._is_remembered(manifest.NAME):
            witness = self._witness()
            with started(self._touched_of, known) as finish:
                self._ahead = (witness, finish)
                yield
        else:
            yield

    def remember(self, change: Change, made_of: str) -> None:
        """Keep for the next run how OUT looks now that it was brought to this.

        `made_of` is what stands for all that it depends on, or empty if the next run is to compare.
        """
        outside = {path: Look.of([look]) for path, look in change.outside.items()}
        kinds = [(block.looked_at, block.hosts) for block in change.manifest.bundles]
        counted = len(change.tree.hosts), len(change.tree)
        self._evidence.save(made_of, counted, outside, kinds)

    def write(self, tree: Tree, *, partial: bool = False) -> Change:
        """Bring OUT to the tree; `partial` as in `compare`.

        Raises:
            OutError: it cannot; what was written so far is whole, and a next run completes it.
        """
        with self.folder.alone():
            self._clear()
            change = self.compare(tree, partial=partial)
            if change:
                self._write(change)
            self.folder.drop(PENDING)
            return change

    # ---------------------------------------------------------------------------------------------
    # Looking

    def _listed(self, name: str) -> Manifest:
        """Return what a list of files that a run left here tells."""
        there = self.folder.read(name)
        if there is None:
            return Manifest()
        is_sure = self._is_remembered(name)  # asked now: whoever was at it before shows
        try:
            listed = manifest.read(there, is_sure=is_sure)
            if name == manifest.NAME and not is_sure and not listed.is_whole():
                raise ValueError  # noqa: TRY301  # one handler for every way of being no list
        except ValueError:
            raise OutError(
                f"{self.folder.place(name)} is not a list of files that this compiler wrote",
                "restore it from version control, or compile into an empty folder",
            ) from None
        return listed

    def _compare_files(self, change: Change, known: Collection[str]) -> None:
        """Compare the files outside bundles."""
        wanted = [*change.rendered.files, *manifest.COVERING.files]
        self.folder.refuse_links(folders_of([*wanted, *known]))
        for path in wanted:
            if not self.folder.has(path):
                change.made.append(path)  # what is to be in it may be found out later
                continue
            look = self._compare_file(change, path, change.tree.files[path], is_ours=path in known)
            if look:
                change.outside[path] = look
        change.removed += self._those_there(path for path in known if path not in wanted)

    def _compare_bundles(
        self, change: Change, there: Collection[str], made: Manifest, known: Manifest
    ) -> None:
        """Compare the bundles of the tree's hosts; of those that nobody touched, `made` tells."""
        wanted = change.rendered.hosts
        change.bundles += [host for host in wanted if host not in there]
        present = [host for host in wanted if host in there]
        if not present:
            return
        before, after, ours = made.blocks(), change.manifest.blocks(), known.hosts()
        was, becomes = made.identities(), change.manifest.identities()
        touched = self._touched(present)
        for host in present:
            if host in touched:
                self._read_bundle(change, host, after[host], ours.get(host, frozenset()))
            elif was[host] != becomes[host]:
                self._infer(change, host, before[host], after[host], ours[host])

    def _read_bundle(self, change: Change, host: str, block: Block, known: Collection[str]) -> None:
        """Compare a bundle, file by file."""
        self.folder.refuse_links(bundle_path(host, folder) for folder in block.folders)
        files, looks = change.rendered.hosts[host].files(host), self._folder_looks(host, block)
        for path in block.paths:
            place = bundle_path(host, path)
            look = self._compare_file(change, place, files[path], is_ours=path in known)
            if look:
                looks[path] = look
        if len(looks) == len(block.looked_at):
            self._evidence.see({host: Look.of([*looks.values()])})
        else:
            change.inside[host] = looks

    def _folder_looks(self, host: str, bundle: Block | Bundles) -> dict[str, os.stat_result]:
        """Return how folders of a bundle look that show a change; {} if one is missing."""
        folder = self.folder.place(f"hosts/{host}/")
        folders = bundle.looked_at[: -len(bundle.paths)]
        with suppress(OSError):
            return {each: os.lstat(folder + each) for each in folders}
        return {}

    def _infer(
        self, change: Change, host: str, before: Block, after: Block, known: Collection[str]
    ) -> None:
        """Find what changes in a bundle that is as `before` tells."""
        for path in after.paths:
            place = bundle_path(host, path)
            if path not in before.files:
                file = change.rendered.hosts[host].file(host, path)
                self._compare_file(change, place, file, is_ours=path in known)
            elif before.told(host, path) != after.told(host, path):
                change.changed.append(place)

    def _find_removed(
        self, change: Change, there: set[str], known: Manifest, kept: Collection[str]
    ) -> None:
        """Find what is left in bundles of what earlier runs made."""
        gone: set[str] = set()
        for block in known.bundles:
            hosts = there.intersection(block.hosts).difference(kept)
            for bundles in change.rendered.bundles:
                paths = block.files.keys() - bundles.paths
                if paths:
                    those = hosts.intersection(bundles.hosts)
                    gone.update(bundle_path(host, path) for host in those for path in paths)
            others = hosts.difference(change.rendered.hosts)
            gone.update(bundle_path(host, path) for host in others for path in block.files)
        self.folder.refuse_links(folders_of(gone))
        change.removed += self._those_there(gone)

    def _look(self, path: str) -> Look | None:
        """Return how a file looks; None if nobody can tell."""
        try:
            return Look.of([os.lstat(self.folder.place(path))])
        except OSError:
            return None

    def _is_remembered(self, path: str) -> bool:
        """Tell whether a file outside bundles looks as remembered."""
        return self._evidence.is_file(path, self._look(path))

    def _witness(self) -> Look | None:
        """Return what differs if any compiler changes a bundle meanwhile; None if one is at it."""
        return None if self.interrupted() else self._look(manifest.NAME)

    def _touched(self, hosts: Sequence[str]) -> set[str]:
        """Return those of the hosts whose bundles may hold something else than is told of them."""
        known = self._evidence.hosts()
        unknown = {host for host in hosts if host not in known}
        witness, ahead = self._ahead
        if ahead and witness and witness == self._witness():
            return unknown.union(*ahead())
        return unknown.union(
            *shared(self._touched_of, [host for host in hosts if host not in unknown])
        )

    def _touched_of(self, hosts: Iterable[str]) -> list[str]:
        return [host for host in hosts if not self._is_bundle_remembered(host)]

    def _is_bundle_remembered(self, host: str) -> bool:
        looks = self._looks(host, self._evidence.looked_at(host))
        return bool(looks) and self._evidence.is_bundle(host, looks)

    def _looks(self, host: str, looked_at: Iterable[str]) -> list[os.stat_result]:
        """Return how what is in a bundle looks; [] if something is missing."""
        folder = self.folder.place(f"hosts/{host}/")
        try:
            return [os.lstat(folder + each) for each in looked_at]
        except OSError:
            return []

    def _compare_file(
        self, change: Change, path: str, file: File, *, is_ours: bool
    ) -> os.stat_result | None:
        """Return how the file looks if it is as wanted; else put it down for a change."""
        with self.folder.open(path) as there:
            if there is None:
                change.made.append(path)
                return None
            stream, look = there
            if bool(look.st_mode & stat.S_IXUSR) == file.executable and is_all(stream, file.data):
                return look
        (change.changed if is_ours else change.foreign).append(path)
        return None

    def _those_there(self, paths: Iterable[str]) -> list[str]:
        return sorted(filter(self.folder.has, paths))

    # ---------------------------------------------------------------------------------------------
    # Writing

    def _clear(self) -> None:
        """Take away what an interrupted run was in the middle of making."""
        self.folder.clear(PENDING)
        begun = self._listed(PENDING)
        if not begun:
            return
        there = self.folder.names("hosts")
        paths = list(begun.files)
        for host, inside in begun.hosts().items():
            self.folder.clear_folder(f"hosts/{host}")
            if host in there:
                paths += [bundle_path(host, path) for path in inside]
        self.folder.refuse_links(folders_of(paths))
        for path in paths:
            self.folder.clear(path)
            self.folder.prune(path)

    def _write(self, change: Change) -> None:
        pending = self._listed(PENDING) | change.begun()
        self.folder.put(PENDING, File(pending.data(), "site"))
        for path in [*change.made, *change.changed, *change.removed]:
            if split(path)[1] == SUMS:
                self._unsign(path)
        if change.bundles:
            self.folder.make("hosts")
        outside, inside = _by_host([*change.made, *change.changed])
        before = self.made().blocks()
        with started(lambda hosts: self._make_bundles(hosts, change), change.bundles) as finish:
            tree = change.tree  # if nobody has asked for it yet, now another process has begun
            made = finish()
        mended = shared(lambda hosts: self._mend_bundles(hosts, change, before, inside), [*inside])
        for looks in (*made, *mended):
            self._evidence.see(looks)
        # the manifest last: until it stands, the list of what is pending tells what is ours
        for path in sorted(outside, key=lambda path: path == manifest.NAME):
            change.outside[path] = self.folder.put(path, tree.files[path])
        for path in change.removed:
            self.folder.remove(path)

    def _unsign(self, path: str) -> None:
        """Remove the signature of a file before that changes; somebody else's stays."""
        signature = path + sign.SUFFIX
        there = self.folder.read(signature)
        if there and sign.is_ours(there):
            self.folder.drop(signature)

    def _make_bundles(self, hosts: Iterator[str], change: Change) -> dict[str, Look]:
        """Make bundles that are not there; return how they look."""
        made = {}
        for host in hosts:
            bundles = change.rendered.hosts[host]
            looks = self.folder.put_folder(f"hosts/{host}", bundles.folders, bundles.contents(host))
            made[host] = Look.of([*self._folder_looks(host, bundles).values(), *looks])
        return made

    def _mend_bundles(
        self,
        hosts: Iterator[str],
        change: Change,
        before: Mapping[str, Block],
        inside: Mapping[str, Sequence[str]],
    ) -> dict[str, Look]:
        """Make or replace files of bundles that are there; return how the bundles look then."""
        mended = {}
        for host in hosts:
            bundles = change.rendered.hosts[host]
            files, looks = bundles.files(host), self._unchanged(change, host, before)
            for path in inside[host]:
                looks[path] = self.folder.put(bundle_path(host, path), files[path])
            looks |= self._folder_looks(host, bundles)
            if all(each in looks for each in bundles.looked_at):
                mended[host] = Look.of([looks[each] for each in bundles.looked_at])
        return mended

    def _unchanged(
        self, change: Change, host: str, before: Mapping[str, Block]
    ) -> dict[str, os.stat_result]:
        """Return how files of a bundle look that hold what they should, or are about to change."""
        if host in change.inside:
            return change.inside[host]
        looks = self._looks(host, before[host].looked_at)
        if not looks or not self._evidence.is_bundle(host, looks):
            return {}  # somebody has been here since
        return dict(zip(before[host].looked_at, looks, strict=True))


def _by_host(paths: Iterable[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Return the paths that lead into no bundle, and those in each host's."""
    outside: list[str] = []
    inside: dict[str, list[str]] = {}
    for path in paths:
        host, rest = split(path)
        (outside if host is None else inside.setdefault(host, [])).append(rest)
    return outside, inside
