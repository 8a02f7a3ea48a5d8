"""What the option data and the services themselves disagree on.

After a new release: set `RELEASE` and `PACKAGES` in `upstream.py`, add the release to
`releases.toml`, run

    .venv/bin/python tests/option_data.py

and carry into `options.toml` what it prints, until it prints nothing.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import upstream
from cephos import knowledge

if TYPE_CHECKING:
    from collections.abc import Iterator

AT_RUN_TIME = {
    "<store>.store_description",
    "<store>.weight",
    "os_glance_staging_store.filesystem_store_datadir",
    "os_glance_tasks_store.filesystem_store_datadir",
}
"""Options that glance_store registers when it starts (multi_backend.py), and lists nowhere."""

ABOUT_CEPH = re.compile(r"rbd(?!_iscsi)|rados|ceph(?!fs|_mount)")
"""What the name of an option is like that the data must have.

CephFS and its mounts on computes are none of RBD's; nor is the iSCSI driver.
"""


def disagreements(service: str, release: str) -> Iterator[str]:
    """Yield what the data must be told, for `upstream`'s newest release or Debian's."""
    known = knowledge.release_names("openstack")[release]
    theirs = [
        (section, option)
        for section, group in upstream.options(service, release)["options"].items()
        for option in group["opts"]
    ]
    ours = knowledge.options(service)
    for name, option in ours.items():
        found = [each for section, each in theirs if _is(option, section, each)]
        reads = option.known_in(known) and name not in AT_RUN_TIME
        if bool(found) != reads:
            yield f"{service} {name}: {release} {'has it' if found else 'does not have it'}"
        elif found:
            default = option.default_in(known)
            said = (option.minimum, option.maximum, option.deprecated_in(known), _some(default))
            facts = [_facts(each) for each in found]
            if said not in facts and not str(default).startswith("<"):  # as each host has it
                told = "min, max, deprecated and default are"
                yield f"{service} {name}: {told} {facts} in {release}, not {said}"
    for section, each in theirs:
        is_ours = any(_is(option, section, each) for option in ours.values())
        if ABOUT_CEPH.search(each["name"]) and not is_ours:
            yield f"{service} {section}.{each['name']}: {release} has it: {each['type']}"


def _is(option: knowledge.Option, section: str, theirs: dict[str, Any]) -> bool:
    same_section = section == option.section or option.section.startswith("<")
    return same_section and option.name in {theirs["name"], theirs["dest"]}


def _facts(theirs: dict[str, Any]) -> tuple[object, ...]:
    deprecated, default = bool(theirs["deprecated_for_removal"]), _some(theirs["default"])
    return theirs["min"], theirs["max"], deprecated, default


def _some(value: object) -> object:
    """Return a default; None where it says nothing."""
    return None if value in ("", []) else value


def main() -> None:
    """Print every disagreement with the newest release."""
    for service in upstream.NAMESPACES:
        for line in disagreements(service, upstream.RELEASE):
            sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
