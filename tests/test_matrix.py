"""Every release on every platform in every shape of site compiles to what the release reads.

Each generated option is held against the option data, each distinct script is linted. A shape is a
line of SHAPES.
"""

from __future__ import annotations

import json
import re
from functools import cache
from itertools import product
from typing import TYPE_CHECKING

import pytest

from cephos import ini, knowledge, lint, load, model, plan, render, rules, schema_check
from cephos.diagnostics import Report, Source
from cephos.tree import Bundles, Tree
from compiling import ROOT, edited

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cephos.knowledge import Release
    from cephos.load import Document
    from cephos.tree import File

SCHEMA = json.loads((ROOT / "schema/site.schema.json").read_bytes())
OPENSTACK, CEPH = knowledge.releases("openstack"), knowledge.releases("ceph")
PLAIN = edited(("volumes: {}", "volumes: {pg_num: 64}"), ("vms: {}", "vms: {pg_num: 8, size: 2}"))
"""A site that every release can have."""

SECOND = """\
  two:
    release: squid
    fsid: 0d9c8b7a-6f5e-4d3c-8b2a-190807f6e5d4
    mon_host: [10.0.0.9]
    pools: {p: {pg_num: 8}}
"""
TWO = (
    ("services:\n", f"{SECOND}services:\n"),
    ("client: nova}", "client: nova, cluster: ceph}"),
    ("client: cinder}", "client: cinder, cluster: ceph}\n      two: {pool: p, client: cinder}"),
    ("      two: {", "      two: {cluster: two, availability_zone: two, "),
)
ON_TWO_HOSTS = ("cinder]}", "cinder], backends: [rbd]}\n  os2: {roles: [cinder], backends: [two]}")
STORES = (
    ("p: {pg_num: 8}", "p: {pg_num: 8}, q: {pg_num: 8}"),
    (
        "{pool: images, client: glance}",
        (
            "{default: far, all_locations: true, stores: {far: {pool: q, client: glance, cluster:"
            " two}, near: {pool: images, client: glance, cluster: ceph}}}"
        ),
    ),
)
BACKUP = (
    ("      vms: {", "      backups: {pg_num: 8}\n      vms: {"),
    ("  nova: {", "    backup: {pool: backups, client: backup}\n  nova: {"),
)
SIGNER = "ada ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPtSt8cCaIEORbiljBJbulyqDYmk0E3+Z9xusSNvkO94"
UUID = "0b7a54d8-3a3b-4bb8-a3cd-2d0f9e40b1a7"

