#!/usr/bin/env bash
# The peers that are no Python packages: nchan and nats-server, from the system's packages.
set -euo pipefail
if command -v nginx >/dev/null && command -v nats-server >/dev/null; then exit 0; fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo -n); fi
echo 'Installing the peers …'
"${as_root[@]}" apt-get -qq update
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get -qq install --yes --no-install-recommends \
  nginx-light libnginx-mod-nchan nats-server >/dev/null
