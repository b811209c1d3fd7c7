"""`buildkite-agent artifact upload|download|search|shasum`, with Buildkite's own storage."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from . import storage, upload
from .arguments import Arguments, client, parse, required
from .client import SEARCH
from .options import UsageError

_SEARCH_FLAGS = ("step", "build")
_RETRIED = "include-retried-jobs"
_SEARCH_FORMAT = "%j %p %c\n"
_FIELDS = {
    "%i": "id",
    "%p": "path",
    "%c": "created_at",
    "%j": "job_id",
    "%s": "file_size",
    "%S": "sha1sum",
    "%T": "sha256sum",
    "%u": "url",
}


class _SearchError(Exception):
    """No artifact, or not exactly one, was found, or Buildkite refused the search."""


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the verb. Returns the exit status.

    Raises:
        UsageError: an unknown verb, or wrong arguments.
    """
    verb, *rest = arguments or ("",)
    commands = {"upload": upload.main, "download": _download, "search": _search, "shasum": _shasum}
    if verb not in commands:
        raise UsageError(
            "this is a stand-in: its `artifact` supports only upload, download, search and shasum"
        )
    try:
        return commands[verb](rest, environ)
    except (_SearchError, storage.StorageError) as error:
        print(f"fatal: {error}", file=sys.stderr)
        return 1


def _download(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    given = parse("artifact download", arguments, flags=_SEARCH_FLAGS, switches=(_RETRIED,), most=2)
    if len(given.rest) != 2:
        raise UsageError("Missing artifact search query or artifact download path")
    query, destination = given.rest
    if not Path(destination).is_dir():
        raise UsageError(f"{Path(destination).absolute()} is not a directory")
    found = _found(given, environ, query, {"state": "finished"})
    if not found:
        raise _SearchError("No artifacts found for downloading")
    for artifact in found:
        target = _target(artifact["path"], destination)
        print(f"Downloading {artifact['path']} to {target}", flush=True)
        storage.download(artifact, target)
    return 0


def _search(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    switches = (_RETRIED, "allow-empty-results")
    flags = (*_SEARCH_FLAGS, "format")
    given = parse("artifact search", arguments, flags=flags, switches=switches)
    found = _found(given, environ, _query(given), {"include_duplicates": "true"})
    if not found and not given.on("allow-empty-results"):
        raise _SearchError("no matches found")
    for artifact in found:
        line = given.get("format", _SEARCH_FORMAT)
        for specifier, name in _FIELDS.items():
            line = line.replace(specifier, str(artifact[name]))
        print(line, end="")
    return 0


def _shasum(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    switches = (_RETRIED, "sha256")
    given = parse("artifact shasum", arguments, flags=_SEARCH_FLAGS, switches=switches)
    found = _found(given, environ, _query(given), {})
    if len(found) != 1:
        many = "Multiple artifacts were found" if found else "No artifacts matched"
        raise _SearchError(f"{many} the search query")
    print(found[0]["sha256sum" if given.on("sha256") else "sha1sum"])
    return 0


def _query(given: Arguments) -> str:
    if not given.rest:
        raise UsageError("Missing artifact search query")
    return given.rest[0]


def _found(
    given: Arguments, environ: Mapping[str, str], query: str, more: Mapping[str, str]
) -> list[dict[str, Any]]:
    build = required(given, "build", environ, "BUILDKITE_BUILD_ID")
    wanted = {"query": query, **more}
    if given.get("step"):
        wanted["scope"] = given.get("step")
    if given.on(_RETRIED):
        wanted["include_retried_jobs"] = "true"
    path = f"/builds/{build}/artifacts/search?{urlencode(wanted)}"
    answer = client(given, environ).call("GET", path, patience=SEARCH)
    if not answer.ok:
        raise _SearchError(f"{answer.status} {answer.message}")
    found: list[dict[str, Any]] = json.loads(answer.body)
    return found


def _target(path: str, destination: str) -> Path:
    # `pkg/a` downloaded to a folder `pkg` goes to `pkg/a`. No path may leave the folder.
    base, parts = Path(destination).absolute(), list(Path(path).parts)
    if parts and base.name == parts[0]:
        base = base.parent
    while parts and parts[0] in {"..", "/", ""}:
        parts = parts[1:]
    if not parts or ".." in parts:
        raise _SearchError(f"the path {path!r} leads out of {destination!r}")
    return base.joinpath(*parts)
