"""`buildkite-agent meta-data`: what jobs use of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from .client import META_DATA, Client
from .options import UsageError

_MISSING = 100
"""The exit status of `exists` for a key that nobody set."""


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """`set KEY [VALUE]`, `get KEY [--default VALUE]`, `exists KEY`. Returns the exit status.

    Raises:
        UsageError: anything else.
    """
    verb, key, *rest = arguments if len(arguments) >= 2 else ("", "")
    api = Client(environ["BUILDKITE_AGENT_ENDPOINT"], environ["BUILDKITE_AGENT_ACCESS_TOKEN"])
    path = f"/jobs/{environ['BUILDKITE_JOB_ID']}/data"
    if verb == "set" and len(rest) <= 1:
        return _set(api, path, key, rest[0] if rest else sys.stdin.read())
    if verb == "exists" and not rest:
        answer = api.call("POST", f"{path}/exists", {"key": key}, patience=META_DATA).json()
        return 0 if answer and answer.get("exists") else _MISSING
    if verb == "get" and (not rest or (len(rest) == 2 and rest[0] == "--default")):
        return _get(api, path, key, rest[1] if rest else None)
    raise UsageError("this is a stand-in: its meta-data takes set, get and exists")


def _set(api: Client, path: str, key: str, value: str) -> int:
    body = {"key": key, "value": value}
    answer = api.call("POST", f"{path}/set", body, patience=META_DATA)
    return _said(answer.ok, answer.message)


def _get(api: Client, path: str, key: str, default: str | None) -> int:
    answer = api.call("POST", f"{path}/get", {"key": key}, patience=META_DATA)
    content = answer.json()
    if answer.ok and content:
        print(content["value"], end="")
        return 0
    if default is not None and answer.status == 404:
        print(default, end="")
        return 0
    return _said(False, answer.message)


def _said(ok: bool, message: str) -> int:
    if not ok:
        print(f"fatal: {message}", file=sys.stderr)
    return 0 if ok else 1
