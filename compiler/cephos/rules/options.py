"""Options that a site gives: that they exist in the release, are free to set, and fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cephos import knowledge
from cephos.diagnostics import Diagnostic, describe, quote
from cephos.rules.places import (
    RELEASE,
    hint,
    rule,
)
from cephos.services import MANAGED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cephos.diagnostics import Span
    from cephos.knowledge import Option, OptionValue
    from cephos.model import Path, Site
    from cephos.rules.places import Places


@rule()
def options_are_right(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E212 to E214: an option exists, is free to set, and has a fit value."""
    first: dict[tuple[Path, str], Path] = {}
    for service, path, option, value in _options(site):
        spelling = str(path[-1])
        if isinstance(option, list):
            yield _no_such_option(service, spelling, option, at.key(path))
            continue
        name = f"{service}'s option {quote(option.name)}"
        if option.section == "<backend>" and path[2] == "backup":
            yield Diagnostic(
                "E212",
                f"{name} is a backend's, and cinder-backup does not read it",
                at.key(path),
                help="it goes under services.cinder.backends, to the backend that it is meant for",
            )
        # a section of the operator's own naming is the store's, any other the whole file's
        scope = path[:-1] if option.is_of_its_store else path[:2]
        earlier = first.setdefault((scope, option.full_name), path)
        if earlier != path:
            yield Diagnostic(
                "E213",
                f"{name} is set above already, as {quote(str(earlier[-1]))}",
                at.key(path),
                help="keep one of the two: a file cannot hold both",
            )
        elif option.full_name in MANAGED[service]:
            yield Diagnostic(
                "E213",
                f"{name} follows from {MANAGED[service][option.full_name]}, so it cannot be set"
                " here",
                at.key(path),
                help="leave it out: the bundles set it",
            )
        misfit = _misfit(option, value)
        if misfit:
            yield Diagnostic("E214", f"{name} {misfit}", at.value(path))


@rule()
def options_go_together(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E214: a service does not start with two options that exclude each other."""
    on = {
        (service, option.full_name)
        for service, _, option, value in _options(site)
        if not isinstance(option, list) and value is True
    }
    for service, path, option, value in _options(site):
        if isinstance(option, list) or value is not True:
            continue
        if option.excludes and (service, option.excludes) in on:
            yield Diagnostic(
                "E214",
                f"{service}'s option {quote(option.name)} must not be true beside"
                f" {quote(option.excludes)}: the service would not start",
                at.value(path),
                help="keep one of the two",
            )


@rule(RELEASE)
def options_suit_the_release(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E212 and W303: the services of this release read the option, without a warning."""
    for service, path, option, _ in _options(site):
        if isinstance(option, list) or option.full_name in MANAGED[service]:
            continue
        name = f"{service}'s option {quote(option.name)}"
        use = f"use {option.instead}" if option.instead else "leave it out"
        if not option.known_in(site.release):
            gone = option.until and not knowledge.within(site.release, None, option.until)
            when = f"went after {option.until}" if gone else f"came with {option.since}"
            yield Diagnostic(
                "E212", f"{name} is unknown to {site.release.name}: it {when}", at.key(path), use
            )
        elif option.deprecated_in(site.release):
            yield Diagnostic(
                "W303", f"{name} is deprecated since {option.deprecated}", at.key(path), use
            )


def _options(site: Site) -> Iterator[tuple[str, Path, Option | list[Option], OptionValue]]:
    """Yield service, place, meaning and value of each option that the site gives."""
    for store in site.stores():
        service = str(store.path[1])
        for spelling, value in store.options.items():
            path = (*store.path, "options", spelling)
            yield service, path, knowledge.find_option(service, spelling), value


def _no_such_option(service: str, spelling: str, alike: list[Option], span: Span) -> Diagnostic:
    if alike:
        names = ", ".join(option.full_name for option in alike)
        return Diagnostic(
            "E212",
            f"{quote(spelling)} could be any of {names}",
            span,
            help="write the one that you mean with its section",
        )
    table = knowledge.options(service)
    candidates = {option.name for option in table.values()} | set(table)
    return Diagnostic(
        "E212",
        f"{service} has no Ceph-related option {quote(spelling)}{hint(spelling, candidates)}",
        span,
        help="the services ignore an unknown option in silence, so it is refused here",
    )


def _misfit(option: Option, value: OptionValue) -> str | None:
    """Say why the value does not fit the option; None if it does."""
    kind, check = _KINDS[option.type]
    if not check(value):
        return f"must be {kind}, not {describe(value)}"
    return next(_misfits(option, value), None)


def _whole(value: OptionValue) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _boolean(value: OptionValue) -> bool:
    return isinstance(value, bool)


def _one_text(value: OptionValue) -> bool:
    return not isinstance(value, bool | list)


def _listable(value: OptionValue) -> bool:
    return not isinstance(value, bool | float)


_KINDS: Mapping[str, tuple[str, Callable[[OptionValue], bool]]] = {
    "boolean": ("true or false", _boolean),
    "integer": ("a whole number", _whole),
    "string": ("text", _one_text),
    "dict": ("text", _one_text),
    # one value: a patch cannot hold a key twice
    "multi": ("text", _one_text),
    "list": ("a list", _listable),
}
"""What a site may give an option of each type of the option table."""


def _misfits(option: Option, value: OptionValue) -> Iterator[str]:
    """Yield what is wrong with a value of the right kind."""
    items = value if isinstance(value, list) else [value]
    for item in filter(_splits, value if isinstance(value, list) else ()):
        yield f"has the item {quote(item)}, which a comma-separated list cannot hold"
    if not "".join(map(str, items)).isprintable():
        yield "must be one line of printable characters"
    if isinstance(value, int) and option.minimum is not None and value < option.minimum:
        yield f"must be at least {option.minimum}, not {value}"
    if isinstance(value, int) and option.maximum is not None and value > option.maximum:
        yield f"must be at most {option.maximum}, not {value}"
    if option.choices and str(value) not in option.choices:
        choices = list(filter(None, option.choices))
        yield f"must be one of {', '.join(choices)}, not {describe(value)}" + (
            hint(str(value), choices)
        )
    if option.name == "disk_cachemodes" and not all(
        "=" in item for item in ",".join(map(str, items)).split(",")
    ):
        # nova/virt/libvirt/driver.py drops such an item with a line in its log
        yield "needs items like network=writeback; nova ignores any other"


def _splits(item: str | int) -> bool:
    """Tell whether a list item is not what comes out when the list is split at its commas."""
    return str(item).split(",") != [str(item).strip()] or not str(item)
