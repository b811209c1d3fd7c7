#!/usr/bin/env bash
# Fetches axe-core into .tools/browser, with npm and the settings of this machine; npm checks the package by the lock's
# hash. Prints why the browser's tests cannot run, and nothing when they can.
set -Eeuo pipefail
cd "$(dirname "$0")/../../.."
HERE=lab/tests/browser/axe
FETCHED=.tools/browser

command -v chromium >/dev/null || {
  echo "there is no chromium on PATH"
  exit
}
command -v npm >/dev/null || {
  echo "there is no npm on PATH, which fetches axe-core"
  exit
}
# npm writes this file last.
if [[ $FETCHED/node_modules/.package-lock.json -nt $HERE/package-lock.json ]]; then
  exit
fi
# Node.js has certificates of its own, and does not know an authority that only this machine trusts.
SYSTEM=/etc/ssl/certs/ca-certificates.crt
if [[ ! -v NODE_EXTRA_CA_CERTS && -r $SYSTEM ]]; then
  export NODE_EXTRA_CA_CERTS=$SYSTEM
fi
cp "$HERE/package.json" "$HERE/package-lock.json" "$FETCHED"
npm ci --prefix "$FETCHED" --ignore-scripts --no-audit --no-fund --loglevel=error >&2
