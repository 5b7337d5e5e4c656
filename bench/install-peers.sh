#!/usr/bin/env bash
# The peers, where they are missing: from the system's packages, and below .bench/ what is built or is no such package.
# One that cannot be had is said, and left out of the measurements; the others are not kept from theirs.
set -uo pipefail
cd "$(dirname "$0")/.."
mkdir -p .bench

as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo -n); fi

from_system() {
  echo "Installing $* …"
  "${as_root[@]}" apt-get -qq update &&
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get -qq install --yes --no-install-recommends "$@" >/dev/null
}

nchan_and_nats() {
  command -v nginx >/dev/null && command -v nats-server >/dev/null && return
  from_system nginx-light libnginx-mod-nchan nats-server
}

# Debian's package of Centrifuge does not name all that it is built from.
centrifuge() {
  [ .bench/centrifuge -nt bench/peers/centrifuge.go ] && return
  local sources=/usr/share/gocode/src/github.com
  if ! command -v go >/dev/null || ! [ -d $sources/centrifugal/centrifuge ] || ! [ -d $sources/mna/redisc ]; then
    from_system golang-go golang-github-centrifugal-{centrifuge,protocol}-dev golang-github-fzambia-eagle-dev \
      golang-github-igm-sockjs-go-dev golang-github-mna-redisc-dev || return
  fi
  echo 'Building the Centrifuge server …'
  GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$PWD/.bench/go-cache" GOFLAGS= \
    go build -o .bench/centrifuge bench/peers/centrifuge.go
}

socketio() {
  [ .bench/socketio/.installed -nt bench/peers/package.json ] && return
  echo 'Installing Socket.IO …'
  mkdir -p .bench/socketio && cp bench/peers/package.json .bench/socketio/ &&
    npm install --prefix .bench/socketio --no-package-lock --no-audit --no-fund --loglevel error >/dev/null &&
    touch .bench/socketio/.installed
}

channels() {
  [ .bench/venv/.installed -nt bench/peers/channels.txt ] && return
  echo 'Installing Django Channels …'
  .tools/bin/uv venv --quiet --clear --python .venv/bin/python .bench/venv &&
    .tools/bin/uv pip install --quiet --python .bench/venv/bin/python -r bench/peers/channels.txt &&
    touch .bench/venv/.installed
}

for peer in nchan_and_nats centrifuge socketio channels; do
  "$peer" || echo "$peer could not be had; it is left out." >&2
done
