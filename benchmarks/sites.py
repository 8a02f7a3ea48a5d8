"""Sites of any size: a `ceph-admin`, a controller, and as many computes as wanted."""

from __future__ import annotations

_HEAD = """\
version: 1
site: bench
openstack: {release: "2025.1", platform: rdo}
clusters:
  ceph:
    release: squid
    fsid: 3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10
    mon_host: [192.168.8.11, 192.168.8.12, 192.168.8.13]
    pools: {images: {}, volumes: {}, vms: {}}
services:
  glance: {pool: images, client: glance}
  cinder: {backends: {rbd: {pool: volumes, client: cinder}}}
  nova: {pool: vms, client: nova}
hosts:
  ceph1: {roles: [ceph-admin]}
  os1: {roles: [glance, cinder]}
"""

# four lines that the compiler reads and four for people, as inventories have them
_ENTRY = """
  # rack {rack}, unit {unit}
  # serial CN7475{number:06}
  # bought 2025
  compute{number:05}:
    roles:
      - nova-compute
    platform: {platform}
"""


def in_ranges(hosts: int) -> str:
    """Return a site whose computes are one line."""
    return f"{_HEAD}  compute[00001-{hosts:05}]: {{roles: [nova-compute]}}\n"


def one_by_one(hosts: int) -> str:
    """Return the same site with eight lines for each compute."""
    return _HEAD + "".join(_entry(number, "rdo") for number in range(1, hosts + 1))


def with_all_changed(hosts: int) -> str:
    """Return the site in ranges with another monitor: some files of each bundle differ."""
    return in_ranges(hosts).replace("192.168.8.11", "192.168.8.21")


def with_one_changed(hosts: int) -> str:
    """Return that site with another platform for the compute in the middle: one line differs."""
    middle = hosts // 2 + 1
    return one_by_one(hosts).replace(_entry(middle, "rdo"), _entry(middle, "debian"))


def _entry(number: int, platform: str) -> str:
    rack, unit = divmod(number - 1, 40)
    return _ENTRY.format(number=number, rack=rack + 1, unit=unit + 1, platform=platform)
