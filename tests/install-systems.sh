#!/usr/bin/env bash
# Makes sure there is what the tests of connectors start for themselves: PostgreSQL and OpenSSH's server.
set -euo pipefail

missing=()
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null || missing+=(postgresql)
[ -x /usr/sbin/sshd ] || command -v sshd >/dev/null || missing+=(openssh-server)
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi

hint="The tests of connectors need ${missing[*]}, and it could not be installed."
if ! command -v apt-get >/dev/null; then
  echo "$hint Install PostgreSQL (initdb) and OpenSSH (sshd), so that they are on the PATH." >&2
  exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo -n); fi

echo "Installing ${missing[*]} …"
# The tests start their own; the packages' services would only open ports. This file tells dpkg to start none.
policy=/usr/sbin/policy-rc.d
made=
if [ ! -e $policy ]; then
  made=yes
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee $policy >/dev/null
  "${as_root[@]}" chmod 755 $policy
fi
tidy() { if [ -n "$made" ]; then "${as_root[@]}" rm -f $policy; fi; }
trap tidy EXIT
if ! { "${as_root[@]}" apt-get -qq update && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get -qq install --yes --no-install-recommends "${missing[@]}" >/dev/null; }; then
  echo "$hint On Debian: apt-get install ${missing[*]}" >&2
  exit 1
fi
if command -v systemctl >/dev/null; then
  for name in "${missing[@]}"; do
    if [ "$name" = openssh-server ]; then name=ssh; fi
    "${as_root[@]}" systemctl --quiet disable "$name.service" 2>/dev/null || true
  done
fi
