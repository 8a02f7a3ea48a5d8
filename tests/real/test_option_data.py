"""The option data held against what the newest release says of its own options."""

from __future__ import annotations

import pytest

import upstream
from cephos import knowledge

pytestmark = pytest.mark.real

AT_RUN_TIME = {
    "<store>.store_description",
    "<store>.weight",
    "os_glance_staging_store.filesystem_store_datadir",
    "os_glance_tasks_store.filesystem_store_datadir",
}
"""Options that glance_store registers when it starts (multi_backend.py), and lists nowhere."""


@pytest.mark.parametrize("service", upstream.NAMESPACES)
def test_the_newest_release_has_the_options_that_the_data_says(service: str) -> None:
    release = knowledge.release_names("openstack")[upstream.RELEASE]
    theirs = [
        (section, option)
        for section, group in upstream.options(service)["options"].items()
        for option in group["opts"]
    ]
    compared = 0
    for name, ours in knowledge.options(service).items():
        found = [
            option
            for section, option in theirs
            if ours.name in {option["name"], option["dest"]}
            and (section == ours.section or ours.section.startswith("<"))
        ]
        assert bool(found) == (ours.known_in(release) and name not in AT_RUN_TIME), name
        if found:
            compared += 1
            assert (ours.minimum, ours.maximum, ours.deprecated_in(release)) in {
                (option["min"], option["max"], bool(option["deprecated_for_removal"]))
                for option in found
            }, name
    assert compared >= 30
