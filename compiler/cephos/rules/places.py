"""Where in a description a rule looks, and how rules are registered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cephos.diagnostics import Diagnostic, did_you_mean, quote

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from cephos.diagnostics import Span
    from cephos.load import Document
    from cephos.model import HostGroup, Path, Site

    Rule = Callable[[Site, "Places"], Iterator[Diagnostic]]

RULES: dict[Rule, tuple[Path, ...]] = {}
"""Every rule, with the places that it relies on."""

SHOWN = 12
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
RUN: Path = ("hosts", ANY, "backends", ANY)
ADMINISTERED: Path = ("hosts", ANY, "clusters", ANY)
"""Places that rules rely on: where something is wrong there, a rule cannot tell what is missing."""


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

    def keys(self, path: Path) -> Collection[str]:
        """Return the keys of a mapping; none if it is not given."""
        return self._at(path) or ()

    def items(self, path: Path) -> list[str]:
        """Return the items of a list; none if it is not given."""
        return list(self._at(path) or ())

    def _at(self, path: Path) -> Any:
        return _found(self._document.data, path)

    def role(self, group: HostGroup, role: str) -> Span:
        """Return where a group of hosts is given a role."""
        path = (*group.path, "roles")
        written = _found(self._document.written, path)
        # what was mended is not written; what was left out before it has moved it
        roles = written if isinstance(written, list) and role in written else self._at(path)
        return self.value((*path, roles.index(role)))


def _found(data: Any, path: Path) -> Any:
    """Return what is at a path of mappings; None if there is nothing."""
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def rule(*relied_on: Path) -> Callable[[Rule], Rule]:
    """Register a rule that cannot tell anything where one of these places is wrong."""

    def register(rule: Rule) -> Rule:
        RULES[rule] = relied_on
        return rule

    return register


def hint(word: str, candidates: Iterable[str]) -> str:
    """Return the question whether one of the candidates was meant; empty if none looks like it."""
    guess = did_you_mean(word, candidates)
    return f"; did you mean {quote(guess)}?" if guess else ""


def listed(names: Iterable[str]) -> str:
    """Return names as a list for people, cut short."""
    shown = [quote(name) for name in names]
    more = [f"{len(shown) - SHOWN} more"] if len(shown) > SHOWN else []
    return ", ".join(shown[:SHOWN] + more) or "none"


def together(names: Iterable[str]) -> str:
    """Return two or more names as a sentence has them."""
    *names, last = names
    return f"{', '.join(names)} and {last}"


def described(site: Site, service: Path) -> bool:
    """Tell whether the site describes the service at this place."""
    return any(store.path[: len(service)] == service for store in site.stores())
