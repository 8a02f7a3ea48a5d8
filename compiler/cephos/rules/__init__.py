"""What a site must be beyond its form: one function per rule.

A rule yields diagnostics with a code of its own (E2xx, W3xx). It sees the whole model and may
assume that the schema has been kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cephos.rules import (  # noqa: F401  # each registers its rules
    clusters,
    hosts,
    options,
    pools,
    services,
)
from cephos.rules.places import ANY, RULES, Places

if TYPE_CHECKING:
    from cephos.diagnostics import Report
    from cephos.load import Document
    from cephos.model import Path, Site


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
