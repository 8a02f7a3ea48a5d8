"""What Glance, Cinder and Nova need beyond pool and client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cephos import knowledge
from cephos.diagnostics import Diagnostic, quote
from cephos.rules.places import (
    CEPH_RELEASE,
    CLUSTERS,
    RELEASE,
    STORES,
    hint,
    listed,
    rule,
)
from cephos.services import (
    GLANCE_OWN_STORES,
    scheduled_trash,
    snapshots_set_locations,
    stores_for_nova,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cephos.model import Backend, ImageStore, Site
    from cephos.rules.places import Places


_LIBRARIES = {
    *("barbican", "coordination", "cors", "database", "default", "healthcheck", "key_manager"),
    *("keystone_authtoken", "os_brick", "oslo_concurrency", "oslo_limit", "oslo_messaging_kafka"),
    *("oslo_messaging_notifications", "oslo_messaging_rabbit", "oslo_middleware", "oslo_policy"),
    *("oslo_reports", "oslo_versionedobjects", "privsep", "profiler", "service_user", "ssl"),
    "vault",
}

# Sections that mean something else than a backend or store: the option lists of Cinder and Glance,
# and of the libraries that they use. Those of Glance's own stores (`services.GLANCE_OWN_STORES`).
RESERVED_SECTIONS: Mapping[str, frozenset[str]] = {
    "cinder": frozenset(
        {
            *("backend", "backend_defaults", "brcd_fabric_example", "cisco_fabric_example"),
            *("fc-zone-manager", "glance", "nova", "sample_castellan_source"),
            "sample_remote_file_source",
        }
        | _LIBRARIES
    ),
    "glance": frozenset(
        {
            *("backend_defaults", "barbican_service_user", "cinder", "glance_download_opts"),
            *("glance_download_properties", "glance_store", "image_conversion", "image_format"),
            *("image_import_opts", "import_filtering_opts", "inject_metadata_properties"),
            *("oslo_messaging_amqp", "paste_deploy", "store_type_location_strategy", "task"),
            *("taskflow_executor", "wsgi"),
            *GLANCE_OWN_STORES,
        }
        | _LIBRARIES
    ),
}


@rule(*CLUSTERS)
def disks_lie_beside_images(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E220: Nova clones images of its own cluster; others it copies, in silence.

    Source: nova's release note avoid_muli_ceph_download (21.0.0).
    """
    glance, nova = site.glance, site.nova
    if not (glance and nova and glance.copy_on_write) or stores_for_nova(site):
        return
    decided = "never_download_image_if_on_rbd"
    far = [store for store in glance.stores if store.cluster is not nova.cluster]
    if far and not any(spelling.rpartition(".")[2] == decided for spelling in nova.options):
        of_store = f" of store {quote(far[0].name)}" if len(glance.stores) > 1 else ""
        yield Diagnostic(
            "E220",
            f"images{of_store} lie in cluster {quote(far[0].cluster.name)} and disks of guests in"
            f" {quote(nova.cluster.name)}: for each guest Nova would download its image to the"
            " compute, and copy it into Ceph",
            at.value((*nova.path, "cluster")),
            help=f"store both in one cluster, or decide with options: {{{decided}: true}} refuses"
            " such guests, false lets Nova copy (since Ussuri)"
            + (
                "; or let Glance copy such images: `all_locations: true` (since Victoria)"
                if len(far) < len(glance.stores)
                else ""
            ),
        )


