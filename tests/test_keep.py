"""What services have when they are first bound must be found afterwards: volumes, images, disks."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from compiling import ROOT

if TYPE_CHECKING:
    from pathlib import Path

LIB = ROOT / "templates/runtime/lib/cephos.sh"
HERE = os.uname().nodename

DRIVER = "[rbd]\nvolume_driver = cinder.volume.drivers.rbd.RBDDriver\n"
VOLUMES = "[rbd]\nrbd_pool = vols\nvolume_backend_name = fast\n"
HOSTED = f"{VOLUMES}backend_host = a\n"
MOVED = f"[DEFAULT]\nhost = a\n{VOLUMES}"
NAMED, POOLED = "volume_backend_name = fast\n", "rbd_pool = vols\n"
KNOWN = DRIVER + POOLED + NAMED
OTHERS = "[DEFAULT]\nenabled_backends = lvm,old\n[lvm]\nbackend_host = x\n[old]\nrbd_pool = y\n"


@pytest.mark.parametrize(
    ("patch", "there", "refused"),
    [
        (VOLUMES, KNOWN, None),
        (VOLUMES, DRIVER + POOLED, "[rbd] volume_backend_name = RBD; the site says fast"),
        (VOLUMES, f"{DRIVER}{POOLED}volume_backend_name = x\n", "name = x; the site says fast"),
        (VOLUMES, DRIVER + NAMED, "[rbd] rbd_pool = rbd; the site says vols"),
        (VOLUMES, f"{DRIVER}{NAMED}rbd_pool = x\n", "[rbd] rbd_pool = x; the site says vols"),
        (VOLUMES, f"{KNOWN}backend_host = b\n", None),
        (VOLUMES, "[rbd]\nvolume_driver = cinder.volume.drivers.lvm.LVMVolumeDriver\n", None),
        (VOLUMES, "[lvm]\nvolume_backend_name = x\n", None),
        (HOSTED, f"{KNOWN}backend_host = a\n", None),
        (HOSTED, f"[DEFAULT]\nhost = a\n{KNOWN}", None),
        (HOSTED, f"[DEFAULT]\nhost = b\n{KNOWN}", "[rbd] backend_host = b; the site says a"),
        (HOSTED, KNOWN, f"[rbd] backend_host = {HERE}; the site says a"),
        (MOVED, f"[DEFAULT]\nhost = a\n{KNOWN}", None),
        (MOVED, f"[DEFAULT]\nhost = b\n{KNOWN}", "[rbd] backend_host = b; the site says a"),
        (MOVED, KNOWN, f"[rbd] backend_host = {HERE}; the site says a"),
        (MOVED, f"{KNOWN}backend_host = b\n", None),  # which counts more
        (MOVED, f"{KNOWN}backend_host =\n", f"[rbd] backend_host = {HERE}; the site says a"),
        (HOSTED, f"[DEFAULT]\nhost = a\n{KNOWN}backend_host =\n", None),
        (MOVED, OTHERS, f"volumes of backend old belong to host = {HERE}; the site says a"),
        (VOLUMES, OTHERS, None),
        (VOLUMES, f"[backend_defaults]\n{POOLED}{NAMED}{DRIVER}", None),
        (
            VOLUMES,
            f"[backend_defaults]\n{DRIVER[6:]}{NAMED}[rbd]\nrbd_pool = x\n",
            "[rbd] rbd_pool = x; the site says vols",
        ),
    ],
)
def test_volumes_that_are_there_keep_their_backend(
    tmp_path: Path, patch: str, there: str, refused: str | None
) -> None:
    preflight(tmp_path, patch, there, "keep_volumes FILE patch rbd", refused)


IMAGES = "[rbd]\nrbd_store_pool = img\n[vault]\nrbd_store_pool = old\n"
ONE = "[glance_store]\nrbd_store_pool = img\n"
MULTI = "[DEFAULT]\nenabled_backends = rbd:rbd\n[rbd]\n"
SINGLE = "[glance_store]\nstores = file,rbd\n"


@pytest.mark.parametrize(
    ("verb", "patch", "there", "refused"),
    [
        ("rbd:rbd", IMAGES, f"{MULTI}rbd_store_pool = img\n", None),
        ("rbd:rbd", IMAGES, MULTI, "[rbd] rbd_store_pool = images; the site says img"),
        ("new:rbd", IMAGES, MULTI, None),  # that store stays beside it
        ("rbd:rbd file:file", IMAGES, f"{SINGLE}rbd_store_pool = img\n", None),
        ("rbd:rbd vault:rbd file:file", IMAGES, f"{SINGLE}rbd_store_pool = old\n", None),
        ("rbd:rbd file:file", IMAGES, SINGLE, "images in pool images; the site says img"),
        (
            *("rbd:rbd", IMAGES, "[glance_store]\nstores = glance.store.rbd.Store\n"),
            "images in pool images; the site says img",
        ),
        ("rbd:rbd file:file http:http", IMAGES, "[glance_store]\nrbd_store_pool = x\n", None),
        (None, ONE, f"{SINGLE}rbd_store_pool = img\n", None),
        (None, ONE, SINGLE, "[glance_store] rbd_store_pool = images; the site says img"),
        (None, ONE, "[glance_store]\nstores = file\n", None),
    ],
)
def test_images_that_are_there_keep_their_pool(
    tmp_path: Path, verb: str | None, patch: str, there: str, refused: str | None
) -> None:
    line = f"keep_image_stores FILE patch {verb}" if verb else "not_multi_store FILE patch"
    preflight(tmp_path, patch, there, line, refused)


DISKS = "[libvirt]\nimages_type = rbd\nimages_rbd_pool = vms\n"


@pytest.mark.parametrize(
    ("there", "refused"),
    [
        (DISKS, None),
        ("[libvirt]\nimages_type = rbd\n", "images_rbd_pool = rbd; the site says vms"),
        ("", None),
        ("[DEFAULT]\ninstances_path = FOLDER/instances\n", "disks of 2 guests lie in FOLDER"),
        ("[DEFAULT]\nstate_path = FOLDER\n", "such as guest-1: they run on, but could not"),
        (
            "[DEFAULT]\nstate_path = FOLDER\ninstances_path = $state_path/instances\n",
            "disks of 2 guests lie in FOLDER/instances",
        ),
        (f"[DEFAULT]\nstate_path = FOLDER\n{DISKS}", None),
    ],
)
def test_guests_that_are_there_find_their_disks(
    tmp_path: Path, there: str, refused: str | None
) -> None:
    for guest in ("guest-1", "guest-2", "_base", "in-ceph"):
        (tmp_path / "instances" / guest).mkdir(parents=True)
    for guest in ("guest-1", "guest-2"):
        (tmp_path / "instances" / guest / "disk").touch()
    there = there.replace("FOLDER", str(tmp_path))
    refused = refused and refused.replace("FOLDER", str(tmp_path))
    preflight(tmp_path, DISKS, there, "keep_disks FILE patch", refused)


def preflight(folder: Path, patch: str, there: str, line: str, refused: str | None) -> None:
    """Run a line of a step before anything is changed, and see what it refuses."""
    (folder / "run").mkdir()
    (folder / "patch").write_text(patch)
    (folder / "there.conf").write_text(there)
    line = line.replace("FILE", str(folder / "there.conf"))
    settings = {
        "CEPHOS_MODE": "preflight",
        "CEPHOS_RUN": str(folder / "run"),
        "CEPHOS_BUNDLE": str(folder),
    }
    done = subprocess.run(
        ["bash", "-c", f'. "{LIB}"; {line}', "80-step"],
        env=settings, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert bool(done.stdout) == bool(refused)
    assert (refused or "") in done.stdout
    assert (folder / "run/refusals").exists() == bool(refused)
