"""The data on releases and options held against the services themselves."""

from __future__ import annotations

import pytest

import upstream
from cephos import knowledge
from option_data import disagreements

pytestmark = pytest.mark.real
releases = pytest.mark.parametrize(
    "release", [pytest.param(upstream.RELEASE, marks=pytest.mark.hostless), upstream.DEBIAN]
)


@releases
@pytest.mark.parametrize("service", upstream.NAMESPACES)
def test_services_have_the_options_that_the_data_says(service: str, release: str) -> None:
    assert list(disagreements(service, release)) == []
    known = knowledge.release_names("openstack")[release]
    assert sum(option.known_in(known) for option in knowledge.options(service).values()) >= 30


@releases
def test_nova_starts_on_the_versions_that_the_data_says(release: str) -> None:
    driver = upstream.source("nova/virt/libvirt/driver.py", release)
    known = knowledge.release_names("openstack")[release]
    for name, floor in (("LIBVIRT", known.libvirt), ("QEMU", known.qemu)):
        assert f"\nMIN_{name}_VERSION = ({floor.replace('.', ', ')})\n" in driver


def test_the_newest_release_is_the_one_that_the_data_is_held_against() -> None:
    assert knowledge.releases("openstack")[-1].name == upstream.RELEASE
