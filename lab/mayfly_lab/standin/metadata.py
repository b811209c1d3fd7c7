"""`buildkite-agent meta-data set|get|exists|keys`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence

from .arguments import Arguments, client, parse, required
from .client import META_DATA, Answer, Client
from .options import UsageError

_MISSING = 100
"""Exit status of `exists` for a missing key."""


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the verb. Returns the exit status.

    Raises:
        UsageError: an unknown verb, or wrong arguments.
    """
    verb, *rest = arguments or ("",)
    if verb not in {"set", "get", "exists", "keys"}:
        raise UsageError("this is a stand-in: its `meta-data` supports only set, get, exists, keys")
    flags = {"set": ("job",), "get": ("job", "build", "default")}.get(verb, ("job", "build"))
    given = parse(f"meta-data {verb}", rest, flags=flags, most=2 if verb == "set" else 1)
    api = client(given, environ)
    if verb == "keys":
        return _keys(api, _place(given, environ))
    if not given.rest or not given.rest[0]:
        raise UsageError("Missing meta-data key")
    key, *value = given.rest
    path = _place(given, environ)
    if verb == "set":
        return _set(api, path, key, value[0] if value else sys.stdin.read())
    if verb == "get":
        return _get(api, path, key, given.flags.get("default"))
    answer = api.call("POST", f"{path}/exists", {"key": key}, patience=META_DATA)
    known = answer.json()
    if not answer.ok or known is None:
        return _failed(answer)
    return 0 if known.get("exists") else _MISSING


def _place(given: Arguments, environ: Mapping[str, str]) -> str:
    if given.get("build"):
        return f"/builds/{given.get('build')}/data"
    return f"/jobs/{required(given, 'job', environ, 'BUILDKITE_JOB_ID')}/data"


def _keys(api: Client, path: str) -> int:
    answer = api.call("POST", f"{path}/keys", patience=META_DATA)
    if not answer.ok:
        return _failed(answer)
    for key in json.loads(answer.body):
        print(key)
    return 0


def _set(api: Client, path: str, key: str, value: str) -> int:
    if not value.strip():
        raise UsageError("value cannot be empty, or composed of only whitespace characters")
    answer = api.call("POST", f"{path}/set", {"key": key, "value": value}, patience=META_DATA)
    return 0 if answer.ok else _failed(answer)


def _get(api: Client, path: str, key: str, default: str | None) -> int:
    answer = api.call("POST", f"{path}/get", {"key": key}, patience=META_DATA)
    content = answer.json()
    if answer.ok and content:
        print(content["value"], end="")
        return 0
    if default is not None and answer.status == 404:
        print(default, end="")
        return 0
    return _failed(answer)


def _failed(answer: Answer) -> int:
    print(f"fatal: {answer.status} {answer.message}", file=sys.stderr)
    return 1
