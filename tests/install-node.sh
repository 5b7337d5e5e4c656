#!/usr/bin/env bash
# Makes sure there is Node 20 or newer, with npm, for the checks and tests of static/: the one that is there, else the
# system's package. Synctail itself runs without.
set -euo pipefail

enough() {
  command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null
}

if enough; then exit 0; fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo -n); fi
if command -v apt-get >/dev/null; then
  echo 'Installing Node …'
  "${as_root[@]}" apt-get -qq update && DEBIAN_FRONTEND=noninteractive \
    "${as_root[@]}" apt-get -qq install --yes --no-install-recommends nodejs npm >/dev/null || true
fi

if enough; then exit 0; fi
echo "The checks and tests of static/ need Node 20 or newer, with npm; found: $(node --version 2>/dev/null || echo none)." >&2
echo 'On Debian 13 and Ubuntu 25.04: apt install nodejs npm. Elsewhere: https://nodejs.org. "make run" needs neither.' >&2
exit 1
