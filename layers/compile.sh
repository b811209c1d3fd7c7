#!/usr/bin/env bash
# compile.sh DIR: ships byte code with a layer. /opt is read-only in Lambda, so what is not compiled here is compiled
# anew in every cold start (0.2 to 0.5 s). Needs Lambda's own minor version; without one the layer works all the same.
set -Eeuo pipefail

# A version manager's shim may exist and fail; then the real interpreter stands beside it.
beside="$(dirname "$(command -v python3.13 || echo /nowhere/shims/python)")/../versions"
for python in python3.13 "$beside"/3.13.*/bin/python3.13 /opt/python3.13/bin/python3.13; do
  if "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' >/dev/null 2>&1; then
    # Paths as in Lambda, hashes instead of times, one fixed hash seed: the same sources give the same bytes.
    PYTHONHASHSEED=0 "$python" -m compileall -q -s "$1" -p /opt/python \
      --invalidation-mode unchecked-hash "$1"
    exit
  fi
done
echo "no Python 3.13 here: the layer carries no byte code, cold starts will be slower" >&2
