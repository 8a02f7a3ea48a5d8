#!/usr/bin/env bash
# What this host needs before its roles: packages, which somebody has installed from the site's own
# mirror; and user deploy, who becomes root without a password, for those who carry and apply bundles.
#
# The verbs are explained in lib/cephos.sh. Run by ./apply, or alone by ./apply --only 02.
# shellcheck source=/dev/null
. "${BASH_SOURCE[0]%/*}/../lib/cephos.sh"

packages         apt-get install -- ceph-common cinder-backup 'python3-rbd|python-rbd'
deploy_user      deploy
authorized_keys  deploy files/authorized_keys
sudo_rule        deploy files/sudoers /etc/sudoers.d/cephos-zed-2