SHAPES: dict[str, tuple[tuple[str, str], ...]] = {
    "plain": (),
    "copies": (("client: glance}", "client: glance, copy_on_write: false}"),),
    "cow-snapshots": (("client: nova}", "client: nova, cow_snapshots: true}"),),
    "one-pool": (
        ("client: nova}", "client: cinder}"),
        ("pool: vms", "pool: volumes"),
        ("      vms: {pg_num: 8, size: 2}\n", ""),
    ),
    "all-in-one": (
        ("[ceph-admin]", "[ceph-admin, glance, cinder, nova-compute]"),
        ("  os1: {roles: [glance, cinder]}\n  compute[01-02]: {roles: [nova-compute]}\n", ""),
    ),
    "classic-caps": (("    mon_host:", "    caps: classic\n    mon_host:"),),
    "images-only": (
        ("  cinder:\n    backends:\n      rbd: {pool: volumes, client: cinder}\n", ""),
        ("  nova: {pool: vms, client: nova}\n", ""),
        ("      volumes: {pg_num: 64}\n      vms: {pg_num: 8, size: 2}\n", ""),
        ("[glance, cinder]", "[glance]"),
        ("  compute[01-02]: {roles: [nova-compute]}\n", ""),
    ),
    "two-clusters": (*TWO, ON_TWO_HOSTS, ("client: glance}", "client: glance, cluster: ceph}")),
    "stores": (*TWO, *STORES),
    "stores-shown-once": (
        *(*TWO, *STORES),
        ("all_locations: true, ", ""),
        ("client: nova,", "client: nova, options: {never_download_image_if_on_rbd: true},"),
    ),
    "coded": (
        ("volumes: {pg_num: 64}", "volumes: {pg_num: 64, data_pool: data}"),
        ("      vms: {", "      data: {pg_num: 8, erasure: {k: 4, m: 2}}\n      vms: {"),
    ),
    "backup": (*BACKUP, ("[glance, cinder]", "[glance, cinder, cinder-backup]")),
    "apart": (
        *BACKUP,
        (
            "os1: {roles: [glance, cinder]}",
            "img[1-3]: {roles: [glance]}\n  vol1: {roles: [cinder]}\n  bak[1-2]: {roles: [B]}",
        ),
        ("[B]", "[cinder-backup]"),
    ),
    "delivered": (
        ("    mon_host:", "    keys: delivered\n    mon_host:"),
        ("  ceph1: {roles: [ceph-admin]}\n", ""),
    ),
    "delivered-classic": (
        ("    mon_host:", "    keys: delivered\n    caps: classic\n    mon_host:"),
        ("  ceph1: {roles: [ceph-admin]}\n", ""),
    ),
    "volume-type": (
        ("client: cinder}", "client: cinder, volume_type: fast, volume_backend_name: nvme}"),
    ),
    "trash": (("client: cinder}", "client: cinder, trash: schedule}"),),
    "oldest-client": (("    mon_host:", "    min_compat_client: luminous\n    mon_host:"),),
    "sent": (("hosts:\n", "transport: scp\nhosts:\n"),),
    "signed": (("hosts:\n", f"signers: [{SIGNER}]\nhosts:\n"),),
    "fixed-uuid": (
        ("    mon_host:", f"    clients: {{nova: {{secret_uuid: {UUID}}}}}\n    mon_host:"),
    ),
    "one-client": tuple(
        (f"client: {name}}}", "client: o}") for name in ("glance", "cinder", "nova")
    ),
    "two-platforms": (("[nova-compute]}", "[nova-compute], platform: suse}"),),
    "prepared": (("hosts:\n", "prepare: {deploy_user: {name: deploy}}\nhosts:\n"),),
    "options": (
        ("client: glance}", "client: glance, options: {filesystem_store_datadir: /srv/images}}"),
        ("client: cinder}", "client: cinder, options: {rbd_max_clone_depth: 0}}"),
        ("client: nova}", "client: nova, options: {libvirt.hw_disk_discard: ignore}}"),
    ),
}
"""What each shape changes of the plain site."""

FILES = {"glance-api.conf": "glance", "cinder.conf": "cinder", "nova.conf": "nova"}
OLD_STORES = {"glance_store.stores", "glance_store.default_store"}
DEPRECATED_WITHOUT_REPLACEMENT = {"DEFAULT.show_multiple_locations"}
EXPECTED_WARNINGS = {
    "one-pool": {"W304", "W305"},
    "classic-caps": {"W331"},
    "delivered-classic": {"W331"},
    "one-client": {"W305"},
}
SINCE = {
    "stores": {"openstack": "victoria"},
    "stores-shown-once": {"openstack": "ussuri"},
    "coded": {"ceph": "octopus"},
    "trash": {"openstack": "2023.1", "ceph": "octopus"},
}
"""The first releases that have what a shape is about, if not all have."""


def document_of(text: str, report: Report) -> Document:
    document = load.load(Source("site.yaml", text), report)
    assert document
    return document


def compiled(text: str) -> tuple[Tree, list[str]]:
    """Return the tree of a site, and the codes of what is said of it."""
    report = Report()
    document = document_of(text, report)
    report.extend(schema_check.check(document, SCHEMA))
    site = model.build(document, report)
    rules.check(site, document, report)
    assert not report.errors, [each.message for each in report.errors]
    tree = render.render(plan.plan(site), document, "")
    return tree, [each.code for each in report]


def site_of(shape: str, release: Release, platform: str, ceph: Release) -> str:
    unit = "unit: httpd.service, " if release.name == "2026.2" else ""
    return edited(
        *SHAPES[shape],
        ('"2025.1"', f'"{release.name}"'),
        ("platform: rdo", f"platform: {platform}"),
        ("release: squid", f"release: {ceph.name}"),
        ("  glance: {", f"  glance: {{{unit}"),
        site=PLAIN,
    )


def written(bundle: Mapping[str, File]) -> Iterator[tuple[str, str]]:
    """Yield service and option, `section.name`, of all that is merged into files of services."""
    steps = "".join(file.data.decode() for path, file in bundle.items() if path.startswith("steps"))
    for name, service in FILES.items():
        patch = bundle.get(f"files/{name}")
        if patch is None:
            continue
        for section, entries in ini.parse(patch.data.decode()).items():
            yield from ((service, f"{section}.{option}") for option in entries)
        found = re.search(rf"^patch_ini .* files/{re.escape(name)}( .*)?$", steps, re.MULTILINE)
        assert found
        yield from ((service, option) for option in re.findall(r"--include '?([\w.]+)=", found[0]))


