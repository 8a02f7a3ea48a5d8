"""What the schema and the dangers say of releases and platforms is what the data says."""

from __future__ import annotations

import json
from typing import Any

from cephos import knowledge
from compiling import ROOT

SCHEMA: dict[str, Any] = json.loads((ROOT / "schema/site.schema.json").read_bytes())
PARTS = SCHEMA["definitions"]
CEPH = [release.name for release in knowledge.releases("ceph")]


def offered(key: dict[str, Any]) -> dict[str, str]:
    """Return the values that an editor offers for a key, each with what it says of it."""
    return {each["body"].strip('"'): each["description"] for each in key["defaultSnippets"]}


def test_editors_offer_the_releases_newest_first() -> None:
    for product, key in (
        ("openstack", PARTS["openstack"]["properties"]["release"]),
        ("ceph", PARTS["cluster"]["properties"]["release"]),
    ):
        releases = {each.name: each.title for each in reversed(knowledge.releases(product))}
        assert list(offered(key).items()) == list(releases.items())


def test_editors_offer_the_platforms() -> None:
    titles = {name: each.title for name, each in knowledge.platforms().items()}
    assert offered(PARTS["platform"]) == titles


def test_clients_may_be_of_every_release_of_ceph() -> None:
    assert PARTS["cluster"]["properties"]["min_compat_client"]["enum"] == CEPH
    (when,) = knowledge.dangers()["min-compat-client"]["when"]
    assert when["becomes"] == CEPH
