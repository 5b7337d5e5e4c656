#!/usr/bin/env bash
# Makes sure there is a Chromium for the page tests: the one that is there, else the system's package, else Playwright's.
set -euo pipefail
cd "$(dirname "$0")/.."

for name in chromium-headless-shell chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null; then exit 0; fi
done

as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo -n); fi
if command -v apt-get >/dev/null; then
  echo 'Installing Chromium …'
  "${as_root[@]}" apt-get -qq update || true
  for package in chromium-headless-shell chromium; do # the first one needs half of the other's time, and is not everywhere
    if DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get -qq install --yes --no-install-recommends \
      "$package" fonts-dejavu >/dev/null; then exit 0; fi
  done
fi

if .venv/bin/playwright install chromium; then exit 0; fi
echo 'The page tests need Chromium and it could not be installed. On Debian: apt-get install chromium' >&2
exit 1
