"""`review.html`: all of a compilation on one page that needs nothing but a browser.

Hosts, their steps and files with the place in the description that each comes from, who may read
which key, what differs between two hosts. Size follows distinct content: hosts are ranges, which
the page's own script expands, and files stand once for all hosts of a profile.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import TYPE_CHECKING

from cephos import jinja, ranges, services
from cephos.picture import access_picture
from cephos.plan import host_ranges
from cephos.tree import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jinja2 import Template

    from cephos.load import Document
    from cephos.model import Path
    from cephos.plan import DataFile, Plan, Profile, Step
    from cephos.tree import Bundles

LINES_SHOWN = 200
"""Lines of a file that the page shows; one that names every host of a region would drown it."""

HOST_SHOWN = "⟨host⟩"
"""What the page shows in `host.env` until a host is chosen."""


@dataclass(frozen=True)
class Shown:
    """A file of a bundle as the page shows it."""

    path: str
    purpose: str
    source: Path
    text: str
    more: int

    @property
    def language(self) -> str:
        """Return what its text is written in."""
        if self.path.startswith("steps/"):
            return "shell"
        return {"conf": "ini", "env": "ini", "xml": "xml"}.get(self.path.rpartition(".")[2], "text")


@dataclass(frozen=True)
class Key:
    """A client's key on the hosts of a profile; libvirt holds it under the UUID `secret`."""

    keyring: services.Keyring
    file: services.KeyringFile
    secret: str | None


@dataclass(frozen=True)
class Kind:
    """The hosts of one profile, as the page shows them."""

    anchor: str
    profile: Profile
    waves: Sequence[int]
    shown: tuple[Shown, ...]
    keys: tuple[Key, ...]

    @property
    def ranges(self) -> list[str]:
        """Return its hosts as people read them."""
        return host_ranges(self.profile.groups)

    @cached_property
    def count(self) -> int:
        """Return how many hosts there are."""
        return sum(len(group.names) for group in self.profile.groups)


def page(plan: Plan, bundles: Sequence[Bundles], document: Document) -> str:
    """Return the page; the bundles are those of the plan's profiles, in their order.

    The document tells the lines of sources.
    """
    kinds = [
        _kind(plan, profile, bundles[at], f"kind-{at + 1}")
        for at, profile in enumerate(plan.profiles)
    ]
    style, script = _asset("review.css"), _asset("review.js")
    return _template().render(
        plan=plan,
        site=plan.site,
        kinds=kinds,
        picture=access_picture(plan),
        style=style,
        script=script,
        allowed={"style": _allowance(style), "script": _allowance(script)},
        data={
            "hosts": {kind.anchor: list(_entries(kind, document)) for kind in kinds},
            "lines": {_dotted(path): _line(document, path) for path in _sources(plan, kinds)},
        },
    )


def _kind(plan: Plan, profile: Profile, bundles: Bundles, anchor: str) -> Kind:
    group = profile.groups[0]
    entry = group.path if len(profile.groups) == 1 else ("hosts",)
    env = bundles.named["host.env"].replace(HOST, HOST_SHOWN)
    made: tuple[Step | DataFile, ...] = (*profile.steps, *profile.files)
    shown = [
        _shown(it.path, it.purpose, it.source, bundles.shared[it.path].data.decode()) for it in made
    ]
    shown.append(_shown("host.env", "site and host that the bundle is for", entry, env))
    return Kind(
        anchor=anchor,
        profile=profile,
        waves=[wave.number for wave in plan.waves if wave.has(profile)],
        shown=tuple(shown),
        keys=tuple(
            Key(
                keyring,
                services.keyring_file(plan.site, group, keyring),
                _secret(plan, profile, keyring),
            )
            for keyring in profile.keyrings
        ),
    )


def _shown(path: str, purpose: str, source: Path, text: str) -> Shown:
    lines = text.splitlines(keepends=True)
    more = max(0, len(lines) - LINES_SHOWN)
    return Shown(path, purpose, source, "".join(lines[:LINES_SHOWN]), more)


def _secret(plan: Plan, profile: Profile, keyring: services.Keyring) -> str | None:
    if "nova-compute" not in profile.roles or keyring not in plan.guest_keyrings:
        return None
    return plan.site.clusters[keyring.cluster].secret_uuid(keyring.client)


def _entries(kind: Kind, document: Document) -> Iterator[list[str | int]]:
    """Yield each range of hosts, and line and key of the entry that describes it if it is one."""
    alone = [group for group in kind.profile.groups if len(group.names) == 1]
    paths = {group.names[0]: group.path for group in alone}
    for pattern in ranges.fold(paths):
        yield [pattern, _line(document, paths[pattern])] if pattern in paths else [pattern]
    for group in kind.profile.groups:
        if len(group.names) > 1:
            yield [group.pattern, _line(document, group.path), group.pattern]


def _sources(plan: Plan, kinds: Sequence[Kind]) -> Iterator[Path]:
    """Yield every place of the description that the page names, but for single hosts."""
    yield from (shown.source for kind in kinds for shown in kind.shown)
    yield from (store.path for store in plan.site.stores())
    yield from (
        pool.path for cluster in plan.site.clusters.values() for pool in cluster.pools.values()
    )


def _line(document: Document, path: Path) -> int:
    return document.span(path, key=True).line


def _dotted(path: Path) -> str:
    return ".".join(map(str, path))


def _asset(name: str) -> str:
    return (files("cephos.templates") / name).read_text(encoding="utf-8")


def _allowance(text: str) -> str:
    """Return the source expression by which a Content-Security-Policy allows exactly this text."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@cache
def _template() -> Template:
    environment = jinja.environment(autoescape=True)
    environment.filters["dotted"] = _dotted
    return environment.get_template("review.html.j2")
