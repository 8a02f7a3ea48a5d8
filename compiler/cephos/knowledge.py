"""What is known of releases, options and platforms: the data files, and how to ask them.

Nothing else in the compiler compares release names; a fact about a release is a line in
`data/*.toml`, with its source beside it.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime
    from collections.abc import Collection, Mapping

OptionValue = str | int | float | bool | list[str | int]
"""What a site may give an option: text, a number, a truth value or a list."""


@dataclass(frozen=True)
class Release:
    """A release of `openstack` or `ceph`; `order` counts from the oldest known.

    OpenStack's have a date; `libvirt` and `qemu` are the oldest versions that their nova-compute
    starts on, '' for Ceph. Ceph's have a version.
    """

    product: str
    name: str
    order: int
    code_name: str | None
    date: datetime.date | None
    version: int | None
    libvirt: str
    qemu: str

    @property
    def title(self) -> str:
        """Return what people know it as: `Epoxy, of April 2025`, `Ceph 19`."""
        if self.date:
            return f"{(self.code_name or self.name).capitalize()}, of {self.date:%B %Y}"
        return f"Ceph {self.version}"


@dataclass(frozen=True)
class Unit:
    """One service as a platform's packages install it."""

    unit: str
    user: str
    conf: str
    read_later: tuple[str, ...]
    package: str
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Platform:
    """Whose packages a host runs; `units` is by role.

    `needs` names packages, `a|b` one of two; `install` is the command that installs them.
    """

    name: str
    title: str
    qemu: str
    install: str
    needs: tuple[str, ...]
    units: Mapping[str, Unit]

    def packages(self, roles: Collection[str]) -> list[str]:
        """Return the packages that a host of these roles needs."""
        units = [unit for role, unit in self.units.items() if role in roles]
        found = [*self.needs, *(name for unit in units for name in (unit.package, *unit.needs))]
        return list(dict.fromkeys(found))

    def with_unit(self, role: str, name: str) -> Platform:
        """Return the same, but for the unit that a role is restarted by."""
        return replace(self, units={**self.units, role: replace(self.units[role], unit=name)})


@dataclass(frozen=True)
class Option:
    """One configuration option of a service, over all releases.

    `section` is `<store>` or `<backend>` where the section has a name of the operator's choice.
    """

    section: str
    name: str
    type: str
    minimum: int | None
    maximum: int | None
    choices: tuple[str, ...]
    since: str | None
    until: str | None
    deprecated: str | None
    instead: str | None
    excludes: str | None
    defaults: tuple[tuple[str | None, OptionValue], ...]
    """Each with the release that it came with; None if that is older than all."""

    @property
    def full_name(self) -> str:
        """Return `section.name`."""
        return f"{self.section}.{self.name}"

    @property
    def is_of_its_store(self) -> bool:
        """Tell whether it stands in the section of the store or backend that names it.

        Options of the file store are named by an RBD store, since the site describes no other.
        """
        return self.section.startswith("<") and not self.name.startswith("filesystem_")

    def known_in(self, release: Release) -> bool:
        """Tell whether the release reads the option at all."""
        return within(release, self.since, self.until)

    def deprecated_in(self, release: Release) -> bool:
        """Tell whether the release warns of it."""
        return self.deprecated is not None and within(release, self.deprecated, None)

    def default_in(self, release: Release) -> OptionValue | None:
        """Return what the release goes by where the option is not set; None if by nothing."""
        known = [value for since, value in self.defaults if within(release, since, None)]
        return known[-1] if known else None


@cache
def _data(name: str) -> dict[str, Any]:
    return tomllib.loads((files("cephos.data") / f"{name}.toml").read_text(encoding="utf-8"))


@cache
def releases(product: str) -> tuple[Release, ...]:
    """Return the releases of `openstack` or `ceph`, oldest first."""
    return tuple(
        Release(
            product=product,
            name=row["name"],
            order=order,
            code_name=row.get("code_name"),
            date=row.get("date"),
            version=row.get("version"),
            libvirt=row.get("libvirt", ""),
            qemu=row.get("qemu", ""),
        )
        for order, row in enumerate(_data("releases")[product])
    )


@cache
def release_names(product: str) -> Mapping[str, Release]:
    """Return every spelling of a release, number or code name, in lower case."""
    return {
        spelling: release
        for release in releases(product)
        for spelling in (release.name, release.code_name)
        if spelling
    }


def within(release: Release, since: str | None, until: str | None) -> bool:
    """Tell whether a release lies between two others of its product, both included.

    A name older than every release in the data (an option's origin in Mitaka, say) is before all.
    """
    names = release_names(release.product)
    first = names[since].order if since and since in names else 0
    if until is None:
        return release.order >= first
    return until in names and first <= release.order <= names[until].order


def behaves(behaviour: str, release: Release) -> bool:
    """Tell whether a release has one of the behaviours in `releases.toml`."""
    span = _data("releases")["behaviour"][behaviour]
    return within(release, span.get("since"), span.get("until"))


@cache
def platforms() -> Mapping[str, Platform]:
    """Return the platforms by name."""
    return {
        name: Platform(
            name=name,
            title=row["title"],
            qemu=row["qemu"],
            install=row["install"],
            needs=tuple(row["needs"]),
            units={
                role: Unit(
                    unit=unit["unit"],
                    user=unit["user"],
                    conf=unit["conf"],
                    read_later=tuple(unit["read_later"]),
                    package=unit["package"],
                    needs=tuple(unit["needs"]),
                )
                for role, unit in row.items()
                if isinstance(unit, dict)
            },
        )
        for name, row in _data("platforms").items()
        if "refused" not in row
    }


@cache
def refused_platforms() -> Mapping[str, str]:
    """Return why each platform that is known and cannot be served cannot, by its name."""
    rows = _data("platforms").items()
    return {name: row["refused"] for name, row in rows if "refused" in row}


@cache
def options(service: str) -> Mapping[str, Option]:
    """Return the options of `glance`, `cinder` or `nova` by `section.name`."""
    found = {}
    for full_name, row in _data("options")[service].items():
        section, _, name = full_name.rpartition(".")
        found[full_name] = Option(
            section=section,
            name=name,
            type=row["type"],
            minimum=row.get("min"),
            maximum=row.get("max"),
            choices=tuple(row.get("choices", ())),
            since=row.get("since"),
            until=row.get("until"),
            deprecated=row.get("deprecated"),
            instead=row.get("instead"),
            excludes=row.get("excludes"),
            defaults=tuple(
                (since, value)
                for since, value in row.get("defaults", [[None, row.get("default")]])
                if value is not None
            ),
        )
    return found


def unread(service: str, release: Release) -> list[str]:
    """Return what older guides set that a service of the release reads nowhere: `section.name`."""
    rows = _data("options")["unread"][service].items()
    return [name for name, row in rows if within(release, row.get("since"), None)]


def dangers() -> Mapping[str, Mapping[str, Any]]:
    """Return the changes that can break a running site, by code; `dangers.toml` explains them."""
    return _data("dangers")


HOME = {"glance": "<store>", "cinder": "<backend>", "nova": "libvirt"}
"""The section that a bare option name means where a service has it in several."""


def find_option(service: str, spelling: str) -> Option | list[Option]:
    """Return the option meant by `name` or `section.name`; else all that the name could mean."""
    table = options(service)
    for full_name in (spelling, f"{HOME[service]}.{spelling}"):
        if full_name in table:
            return table[full_name]
    same_name = [option for option in table.values() if option.name == spelling]
    return same_name[0] if len(same_name) == 1 else same_name
