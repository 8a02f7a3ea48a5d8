#!/bin/bash
# Runs once in the new base tree: what every host would otherwise do at its first start.
set -euo pipefail

as() {
  local user=$1
  shift
  setpriv --reuid="${user}" --regid="${user}" --init-groups "$@"
}

echo "I: databases of glance and cinder"
{
  printf '%s\n' '[pipeline:glance-api-rig]' \
    'pipeline = cors http_proxy_to_wsgi versionnegotiation rignoauth context rootapp' \
    '[filter:rignoauth]' 'paste.filter_factory = rig_noauth:factory'
  cat /etc/glance/glance-api-paste.ini
} >/opt/rig/glance-paste.ini
as glance glance-manage --config-file /etc/glance/glance-api.conf --config-file /opt/rig/glance.conf db_sync
as cinder cinder-manage --config-file /etc/cinder/cinder.conf --config-file /opt/rig/cinder.conf db sync

echo "I: databases of nova"
nova_manage() { as nova nova-manage --config-file /etc/nova/nova.conf --config-file /opt/rig/nova.conf "$@"; }
nova_manage api_db sync
nova_manage cell_v2 map_cell0 --database_connection sqlite:////var/lib/nova/rig_cell0.sqlite
nova_manage db sync
nova_manage cell_v2 create_cell --name rig
as placement placement-manage db sync
rm -f /var/log/{glance,cinder,nova,placement}/*

echo "I: ssh from every host to every host"
install -d -m 0700 /root/.ssh
ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys
sed 's/^/* /' /etc/ssh/ssh_host_ed25519_key.pub >/root/.ssh/known_hosts

echo "I: capabilities of qemu"
libvirtd --daemon --pid-file /run/season.pid
virsh -q -c qemu:///system domcapabilities --virttype qemu --machine pc >/dev/null
kill "$(</run/season.pid)"
while [[ -e /run/season.pid ]]; do sleep 0.1; done
rm -f /var/log/libvirt/*.log
