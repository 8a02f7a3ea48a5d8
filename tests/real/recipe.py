"""The wiki page that bundles replace, followed by hand: its commands as they stand there.

What differs is the names of Debian's units, and that OpenStack's own hosts are `node1`, which has
Ceph too, `node2` and the `controller`. What the page gets wrong is here as well: see docs/pains.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rig import Host

ON_CEPH = r"""
set -e
ceph osd pool create $POOL 64
ceph auth get-or-create client.$CLIENT mon 'allow r' \
  osd "allow class-read object_prefix rbd_children, allow rwx pool=$POOL$ALSO" \
  -o /etc/ceph/ceph.client.$CLIENT.keyring
ceph auth get-key client.$CLIENT >/etc/ceph/client.$CLIENT.key
ceph --id $CLIENT osd tree
for host in node2 controller; do
  scp -q /etc/ceph/ceph.conf /etc/ceph/ceph.client.$CLIENT.keyring /etc/ceph/client.$CLIENT.key \
    root@$host:/etc/ceph
done
"""
ON_OPENSTACK = r"""
set -e
chown $SERVICE:$SERVICE /etc/ceph/ceph.client.$CLIENT.keyring
chmod 0640 /etc/ceph/ceph.client.$CLIENT.keyring
cat <<EOT >>/etc/ceph/ceph.conf
[client.$CLIENT]
keyring = /etc/ceph/ceph.client.$CLIENT.keyring
EOT
"""
UUID_AND_XML = r"""
set -e
uuidgen >/etc/ceph/$NAME.uuid.txt
cat <<EOT >/etc/ceph/$NAME.secret.xml
<secret ephemeral="no" private="no">
  <uuid>$(cat /etc/ceph/$NAME.uuid.txt)</uuid>
  <usage type="ceph"> <name>client.$CLIENT secret</name> </usage>
</secret>
EOT
chmod 0640 /etc/ceph/$NAME.* /etc/ceph/*.key
scp -q /etc/ceph/$NAME.uuid.txt /etc/ceph/$NAME.secret.xml root@node2:/etc/ceph
scp -q /etc/ceph/$NAME.uuid.txt /etc/ceph/$NAME.secret.xml root@controller:/etc/ceph
"""
POKE_VIRSH = r"""
set -e
virsh secret-define --file /etc/ceph/$NAME.secret.xml
virsh secret-set-value --secret $(cat /etc/ceph/$NAME.uuid.txt) \
  --base64 $(cat /etc/ceph/client.$CLIENT.key)
"""
GLANCE = r"""
cd /etc/glance
cp glance-api.conf glance-api.conf.0
IFS=, stores=( glance.store.rbd.Store $(crudini --get glance-api.conf glance_store stores) )
crudini --set glance-api.conf glance_store stores "${stores[*]}"
unset IFS
set -e
crudini --set glance-api.conf glance_store default_store rbd
crudini --set glance-api.conf glance_store rbd_store_pool glance-images
crudini --set glance-api.conf glance_store rbd_store_user images
crudini --set glance-api.conf glance_store rbd_store_ceph_conf /etc/ceph/ceph.conf
crudini --set glance-api.conf DEFAULT show_image_direct_url True
systemctl restart glance-api
"""
CINDER = r"""
cd /etc/cinder
cp cinder.conf cinder.conf.0
IFS=, backends=( rbd $(crudini --get cinder.conf DEFAULT enabled_backends) )
crudini --set cinder.conf DEFAULT enabled_backends "${backends[*]}"
unset IFS
set -e
crudini --set cinder.conf rbd volume_driver cinder.volume.drivers.rbd.RBDDriver
crudini --set cinder.conf rbd rbd_pool cinder-volumes
crudini --set cinder.conf rbd rbd_ceph_conf /etc/ceph/ceph.conf
crudini --set cinder.conf rbd rbd_flatten_volume_from_snapshot false
crudini --set cinder.conf rbd rbd_max_clone_depth 5
crudini --set cinder.conf rbd rbd_store_chunk_size 4
crudini --set cinder.conf rbd rados_connect_timeout -1
crudini --set cinder.conf rbd glance_api_version 2
crudini --set cinder.conf rbd rbd_user volumes
crudini --set cinder.conf rbd rbd_secret_uuid $(cat /etc/ceph/cinder.uuid.txt)
systemctl restart cinder-volume cinder-scheduler cinder-api
"""
NOVA = r"""
cd /etc/nova
cp nova.conf nova.conf.0
set -e
crudini --set nova.conf DEFAULT force_raw_images True
crudini --set nova.conf DEFAULT disk_cachemodes writeback
crudini --set nova.conf libvirt images_type rbd
crudini --set nova.conf libvirt images_rbd_pool nova-vms
crudini --set nova.conf libvirt images_rbd_ceph_conf /etc/ceph/ceph.conf
crudini --set nova.conf libvirt rbd_user nova
crudini --set nova.conf libvirt rbd_secret_uuid $(cat /etc/ceph/client.nova.uuid.txt)
systemctl try-restart nova-compute
"""


@dataclass(frozen=True)
class Chapter:
    """A service of the page; `secret` is the stem of the files about its libvirt secret."""

    service: str
    client: str
    pool: str
    also: str = ""
    secret: str = ""

    def do(self, host: Host, script: str) -> None:
        """Type the commands into a host's shell, as root."""
        names = {"SERVICE": self.service, "CLIENT": self.client, "POOL": self.pool}
        names |= {"ALSO": self.also, "NAME": self.secret}
        host.run("bash", "-c", script, env=names)


IMAGES_TOO = ", allow rx pool=glance-images"
CHAPTERS = (
    Chapter("glance", "images", "glance-images"),
    Chapter("cinder", "volumes", "cinder-volumes", IMAGES_TOO, "cinder"),
    Chapter("nova", "nova", "nova-vms", IMAGES_TOO, "client.nova"),
)


def follow(node1: Host, node2: Host, controller: Host) -> dict[str, str]:
    """Follow the page; returns the UUID that it made for each client's secret."""
    glance, cinder, nova = CHAPTERS
    for chapter in CHAPTERS:
        chapter.do(node1, ON_CEPH)
        if chapter.secret:
            chapter.do(node1, UUID_AND_XML)
            for node in (node1, node2):
                chapter.do(node, POKE_VIRSH)
    for chapter in (glance, cinder):
        chapter.do(controller, ON_OPENSTACK)
    for node in (node1, node2):
        nova.do(node, ON_OPENSTACK)
        nova.do(node, NOVA)
    glance.do(controller, GLANCE)
    cinder.do(controller, CINDER)
    return {
        chapter.client: node1.read(f"/etc/ceph/{chapter.secret}.uuid.txt").strip()
        for chapter in (cinder, nova)
    }
