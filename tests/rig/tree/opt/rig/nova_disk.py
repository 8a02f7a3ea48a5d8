"""Runs on a compute host as user nova: ``nova_disk.py [POOL/IMAGE]`` makes a disk as Nova does.

Nova's RBDDriver and image backend work on the configuration under test, without Nova's services.
Prints one line of JSON: the fields of ``rig.openstack.NovaDisk``.
"""

from __future__ import annotations

import json
import sys
import types
import uuid

import nova.conf  # type: ignore[import-not-found]  # it is on the host, not where this is checked
from nova import config as _config  # noqa: F401  # type: ignore[import-not-found]  # adds options
from nova.storage import rbd_utils  # type: ignore[import-not-found]
from nova.virt.libvirt import imagebackend  # type: ignore[import-not-found]

FILES = ("/etc/nova/nova.conf", "/etc/nova/nova-compute.conf")
OPTIONS = {
    "DEFAULT": ("force_raw_images",),
    "libvirt": (
        *("images_type", "images_rbd_pool", "images_rbd_ceph_conf", "rbd_user"),
        *("rbd_secret_uuid", "disk_cachemodes", "hw_disk_discard"),
    ),
}


def main() -> None:
    conf = nova.conf.CONF
    args = [x for file in FILES for x in ("--config-file", file)]
    conf(args, project="nova", prog="nova-compute", default_config_files=[])
    backend = imagebackend.Backend(conf.force_raw_images).backend(conf.libvirt.images_type)
    driver = rbd_utils.RBDDriver()
    instance = str(uuid.uuid4())
    name = f"{instance}_disk"
    if image := "".join(sys.argv[1:]):
        location = {"url": f"rbd://{driver.get_fsid()}/{image}/snap"}
        about = {"disk_format": "raw", "id": image.split("/")[1]}
        if not driver.is_cloneable(location, about):
            sys.exit(f"nova says that {location['url']} cannot be cloned")
        driver.clone(location, name)
        parent = "{}/{}@{}".format(*driver.parent_info(name))
    else:
        parent = None
        with rbd_utils.RADOSClient(driver, driver.pool) as client:
            rbd_utils.rbd.RBD().create(client.ioctx, name, 16 << 20)
    mode = next((x.split("=")[1] for x in conf.libvirt.disk_cachemodes if "network=" in x), "none")
    disk = backend(
        instance=types.SimpleNamespace(uuid=instance),
        disk_name="disk",
        disk_info_mapping={"bus": "virtio", "dev": "vda", "type": "disk"},
    )
    options = {
        f"{group}.{key}": getattr(conf if group == "DEFAULT" else conf[group], key)
        for group, keys in OPTIONS.items()
        for key in keys
    }
    answer = {
        "image": f"{driver.pool}/{name}",
        "parent": parent,
        "xml": disk.libvirt_info(mode, {}).to_xml(),
        "options": options,
    }
    print(json.dumps(answer))  # noqa: T201


main()