@rule(*STORES, *CLUSTERS, ("services", "glance", "default"))
def nova_knows_its_image_store(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E226: Nova must name the store of its own cluster, for Glance to copy images into."""
    glance, nova, named = site.glance, site.nova, "images_rbd_glance_store_name"
    if not (glance and nova):
        return
    given = {spelling: name for spelling, name in nova.options.items() if named in spelling}
    near = [store.name for store in glance.stores_in(nova.cluster)]
    for spelling, name in given.items():
        if name not in near:
            yield Diagnostic(
                "E226",
                f"there is no image store {quote(str(name))} in cluster {quote(nova.cluster.name)},"
                f" where disks of guests lie{hint(str(name), near)}",
                at.value((*nova.path, "options", spelling)),
                help=f"there are {listed(near)}",
            )
    if len(stores_for_nova(site)) > 1 and not given:
        yield Diagnostic(
            "E226",
            f"image stores {listed(near)} lie in the cluster of guests' disks: Nova cannot tell"
            " into which of them Glance shall copy images that lie elsewhere",
            at.key(nova.path),
            help=f"say which, with options: {{{named}: {near[0]}}}",
        )


@rule(RELEASE)
def the_release_knows_several_image_stores(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E227: before Train Glance's stores have one section for all, or are an experiment."""
    if at.given(("services", "glance", "stores")) and not knowledge.behaves(
        "glance_multi_store", site.release
    ):
        yield Diagnostic(
            "E227",
            f"Glance of {site.release.name} knows one RBD store: it has several since train",
            at.key(("services", "glance", "stores")),
            help="describe one: `pool` and `client` of services.glance itself",
        )


@rule()
def backends_and_stores_have_their_own_section(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E219: some sections of cinder.conf and glance-api.conf mean something else."""
    what = {"cinder": ("cinder.conf", "backend"), "glance": ("glance-api.conf", "store")}
    stores: tuple[ImageStore | Backend, ...] = (*site.image_stores, *site.backends)
    for store in stores:
        if store.name.lower() in RESERVED_SECTIONS[store.service]:
            file, kind = what[store.service]
            yield Diagnostic(
                "E219",
                f"section [{store.name}] of {file} is not free for a {kind}",
                at.key(store.path),
                help=f"{store.service.capitalize()} or one of its libraries reads other options"
                " there: choose another name, such as rbd",
            )


@rule(RELEASE, CEPH_RELEASE)
def trash_is_there_to_be_emptied(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E241: before 2023.1 Cinder deletes volumes itself (its release notes, 22.3.0)."""
    for backend in site.backends:
        ceph = backend.cluster.release
        if backend.trash and not knowledge.behaves("cinder_leaves_trash", site.release):
            yield Diagnostic(
                "E241",
                f"in {site.release.name} Cinder leaves nothing in the trash to be purged",
                at.value((*backend.path, "trash")),
                help="leave it out",
            )
        elif backend.trash == "schedule" and not knowledge.behaves("trash_schedule", ceph):
            yield Diagnostic(
                "E241",
                f"{ceph.name} cannot purge trash by a schedule",
                at.value((*backend.path, "trash")),
                help="leave it out: cinder-volume then purges it",
            )


@rule(RELEASE)
def somebody_empties_the_trash(site: Site, at: Places) -> Iterator[Diagnostic]:
    """W307: what Cinder leaves in the trash stays there unless it, or a schedule, purges it."""
    if not knowledge.behaves("cinder_leaves_trash", site.release):
        return
    for backend in site.backends:
        by_schedule = backend.pool in scheduled_trash(site, backend.cluster)
        for spelling, value in backend.options.items():
            option = knowledge.find_option("cinder", spelling)
            decides = not isinstance(option, list) and option.name == "enable_deferred_deletion"
            if decides and value is False and not by_schedule:
                ceph = knowledge.behaves("trash_schedule", backend.cluster.release)
                yield Diagnostic(
                    "W307",
                    f"nobody empties the trash that backend {quote(backend.name)} leaves volumes"
                    " in",
                    at.value((*backend.path, "options", spelling)),
                    help="leave the option out"
                    + (", or let Ceph empty it: `trash: schedule`" if ceph else ""),
                )


@rule(*CLUSTERS)
def snapshots_lie_beside_images(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E241: Nova clones a snapshot into the pool of its guest's image, in its own cluster.

    Source: nova/virt/libvirt/imagebackend.py, Rbd.direct_snapshot.
    """
    glance, nova = site.glance, site.nova
    if glance and nova and nova.cow_snapshots and not glance.stores_in(nova.cluster):
        yield Diagnostic(
            "E241",
            f"no images lie in cluster {quote(nova.cluster.name)}, where disks of guests lie: there"
            " is nothing that Nova could clone a snapshot into",
            at.value((*nova.path, "cow_snapshots")),
            help="leave it out: Nova reads each snapshot into a file and uploads it",
        )


@rule(RELEASE)
def locations_are_shown_or_not(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E241: whoever is shown all locations of an image clones it, as if it were shown the first.

    Source: nova/virt/libvirt/imagebackend.py, Rbd.clone; cinder/volume/drivers/rbd.py, clone_image.
    """
    glance = site.glance
    if not glance or glance.copy_on_write:
        return
    showing = "`all_locations: true`" if glance.all_locations else "`cow_snapshots: true` of nova"
    if glance.all_locations or snapshots_set_locations(site):
        yield Diagnostic(
            "E241",
            f"`copy_on_write: false` has no effect beside {showing}: with that Glance shows where"
            " images lie",
            at.value((*glance.path, "copy_on_write")),
            help="keep one of the two",
        )


@rule(RELEASE)
def glance_has_a_unit(site: Site, at: Places) -> Iterator[Diagnostic]:
    """E232: what runs Glance where it has no server of its own is the site's to say."""
    glance = site.glance
    if glance and not glance.unit and not knowledge.behaves("glance_has_server", site.release):
        yield Diagnostic(
            "E232",
            f"Glance of {site.release.name} has no server of its own, so what runs it must be said",
            at.key(glance.path),
            help="name the unit that runs glance.wsgi.api:application on your hosts, such as"
            " `unit: httpd.service`",
        )
