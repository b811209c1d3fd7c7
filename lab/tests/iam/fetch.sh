#!/usr/bin/env bash
# Fetches the independent evaluator of IAM policies into .tools/iam, with npm and the settings of this machine; npm checks
# the packages by the lock's hashes. The packages are under the AGPL: tools of development, which nothing that is shipped
# contains.
set -Eeuo pipefail
cd "$(dirname "$0")/../../.."
HERE=lab/tests/iam/simulator
FETCHED=.tools/iam

for program in node npm; do
  command -v "$program" >/dev/null || {
    echo "no $program on PATH: the independent evaluator of IAM policies needs Node.js 20 or newer, with npm" >&2
    exit 1
  }
done
node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' || {
  echo "the independent evaluator of IAM policies needs Node.js 20 or newer; on PATH is $(node --version)" >&2
  exit 1
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
mkdir -p "$FETCHED"
cp "$HERE/package.json" "$HERE/package-lock.json" "$FETCHED"
npm ci --prefix "$FETCHED" --ignore-scripts --no-audit --no-fund --loglevel=error >&2