def options_of(service: str, written: str) -> list[knowledge.Option]:
    """Return the rows of the data that may be meant: a section may be a store or backend."""
    section, _, name = written.partition(".")
    table = knowledge.options(service)
    return [
        option
        for key in (written, f"<store>.{name}", f"<backend>.{name}")
        if (option := table.get(key)) and (option.section == section or key != written)
    ]


def check_options(bundle: Mapping[str, File], release: Release) -> int:
    """Hold every option of a bundle against the release; return how many there are."""
    count = 0
    for service, option in written(bundle):
        read = [each for each in options_of(service, option) if each.known_in(release)]
        assert read, f"{release.name}'s {service} has no {option}"
        if option in OLD_STORES:
            assert not knowledge.behaves("glance_multi_store", release), option
        elif option not in DEPRECATED_WITHOUT_REPLACEMENT:
            assert not read[0].deprecated_in(release), f"{release.name} deprecates {option}"
        count += 1
    return count


def suits(shape: str, release: Release) -> bool:
    """Tell whether a release of OpenStack or Ceph has what a shape is about."""
    return knowledge.within(release, SINCE.get(shape, {}).get(release.product), None)


@cache
def found_files() -> dict[tuple[str, bytes], File]:
    """Return every distinct file of the bundles so far."""
    return {}


def collect(tree: Tree) -> None:
    for bundles in tree.bundles:
        found_files().update({(path, file.data): file for path, file in bundles.shared.items()})


@pytest.mark.parametrize("release", OPENSTACK, ids=lambda release: release.name)
def test_every_option_is_one_that_the_release_reads(release: Release) -> None:
    for number, (shape, platform) in enumerate(product(SHAPES, knowledge.platforms())):
        if not suits(shape, release):
            continue
        known = [each for each in CEPH if suits(shape, each)]
        ceph = known[(release.order + number) % len(known)]
        tree, said = compiled(site_of(shape, release, platform, ceph))
        assert set(said) == EXPECTED_WARNINGS.get(shape, set()), (shape, platform)
        counts = [check_options(bundles.shared, release) for bundles in tree.bundles]
        assert sum(counts) >= 4
        collect(tree)


@pytest.mark.parametrize("ceph", CEPH, ids=lambda release: release.name)
def test_every_ceph_release_gets_its_own_commands(ceph: Release) -> None:
    for shape in filter(lambda shape: suits(shape, ceph), SHAPES):
        tree, _ = compiled(site_of(shape, OPENSTACK[-1], "debian", ceph))
        collect(tree)
        admin = tree.bundles[0].shared
        if shape.startswith("delivered"):
            assert not any(path.startswith("steps/1") for path in admin)
            continue
        pools, clients = (
            admin[f"steps/{name}.sh"].data.decode() for name in ("10-pools", "20-clients")
        )
        classic = shape == "classic-caps"
        assert ("mon 'allow r'" in clients) == classic
        assert ("profile rbd" in clients) != classic
        by_steps = ceph.name in {"luminous", "mimic", "nautilus"}
        assert ("pool_step_by_step" in pools) == by_steps
        assert ("mgr 'profile rbd" in clients) == (not by_steps and not classic)


def test_every_script_is_clean() -> None:
    """Lint the distinct files of all sites above, and nothing if none of those tests ran."""
    hosts: list[dict[str, File]] = []
    for (path, _), file in found_files().items():
        place = next((host for host in hosts if path not in host), None)
        if place is None:
            hosts.append(place := {})
        place[path] = file
    bundles = (Bundles(files, {}, {f"host{n}": ""}) for n, files in enumerate(hosts))
    report = Report()
    lint.lint(Tree({}, {}, tuple(bundles)), document_of(PLAIN, report), report)
    assert not list(report), [each.message for each in report]


def test_the_page_for_another_team_has_commands_that_its_ceph_knows() -> None:
    edits = (("    release: squid", "    keys: delivered\n    release: nautilus"),)
    site = edited(*edits, ("  ceph1: {roles: [ceph-admin]}\n", ""), site=PLAIN)
    tree, _ = compiled(site)
    page = tree.files["CEPH-TEAM.md"].data.decode()
    assert "# ceph --cluster ceph osd pool create vms 8 8 replicated\n" in page
    assert "# ceph --cluster ceph osd pool set vms size 2\n" in page
    assert "--pool_type" not in page
