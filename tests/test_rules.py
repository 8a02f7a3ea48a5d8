"""Every rule fires where it should, in these words, and not one step beside it."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, NamedTuple

import pytest

from cephos.diagnostics import CATALOGUE
from compiling import SITE, edited, run

if TYPE_CHECKING:
    from pathlib import Path

UUID = "0b7a54d8-3a3b-4bb8-a3cd-2d0f9e40b1a7"
POOLS = "      vms: {}\n"
GLANCE, CINDER, NOVA = "client: glance}", "client: cinder}", "client: nova}"
HIDDEN = ("client: glance", "client: glance, copy_on_write: false")
SNAPSHOTS = ("client: nova", "client: nova, cow_snapshots: true")
BACKUP = (
    (POOLS, "      vms: {}\n      backups: {}\n"),
    ("  nova: {", "    backup: {pool: backups, client: backup}\n  nova: {"),
)
BACKUPS = (*BACKUP, ("[glance, cinder]", "[glance, cinder, cinder-backup]"))
DATA = (
    "      volumes: {}\n",
    "      volumes: {data_pool: data}\n      data: {erasure: {k: 4, m: 2}}\n",
)
COMPUTES = "compute[01-02]: {roles: [nova-compute]}"


def clients(*fixed: tuple[str, str]) -> tuple[str, str]:
    """Return the edit that fixes secret UUIDs of clients."""
    lines = [f"      {client}: {{secret_uuid: {uuid}}}\n" for client, uuid in fixed]
    return (POOLS, POOLS + "    clients:\n" + "".join(lines))


def options(client: str, text: str) -> tuple[str, str]:
    """Return the edit that gives the service of a client options."""
    return (client, f"{client[:-1]}, options: {{{text}}}}}")


def uuid5(fsid: str, name: str) -> str:
    """Return the UUID that is derived for a client of a cluster."""
    return str(uuid.uuid5(uuid.UUID(fsid), name))


TWO = "0d9c8b7a-6f5e-4d3c-8b2a-190807f6e5d4"
SECOND = (
    (
        "services:\n",
        f"  two: {{release: squid, fsid: {TWO}, mon_host: [a], pools: {{p: {{}}}}}}\nservices:\n",
    ),
    (GLANCE, "client: glance, cluster: ceph}"),
    (
        CINDER,
        "client: cinder, cluster: ceph}\n      two: {pool: p, client: cinder, cluster: two}",
    ),
    (NOVA, "client: nova, cluster: ceph}"),
)
"""The edits that give the site a second cluster, and Cinder a backend there."""
APART = (
    *SECOND,
    ("pool: p, client: cinder, cluster: two", "pool: vms, client: cinder, cluster: ceph"),
    ("pool: vms, client: nova, cluster: ceph", "pool: p, client: nova, cluster: two"),
)
"""The edits that put disks of guests in the second cluster, without images."""
STORES = (
    *SECOND,
    ("pools: {p: {}}", "pools: {p: {}, q: {}}"),
    (
        "glance: {pool: images, client: glance, cluster: ceph}",
        (
            "glance: {stores: {far: {pool: q, client: glance, cluster: two}, near: {pool: images,"
            " client: glance, cluster: ceph}}, default: near, all_locations: true}"
        ),
    ),
)
"""The edits that give Glance a store in each of two clusters."""
DECIDED = "workarounds.never_download_image_if_on_rbd"
OS1 = "os1: {roles: [glance, cinder]"
TWO_ADMIN = "two1: {roles: [ceph-admin], clusters: [two]}"


class Row(NamedTuple):
    """Edits of the site that break a rule, what is said of it, and edits that just do not."""

    code: str
    wrong: tuple[tuple[str, str], ...]
    said: str
    near: tuple[tuple[str, str], ...] = ()


ROWS = (
    Row(
        "E201",
        (('"2025.1"', "epxoy"),),
        "3:22: error[E201]: 'epxoy' is not a known release of openstack; did you mean 'epoxy'?",
        (('"2025.1"', "Epoxy"),),
    ),
    Row(
        "E201",
        (('"2025.1"', "pike"),),
        "3:22: error[E201]: 'pike' is not a known release of openstack",
        (('"2025.1"', "Queens"),),
    ),
    Row(
        "E201",
        (("squid", "jewel"),),
        "6:14: error[E201]: 'jewel' is not a known release of ceph",
        (("squid", "octopus"),),
    ),
    Row(
        "E202",
        (("platform: rdo", "platform: debain"),),
        "3:42: error[E202]: 'debain' is not a platform; did you mean 'debian'?",
        (("platform: rdo", "platform: debian"),),
    ),
    Row(
        "E202",
        (("[nova-compute]}", "[nova-compute], platform: aix}"),),
        "22:53: error[E202]: 'aix' is not a platform",
        (("[nova-compute]}", "[nova-compute], platform: debian}"),),
    ),
    Row(
        "E202",
        (("platform: rdo", "platform: kolla"),),
        "3:42: error[E202]: hosts of platform 'kolla' cannot be served: Kolla Ansible writes the"
        " files of its containers, and libvirt's secrets, again on every reconfigure",
        (("platform: rdo", "platform: suse"),),
    ),
    Row(
        "E203",
        (clients(("cindr", UUID)),),
        "14:7: error[E203]: client 'cindr' is not used by any service; did you mean 'cinder'?",
        (clients(("cinder", UUID)),),
    ),
    Row(
        "E204",
        (("pool: volumes", "pool: volume"),),
        "17:19: error[E204]: cluster 'ceph' has no pool 'volume'; did you mean 'volumes'?",
        (("      volumes:", "      volume:"), ("pool: volumes", "pool: volume")),
    ),
    Row(
        "E205",
        (("client: glance}", "client: glance, cluster: cehp}"),),
        "14:51: error[E205]: there is no cluster 'cehp'; did you mean 'ceph'?",
        (("client: glance}", "client: glance, cluster: ceph}"),),
    ),
    Row(
        "E205",
        (*SECOND, ("client: nova, cluster: ceph}", NOVA)),
        "20:3: error[E205]: services.nova does not say which cluster it stores in",
        SECOND,
    ),
    Row(
        "E205",
        (*SECOND, ("[ceph-admin]", "[ceph-admin], clusters: [ceph, tow]")),
        "22:49: error[E205]: there is no cluster 'tow'; did you mean 'two'?",
        (*SECOND, ("[ceph-admin]", "[ceph-admin], clusters: [ceph, two]")),
    ),
    Row(
        "E206",
        (("  nova: {pool: vms, client: nova}\n", ""), (POOLS, "")),
        "20:28: error[E206]: role 'nova-compute' needs services.nova, which is not described",
        (
            ("  nova: {pool: vms, client: nova}\n", ""),
            (POOLS, ""),
            ("  " + COMPUTES + "\n", ""),
        ),
    ),
    Row(
        "E207",
        (("[glance, cinder]", "[glance, cinder], clusters: [ceph]"),),
        "21:34: error[E207]: `clusters` says what a ceph-admin host administers, and this is none",
        (("[ceph-admin]", "[ceph-admin], clusters: [ceph]"),),
    ),
    Row(
        "E207",
        (("[ceph-admin]", "[ceph-admin], backends: [rbd]"),),
        "20:32: error[E207]: `backends` says what a cinder host runs, and this is none",
        (("[glance, cinder]", "[glance, cinder], backends: [rbd]"),),
    ),
    Row(
        "E207",
        (("[glance, cinder]", "[glance, cinder], backends: [rbd, rdb]"),),
        "21:50: error[E207]: there is no backend 'rdb'; did you mean 'rbd'?",
        (*SECOND, ("[glance, cinder]", "[glance, cinder], backends: [rbd, two]")),
    ),
    Row(
        "E208",
        (("os1:", "compute02:"),),
        "22:3: error[E208]: host 'compute02' is described twice: by 'compute02' and by"
        " 'compute[01-02]'",
        (("os1:", "compute2:"),),
    ),
    Row(
        "E209",
        (clients(("nova", "457eb676-33da-42ec-9a8c-9293d545c337")),),
        "14:27: error[E209]: 457eb676-33da-42ec-9a8c-9293d545c337 is the example of a"
        " manual, so other sites have it too",
        (clients(("nova", "457eb676-33da-42ec-9a8c-9293d545c338")),),
    ),
    Row(
        "E209",
        (("3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10", "c91ce26f-403d-4058-9c38-6b56e1c428e0"),),
        "7:11: error[E209]: c91ce26f-403d-4058-9c38-6b56e1c428e0 is the example of a manual,"
        " so other sites have it too",
        (("3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10", "c91ce26f-403d-4058-9c38-6b56e1c428e1"),),
    ),
    Row(
        "E210",
        (clients(("cinder", UUID), ("nova", UUID)),),
        f"15:27: error[E210]: clients 'cinder' and 'nova' share the secret UUID {UUID}",
        (clients(("cinder", UUID), ("nova", UUID.replace("0", "1"))),),
    ),
    Row(
        "E210",
        (*SECOND, clients(("cinder", uuid5(TWO, "client.cinder")))),
        "14:29: error[E210]: clients 'cinder' of 'ceph' and 'cinder' of 'two' share the secret"
        f" UUID {uuid5(TWO, 'client.cinder')}",
        SECOND,
    ),
    Row(
        "E212",
        (options(NOVA, "image_type: rbd"),),
        "18:45: error[E212]: nova has no Ceph-related option 'image_type'; did you mean"
        " 'images_type'?",
        (options(NOVA, "hw_disk_discard: ignore"),),
    ),
    Row(
        "E212",
        (options(NOVA, "remove_unused_base_images: true"),),
        "18:45: error[E212]: 'remove_unused_base_images' could be any of"
        " DEFAULT.remove_unused_base_images, image_cache.remove_unused_base_images",
        (options(NOVA, "rbd_connect_timeout: 5"),),  # that of [libvirt], not of [glance]
    ),
    Row(
        "E212",
        (options(CINDER, "disk_geometry: 4k"),),
        "17:54: error[E212]: cinder's option 'disk_geometry' is unknown to 2025.1: it came"
        " with 2026.1",
        (options(CINDER, "rbd_concurrent_flatten_operations: 4"),),
    ),
    Row(
        "E212",
        (options(CINDER, 'rbd_keyring_conf: ""'),),
        "17:54: error[E212]: cinder's option 'rbd_keyring_conf' is unknown to 2025.1: it"
        " went after ussuri",
        (options(CINDER, "rbd_flatten_volume_from_snapshot: true"),),
    ),
    Row(
        "E213",
        (options(CINDER, "rbd_pool: other"),),
        "17:54: error[E213]: cinder's option 'rbd_pool' follows from the backend's pool, so"
        " it cannot be set here",
        (options(CINDER, "rbd_max_clone_depth: 3"),),
    ),
    Row(
        "E213",
        (options(NOVA, "hw_disk_discard: ignore, libvirt.hw_disk_discard: unmap"),),
        "18:70: error[E213]: nova's option 'hw_disk_discard' is set above already, as"
        " 'hw_disk_discard'",
        (options(NOVA, "hw_disk_discard: ignore, libvirt.rbd_connect_timeout: 5"),),
    ),
    Row(
        "E214",
        (options(CINDER, "rbd_max_clone_depth: deep"),),
        "17:75: error[E214]: cinder's option 'rbd_max_clone_depth' must be a whole number,"
        " not the text 'deep'",
        (options(CINDER, "rbd_max_clone_depth: 0"),),
    ),
    Row(
        "E214",
        (options(CINDER, "rbd_max_clone_depth: true"),),
        "17:75: error[E214]: cinder's option 'rbd_max_clone_depth' must be a whole number,"
        " not the truth value true",
    ),
    Row(
        "E214",
        (options(CINDER, "rbd_flatten_volume_from_snapshot: 1"),),
        "17:88: error[E214]: cinder's option 'rbd_flatten_volume_from_snapshot' must be true"
        " or false, not the number 1",
        (options(CINDER, "rbd_flatten_volume_from_snapshot: false"),),
    ),
    Row(
        "E214",
        (options(CINDER, "rbd_concurrent_flatten_operations: -1"),),
        "17:89: error[E214]: cinder's option 'rbd_concurrent_flatten_operations' must be at"
        " least 0, not -1",
        (options(CINDER, "rbd_concurrent_flatten_operations: 0"),),
    ),
    Row(
        "E214",
        (options(NOVA, "hw_disk_discard: trim"),),
        "18:62: error[E214]: nova's option 'hw_disk_discard' must be one of ignore, unmap,"
        " not the text 'trim'",
        (options(NOVA, "hw_disk_discard: unmap"),),
    ),
    Row(
        "E214",
        (
            ('"2025.1"', "ussuri"),
            options(NOVA, "live_migration_tunnelled: true, live_migration_with_native_tls: true"),
        ),
        "18:109: error[E214]: nova's option 'live_migration_with_native_tls' must not be true"
        " beside 'libvirt.live_migration_tunnelled': the service would not start",
        (
            ('"2025.1"', "ussuri"),
            options(NOVA, "live_migration_tunnelled: false, live_migration_with_native_tls: true"),
        ),
    ),
    Row(
        "E214",
        (options(NOVA, "disk_cachemodes: writeback"),),
        "18:62: error[E214]: nova's option 'disk_cachemodes' needs items like"
        " network=writeback; nova ignores any other",
        (options(NOVA, 'disk_cachemodes: ["network=writeback", block=none]'),),
    ),
    Row(
        "E214",
        (options(NOVA, "disk_cachemodes: true"),),
        "18:62: error[E214]: nova's option 'disk_cachemodes' must be a list, not the truth value"
        " true",
        (options(NOVA, "disk_cachemodes: network=none"),),
    ),
    Row(
        "E214",
        (options(NOVA, 'disk_cachemodes: ["network=none,file=none"]'),),
        "18:62: error[E214]: nova's option 'disk_cachemodes' has the item"
        " 'network=none,file=none', which a comma-separated list cannot hold",
    ),
    Row(
        "E214",
        (options(CINDER, "replication_device: [a, b]"),),
        "17:74: error[E214]: cinder's option 'replication_device' must be text, not a list",
        (options(CINDER, "replication_device: 'backend_id:far,conf:/etc/ceph/far.conf'"),),
    ),
    Row(
        "E214",
        (options(GLANCE, 'store_description: "one\\ntwo"'),),
        "14:71: error[E214]: glance's option 'store_description' must be one line of"
        " printable characters",
        (options(GLANCE, 'store_description: "one two"'),),
    ),
    Row(
        "E215",
        (("[glance, cinder]", "[ceph-admin, glance, cinder]"),),
        "20:19: error[E215]: 2 hosts administer cluster 'ceph'; one makes its pools, users and"
        " keys\n"
        "21:17: error[E215]: 2 hosts administer cluster 'ceph'; one makes its pools, users and"
        " keys",
    ),
    Row(
        "E215",
        (*SECOND, ("[ceph-admin]", "[ceph-admin], clusters: [ceph]")),
        "13:3: error[E215]: no host administers cluster 'two', so nobody would make its pools,"
        " users and keys",
        (
            *SECOND,
            (
                "ceph1: {roles: [ceph-admin]}",
                f"ceph1: {{roles: [ceph-admin], clusters: [ceph]}}\n  {TWO_ADMIN}",
            ),
        ),
    ),
    Row(
        "E216",
        (
            *SECOND,
            (
                "ceph1: {roles: [ceph-admin]}",
                f"ceph1: {{roles: [ceph-admin, nova-compute], clusters: [ceph]}}\n  {TWO_ADMIN}",
            ),
        ),
        "22:31: error[E216]: as 'nova-compute' this host needs keys of cluster 'two', which another"
        " host administers",
        (*SECOND, ("[ceph-admin]", "[ceph-admin, nova-compute]")),
    ),
    Row(
        "E215",
        (("  ceph1: {roles: [ceph-admin]}\n", ""),),
        "19:1: error[E215]: no host has the role 'ceph-admin', so nobody would make pools,"
        " users and keys",
        (("  ceph1: {roles: [ceph-admin]}\n", ""), ("[glance,", "[ceph-admin, glance,")),
    ),
    Row(
        "E215",
        (("release: squid", "release: squid\n    keys: delivered"),),
        "21:19: error[E215]: keys are delivered, so no host of this site makes pools, users and"
        " keys",
        (
            ("release: squid", "release: squid\n    keys: delivered"),
            ("  ceph1: {roles: [ceph-admin]}\n", ""),
        ),
    ),
    Row(
        "E232",
        (('"2025.1"', '"2026.2"'),),
        "14:3: error[E232]: Glance of 2026.2 has no server of its own, so what runs it must be"
        " said",
        (('"2025.1"', '"2026.2"'), (GLANCE, "client: glance, unit: uwsgi@glance.service}")),
    ),
    Row(
        "E232",
        (('"2025.1"', "hibiscus"), ("platform: rdo", "platform: debian")),
        "14:3: error[E232]: Glance of 2026.2 has no server of its own, so what runs it must be"
        " said",
        (('"2025.1"', '"2026.1"'), ("platform: rdo", "platform: debian")),
    ),
    Row(
        "E241",
        (
            ("squid", "nautilus"),
            ("volumes: {}", "volumes: {pg_num: 8}"),
            ("vms: {}", "vms: {pg_num: 8}"),
            ("client: cinder}", "client: cinder, trash: schedule}"),
        ),
        "17:51: error[E241]: nautilus cannot purge trash by a schedule",
        (
            ("squid", "nautilus"),
            ("volumes: {}", "volumes: {pg_num: 8}"),
            ("vms: {}", "vms: {pg_num: 8}"),
            ("client: cinder}", "client: cinder, trash: deferred}"),
        ),
    ),
    Row(
        "E241",
        (('"2025.1"', "zed"), ("client: cinder}", "client: cinder, trash: schedule}")),
        "17:51: error[E241]: in zed Cinder leaves nothing in the trash to be purged",
        (("client: cinder}", "client: cinder, trash: schedule}"),),
    ),
    Row(
        "E241",
        (HIDDEN, SNAPSHOTS),
        "14:57: error[E241]: `copy_on_write: false` has no effect beside `cow_snapshots: true` of"
        " nova: with that Glance shows where images lie",
        # its Nova asks for that as a service
        (('"2025.1"', '"2025.2"'), HIDDEN, SNAPSHOTS),
    ),
    Row(
        "E241",
        (*STORES, ("all_locations: true", "all_locations: true, copy_on_write: false")),
        "15:172: error[E241]: `copy_on_write: false` has no effect beside `all_locations: true`:"
        " with that Glance shows where images lie",
        (*STORES, ("all_locations: true", "all_locations: false, copy_on_write: false")),
    ),
    Row(
        "E241",
        (*APART, ('"2025.1"', '"2025.2"'), HIDDEN, SNAPSHOTS),
        "20:48: error[E241]: no images lie in cluster 'two', where disks of guests lie: there is"
        " nothing that Nova could clone a snapshot into",
        (*SECOND, SNAPSHOTS),
    ),
    Row(
        "E241",
        (
            ("release: squid", "release: squid\n    keys: delivered"),
            ("  ceph1: {roles: [ceph-admin]}\n", "transport: scp\n"),
            ("hosts:\ntransport: scp\n", "transport: scp\nhosts:\n"),
        ),
        "20:12: error[E241]: keys are delivered, so no host makes hand-offs that it could send",
        (("hosts:", "transport: scp\nhosts:"),),
    ),
    Row(
        "E217",
        (("os1:", "os[1-2]:"),),
        "21:29: error[E217]: 2 hosts have the role 'cinder', and would run backend 'rbd' side"
        " by side without coordination",
        (
            (
                "  os1: {roles: [glance, cinder]}",
                "  os[1-2]: {roles: [glance]}\n  os3: {roles: [cinder]}",
            ),
        ),
    ),
    Row(
        "E218",
        (*SECOND, (TWO, "3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10")),
        "13:31: error[E218]: clusters 'ceph' and 'two' have the same fsid, so they are one",
        SECOND,
    ),
    Row(
        "E217",
        (*SECOND, (OS1, f"{OS1}, backends: [two]}}\n  os2: {{roles: [cinder]")),
        "23:25: error[E217]: 2 hosts have the role 'cinder', and would run backend 'two' side by"
        " side without coordination\n"
        "24:17: error[E217]: 2 hosts have the role 'cinder', and would run backend 'two' side by"
        " side without coordination",
        (
            *SECOND,
            (OS1, f"{OS1}, backends: [two]}}\n  os2: {{roles: [cinder], backends: [rbd]"),
        ),
    ),
    Row(
        "E219",
        (("rbd: {pool", "Backend_Defaults: {pool"),),
        "17:7: error[E219]: section [Backend_Defaults] of cinder.conf is not free for a backend",
        (("rbd: {pool", "backend_default: {pool"),),
    ),
    Row(
        "E220",
        APART,
        "20:42: error[E220]: images lie in cluster 'ceph' and disks of guests in 'two': for each"
        " guest Nova would download its image to the compute, and copy it into Ceph",
        (*APART, ("client: glance,", "client: glance, copy_on_write: false,")),
    ),
    Row(
        "E220",
        APART,
        "20:42: error[E220]: images lie in cluster 'ceph' and disks of guests in 'two': for each"
        " guest Nova would download its image to the compute, and copy it into Ceph",
        (
            *APART,
            (
                "cluster: two}\nhosts",
                f"cluster: two, options: {{{DECIDED}: false}}}}\nhosts",
            ),
        ),
    ),
    *(
        Row(
            "E228",
            (("hosts:\n", f"prepare: {{deploy_user: {{name: {name}}}}}\nhosts:\n"),),
            f"19:31: error[E228]: '{name}' cannot be the deploy user: {reason}",
            (("hosts:\n", "prepare: {deploy_user: {name: deploy}}\nhosts:\n"),),
        )
        for name, reason in {
            "ceph": "Ceph's packages make that user, whom its daemons run as",
            "qemu": "on rdo a service or guests run as that user",
        }.items()
    ),
    Row(
        "E219",
        (*STORES, ("far:", "Glance_Store:")),
        "15:21: error[E219]: section [Glance_Store] of glance-api.conf is not free for a store",
        STORES,
    ),
    Row(
        "E219",
        (*STORES, ("far:", "file:")),
        "15:21: error[E219]: section [file] of glance-api.conf is not free for a store",
        (*STORES, ("far:", "files:")),
    ),
    Row(
        "E220",
        (*STORES, ("all_locations: true", "all_locations: false")),
        "20:44: error[E220]: images of store 'far' lie in cluster 'two' and disks of guests in"
        " 'ceph': for each guest Nova would download its image to the compute, and copy it into"
        " Ceph",
        (*STORES, ('"2025.1"', "victoria")),
    ),
    Row(
        "E220",
        (*STORES, ('"2025.1"', "ussuri")),
        "20:44: error[E220]: images of store 'far' lie in cluster 'two' and disks of guests in"
        " 'ceph': for each guest Nova would download its image to the compute, and copy it into"
        " Ceph",
        (*STORES, ('"2025.1"', "ussuri"), ("true}", "false, copy_on_write: false}")),
    ),
    Row(
        "E226",
        (*STORES, ("default: near", "default: neat")),
        "15:130: error[E226]: there is no image store 'neat'; did you mean 'near'?",
        (*STORES, ("default: near", "default: far")),
    ),
    Row(
        "E226",
        (
            *STORES,
            (
                "near: {pool: images",
                "here: {pool: other, client: glance, cluster: ceph}, near: {pool: images",
            ),
            ("default: near", "default: far"),
            (POOLS, f"{POOLS}      other: {{}}\n"),
        ),
        "21:3: error[E226]: image stores 'here', 'near' lie in the cluster of guests' disks: Nova"
        " cannot tell into which of them Glance shall copy images that lie elsewhere",
        (
            *STORES,
            (
                "near: {pool: images",
                "here: {pool: other, client: glance, cluster: ceph}, near: {pool: images",
            ),
            ("default: near", "default: far"),
            (POOLS, f"{POOLS}      other: {{}}\n"),
            (
                "nova, cluster: ceph}",
                "nova, cluster: ceph, options: {images_rbd_glance_store_name: here}}",
            ),
        ),
    ),
    Row(
        "E226",
        (
            *STORES,
            (
                "nova, cluster: ceph}",
                "nova, cluster: ceph, options: {images_rbd_glance_store_name: far}}",
            ),
        ),
        "20:90: error[E226]: there is no image store 'far' in cluster 'ceph', where disks of"
        " guests lie",
        (
            *STORES,
            (
                "nova, cluster: ceph}",
                "nova, cluster: ceph, options: {images_rbd_glance_store_name: near}}",
            ),
        ),
    ),
    Row(
        "E227",
        (*STORES, ('"2025.1"', "stein"), ("true}", "false, copy_on_write: false}")),
        "15:12: error[E227]: Glance of stein knows one RBD store: it has several since train",
        (*STORES, ('"2025.1"', "train"), ("true}", "false, copy_on_write: false}")),
    ),
    Row(
        "E231",
        (("squid", "quincy"), ("    mon_host", "    min_compat_client: reef\n    mon_host")),
        "8:24: error[E231]: quincy knows no clients of reef",
        (("squid", "reef"), ("    mon_host", "    min_compat_client: reef\n    mon_host")),
    ),
    Row(
        "E221",
        ((NOVA, "client: admin}"),),
        "18:29: error[E221]: client 'admin' is the cluster's administrator; a service needs"
        " a user of its own",
        ((NOVA, "client: administrator}"),),
    ),
    *(
        Row(
            "E222",
            (("192.168.8.11", f'"{address}"'),),
            f"8:16: error[E222]: no monitor has the address '{address}': {why}",
            (("192.168.8.11", f'"{near}"'),),
        )
        for address, why, near in (
            ("192.168.8.310", "an IPv4 address is four numbers up to 255", "192.168.8.31"),
            ("192.168.8", "an IPv4 address is four numbers up to 255", "192.168.8.x"),
            ("[fd00:::1]", "it is no IPv6 address", "[fd00::1]"),
            ("mon1:99999", "port 99999 does not exist", "mon1:9999"),
            ("mon1..lon1", "the parts of a name are 1 to 63 characters long", "mon1.lon1"),
        )
    ),
    Row(
        "E231",
        (("squid", "nautilus"), ("vms: {}", "vms: {size: 2}")),
        "11:7: error[E231]: pool 'volumes' needs pg_num: nautilus makes no pool without\n"
        "12:7: error[E231]: pool 'vms' needs pg_num: nautilus makes no pool without",
        (("squid", "octopus"), ("vms: {}", "vms: {size: 2}")),
    ),
    Row(
        "E231",
        (
            ("squid", "mimic"),
            ("vms: {}", "vms: {pg_num: 8, autoscale: warn}"),
            ("volumes: {}", "volumes: {pg_num: 8, target_size_ratio: 1}"),
        ),
        "11:28: error[E231]: mimic has no autoscaler, so pool 'volumes' cannot have"
        " 'target_size_ratio'\n"
        "12:24: error[E231]: mimic has no autoscaler, so pool 'vms' cannot have 'autoscale'",
        (
            ("squid", "nautilus"),
            ("vms: {}", "vms: {pg_num: 8, autoscale: warn}"),
            ("volumes: {}", "volumes: {pg_num: 8, target_size_ratio: 1}"),
        ),
    ),
    Row(
        "E204",
        ((DATA[0], DATA[1].replace("data_pool: data", "data_pool: date")),),
        "11:28: error[E204]: cluster 'ceph' has no pool 'date'; did you mean 'data'?",
        (DATA,),
    ),
    Row(
        "E231",
        (
            *(("squid", "nautilus"), ("vms: {}", "vms: {pg_num: 8}")),
            (DATA[0], DATA[1].replace("{data", "{pg_num: 8, data").replace("2}", "2}, pg_num: 8")),
        ),
        "12:14: error[E231]: bundles make no erasure-coded pool in nautilus: they do from octopus"
        " on",
    ),
    Row(
        "E223",
        (DATA, ("pool: volumes", "pool: data")),
        "11:7: warning[W301]: pool 'volumes' is not used by any service\n"
        "18:19: error[E223]: pool 'data' takes data only, so cinder cannot store in it",
    ),
    Row(
        "E223",
        (DATA, ("images: {pg_num: 64}", "images: {data_pool: volumes}")),
        "10:27: error[E223]: pool 'volumes' has a data pool itself, so it cannot be one\n"
        "18:19: error[E223]: pool 'volumes' takes data only, so cinder cannot store in it",
    ),
    Row(
        "E224",
        ((DATA[0], DATA[1].replace("k: 4, m: 2", "k: 4")),),
        "12:14: error[E224]: an erasure code needs k and m, or the profile of one that exists",
        ((DATA[0], DATA[1].replace("k: 4, m: 2", "profile: slow")),),
    ),
    Row(
        "E224",
        ((DATA[0], DATA[1].replace("k: 4, m: 2", "profile: slow, device_class: hdd")),),
        "12:14: error[E224]: profile 'slow' exists, so nothing else can be said of it",
        ((DATA[0], DATA[1].replace("m: 2", "m: 2, device_class: hdd")),),
    ),
    Row(
        "E224",
        ((DATA[0], DATA[1].replace("m: 2}", "m: 2}, size: 3")),),
        "12:37: error[E224]: an erasure-coded pool cannot have 'size'",
        ((DATA[0], DATA[1].replace("m: 2}", "m: 2}, pg_num: 32")),),
    ),
    Row(
        "E225",
        (DATA, (NOVA, CINDER)),
        "19:29: error[E225]: client 'cinder' writes to pools with different data pools:"
        " volumes (data), vms (none)\n"
        "19:29: warning[W305]: client 'cinder' is shared by cinder and nova",
        (DATA, ("vms: {}", "vms: {data_pool: data}")),
    ),
    Row(
        "E225",
        (DATA, (NOVA, "client: nova, cow_snapshots: true}"), ("vms: {}", "vms: {data_pool: data}")),
        "19:29: error[E225]: client 'nova' writes to pools with different data pools: vms (data),"
        " images (none)",
        (
            *(DATA, (NOVA, "client: nova, cow_snapshots: true}")),
            *(("vms: {}", "vms: {data_pool: data}"), ("{pg_num: 64}", "{data_pool: data}")),
        ),
    ),
    Row(
        "W301",
        ((POOLS, POOLS + "      backups: {}\n"),),
        "13:7: warning[W301]: pool 'backups' is not used by any service",
    ),
    Row(
        "W302",
        (*SECOND, (OS1, f"{OS1}, backends: [rbd]")),
        "19:7: warning[W302]: no host runs backend 'two'",
        (*SECOND, (OS1, f"{OS1}, backends: [rbd, two]")),
    ),
    Row(
        "W302",
        BACKUP,
        "19:5: warning[W302]: no host has the role 'cinder-backup'",
        (*BACKUP, ("[glance, cinder]", "[glance, cinder, cinder-backup]")),
    ),
    Row(
        "E206",
        (("[glance, cinder]", "[glance, cinder, cinder-backup]"),),
        "21:33: error[E206]: role 'cinder-backup' needs services.cinder.backup, which is not"
        " described",
    ),
    Row(
        "E212",
        (*BACKUPS, options("client: backup}", "rbd_max_clone_depth: 3")),
        "19:55: error[E212]: cinder's option 'rbd_max_clone_depth' is a backend's, and"
        " cinder-backup does not read it",
        (*BACKUPS, options("client: backup}", "backup_ceph_chunk_size: 1048576")),
    ),
    Row(
        "E213",
        (
            *BACKUPS,
            options(CINDER, "restore_discard_excess_bytes: true"),
            options("client: backup}", "DEFAULT.restore_discard_excess_bytes: false"),
        ),
        "19:55: error[E213]: cinder's option 'restore_discard_excess_bytes' is set above"
        " already, as 'restore_discard_excess_bytes'",
        (*BACKUPS, options(CINDER, "restore_discard_excess_bytes: true")),
    ),
    Row(
        "W305",
        (*BACKUPS, ("client: backup}", "client: cinder}")),
        "19:37: warning[W305]: client 'cinder' is shared by cinder and cinder-backup",
        BACKUPS,
    ),
    Row(
        "W302",
        (("[glance, cinder]", "[cinder]"),),
        "14:3: warning[W302]: no host has the role 'glance'",
    ),
    Row(
        "W303",
        (options(NOVA, "sparse_logical_volumes: true"),),
        "18:45: warning[W303]: nova's option 'sparse_logical_volumes' is deprecated since rocky",
        (options(GLANCE, "weight: 3"),),
    ),
    Row(
        "W304",
        (("pool: vms", "pool: volumes"), (POOLS, "")),
        "17:16: warning[W304]: pool 'volumes' is shared by cinder and nova",
    ),
    Row(
        "W304",
        (
            (CINDER, "client: cinder}\n      fast: {pool: volumes, client: cinder}"),
            ("pool: vms", "pool: volumes"),
            (POOLS, ""),
        ),
        "18:16: warning[W304]: pool 'volumes' is shared by cinder (rbd), cinder (fast) and nova",
    ),
    Row(
        "W305",
        ((CINDER, GLANCE), (NOVA, GLANCE)),
        "18:29: warning[W305]: client 'glance' is shared by glance, cinder and nova",
    ),
    Row(
        "W306",
        (("      vms: {}\n", "      vms: {pg_num: 60}\n"),),
        "12:21: warning[W306]: pg_num of pool 'vms' is no power of two",
        (("      vms: {}\n", "      vms: {pg_num: 1}\n"),),
    ),
    Row(
        "W307",
        (options(CINDER, "enable_deferred_deletion: false"),),
        "17:80: warning[W307]: nobody empties the trash that backend 'rbd' leaves volumes in",
        (
            ("client: cinder}", "client: cinder, trash: schedule}"),
            ("trash: schedule}", "trash: schedule, options: {enable_deferred_deletion: false}}"),
        ),
    ),
    Row(
        "W307",
        (options(CINDER, "<backend>.enable_deferred_deletion: false"),),
        "17:90: warning[W307]: nobody empties the trash that backend 'rbd' leaves volumes in",
        (('"2025.1"', "zed"), options(CINDER, "enable_deferred_deletion: false")),
    ),
    Row(
        "W304",
        (
            (
                "client: cinder}",
                (
                    "client: cinder, trash: schedule}\n      two: {pool: volumes, client: cinder,"
                    " options: {enable_deferred_deletion: false}}"
                ),
            ),
        ),
        "18:19: warning[W304]: pool 'volumes' is shared by cinder (rbd) and cinder (two)",
    ),
    Row(
        "E212",
        (options(CINDER, "rbd.enable_deferred_deletion: false"),),
        "17:54: error[E212]: cinder has no Ceph-related option 'rbd.enable_deferred_deletion'; did"
        " you mean 'enable_deferred_deletion'?",
        (options(CINDER, "enable_deferred_deletion: true"),),
    ),
    Row(
        "W331",
        (("    release: squid\n", "    release: squid\n    caps: classic\n"),),
        "7:11: warning[W331]: with classic capabilities no client can take over the lock of one"
        " that has died",
        (("    release: squid\n", "    release: squid\n    caps: profile\n"),),
    ),
)


FORMS = (
    Row(
        "E105",
        (*STORES, ("far: {", "os_glance_far: {")),
        "15:21: error[E105]: services.glance.stores: the name 'os_glance_far' does not have the"
        " right form: a store name is letters, digits, underscores and hyphens; it begins with a"
        " letter or digit, and not with os_glance_; did you mean 'os-glance-far'?",
        STORES,
    ),
    Row(
        "E101",
        (*STORES, ("glance: {stores", "glance: {pool: images, stores")),
        "15:12: error[E101]: 'pool' is not allowed in services.glance: each of the stores has its"
        " own",
        STORES,
    ),
    Row(
        "E102",
        (*STORES, ("default: near, ", "")),
        "15:3: error[E102]: services.glance lacks the key 'default'",
        STORES,
    ),
    Row(
        "E101",
        ((GLANCE, "client: glance, all_locations: true}"),),
        "14:42: error[E101]: 'all_locations' is not allowed in services.glance: it is about"
        " `stores`",
    ),
)
"""What the schema says of one store, and of several."""


@pytest.mark.parametrize(
    "row", [*ROWS, *FORMS], ids=lambda row: f"{row.code}-{row.wrong[0][1][:30]!r}"
)
def test_fires_with_these_words_at_this_place(tmp_path: Path, row: Row) -> None:
    ran = run(tmp_path, "site.yaml", "--check", site=edited(*row.wrong))
    assert ran.heads() == [f"site.yaml:{line}" for line in row.said.splitlines()]
    assert ran.status == (1 if row.code.startswith("E") else 0)


@pytest.mark.parametrize("row", [*ROWS, *FORMS], ids=lambda row: f"{row.code}-{row.near[:1]!r}")
def test_does_not_fire_one_step_beside(tmp_path: Path, row: Row) -> None:
    ran = run(tmp_path, "site.yaml", "--check", site=edited(*row.near))
    assert (ran.status, ran.heads()) == (0, [])


def test_a_pool_that_a_service_misspells_is_not_called_unused_as_well(tmp_path: Path) -> None:
    ran = run(tmp_path, "site.yaml", "--check", site=edited(("pool: volumes", "pool: volume")))
    assert "W301" not in ran.stderr
    assert "a new one goes under clusters.ceph.pools" in ran.stderr


def test_all_problems_are_told_at_once_in_file_order(tmp_path: Path) -> None:
    site = edited((NOVA, "client: admin}"), ("pool: volumes", "pool: vols"), ("os1:", "os[1-2]:"))
    heads = run(tmp_path, "site.yaml", "--check", site=site).heads()
    codes = [head.split("[", 1)[1][:4] for head in heads]
    assert codes == ["W301", "E204", "E221", "E217"]


def codes_and_places(folder: Path, site: str) -> list[str]:
    """Return `LINE:COLUMN CODE` of each problem."""
    heads = run(folder, "site.yaml", "--check", site=site).heads()
    return [re.sub(r"site\.yaml:(\d+:\d+): \w+\[(\w+)\].*", r"\1 \2", head) for head in heads]


def test_a_fault_of_form_hides_no_fault_of_meaning_elsewhere(tmp_path: Path) -> None:
    site = edited(
        ("site: lon1", "site: FILL-IN"),
        ('"2025.1"', "epxoy"),
        ("3b2f0b52-3d0c-4f3e-9a55-0c1d5f6c7d10", "FILL-IN"),
        ("{pg_num: 64}", "{pgnum: 64}"),
        ("{pool: volumes, client: cinder}", "{pool: volume, clinet: cinder}"),
        (NOVA, "client: admin, options: {image_type: rbd, rbd_connect_timeout: soon}}"),
        ("[glance, cinder]", "[glance, glance, cinder]"),
        ("os1:", "os[1-2]:"),
        ("compute[01-02]", "compute[1-02]"),
    )
    assert codes_and_places(tmp_path, site) == [
        "2:7 E105",
        "3:22 E201",
        "7:11 E105",
        "10:16 E101",
        "17:19 E204",
        "17:27 E101",
        "18:29 E221",
        "18:46 E212",
        "18:84 E214",
        "21:29 E106",
        "21:37 E217",
        "22:11 E121",
    ]


@pytest.mark.parametrize(
    ("edit", "only"),
    [
        # no "role glance needs services.glance", no "pool images is not used"
        (("  glance:", "  glanse:"), "14:3 E101"),
        # no "no host has the role ceph-admin"
        (("ceph-admin", "ceph-admn"), "20:19 E104"),
        (("ceph1:", "ceph_1:"), "20:7 E123"),
        (("ceph1: {roles: [ceph-admin]}", "ceph1: {}"), "20:3 E102"),
        # no "cluster ceph has no pool images"
        (("images: {pg_num: 64}", "my images: {pg_num: 64}"), "10:7 E105"),
        # no "pool volumes is not used", no "role cinder needs services.cinder"
        (("{pool: volumes, client: cinder}", "{client: cinder}"), "17:7 E102"),
        (("  nova: {pool: vms, client: nova}", "  glance: {pool: vms, client: nova}"), "18:3 E008"),
    ],
)
def test_what_follows_from_a_fault_is_not_told(
    tmp_path: Path, edit: tuple[str, str], only: str
) -> None:
    assert codes_and_places(tmp_path, edited(edit)) == [only]


def test_options_are_not_held_against_a_release_that_is_none(tmp_path: Path) -> None:
    of_2026 = options(CINDER, "disk_geometry: 4k")
    assert codes_and_places(tmp_path, edited(of_2026)) == ["17:54 E212"]
    assert codes_and_places(tmp_path, edited(of_2026, ('"2025.1"', "gazpatcho"))) == ["3:22 E201"]
    # one that only lacks its quotes is what it says
    unquoted = edited(of_2026, ('"2025.1"', "2025.1"))
    assert codes_and_places(tmp_path, unquoted) == ["3:22 E103"]


def test_every_rule_has_a_row() -> None:
    rules = {code for code in CATALOGUE if code.startswith(("E2", "W3"))}
    assert {row.code for row in ROWS} == rules


def test_the_site_that_the_rows_vary_is_right(tmp_path: Path) -> None:
    ran = run(tmp_path, "site.yaml", "--check", site=SITE)
    assert (ran.status, ran.heads()) == (0, [])
