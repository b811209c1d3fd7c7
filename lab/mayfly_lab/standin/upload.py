"""`buildkite-agent artifact upload`: finds files by pattern, announces, sends and reports them."""

from __future__ import annotations

import glob
import hashlib
import mimetypes
import os
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from . import storage
from .arguments import client, parse, required
from .client import ARTIFACTS, Answer, Client
from .options import UsageError

_BATCH = 30
_AT_A_TIME = 4


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """`artifact upload PATTERN[;PATTERN…]`. Returns the exit status.

    Raises:
        UsageError: wrong arguments, another storage than Buildkite's, or braces in a pattern.
    """
    given = parse("artifact upload", arguments, flags=("job", "content-type"), most=2)
    if not given.rest:
        raise UsageError("Missing upload paths")
    elsewhere = environ.get("BUILDKITE_ARTIFACT_UPLOAD_DESTINATION", "")
    if len(given.rest) > 1 or elsewhere:
        raise UsageError("this is a stand-in: it uploads to Buildkite's own storage only")
    paths = list(_paths(given.rest[0]))
    if not paths:
        print(f"No files matched paths: {given.rest[0]}")
        return 0
    print(f"Found {len(paths)} files that match {given.rest[0]}", flush=True)
    api = client(given, environ)
    place = f"/jobs/{required(given, 'job', environ, 'BUILDKITE_JOB_ID')}/artifacts"
    sent: list[dict[str, str]] = []
    for start in range(0, len(paths), _BATCH):
        described = [_described(path, given.get("content-type")) for path in paths[start:][:_BATCH]]
        answer = _announce(api, place, described)
        if not answer.ok:
            return _failed(answer)
        sent += _send(answer.json() or {}, described)
    answer = api.call("PUT", place, {"artifacts": sent}, patience=ARTIFACTS)
    if not answer.ok:
        return _failed(answer)
    lost = sum(each["state"] == "error" for each in sent)
    if lost:
        print(f"fatal: errors uploading {lost} artifacts", file=sys.stderr)
    return 1 if lost else 0


def _paths(patterns: str) -> Iterator[Path]:
    """Matching files, each once. The real agent's patterns, without `{a,b}`: raises UsageError."""
    seen: set[str] = set()
    for pattern in filter(None, (each.strip() for each in patterns.split(";"))):
        if "{" in pattern:
            raise UsageError(f"this is a stand-in: it does not support braces: {pattern!r}")
        for found in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207  # not below one directory
            absolute = os.path.realpath(found)
            if absolute not in seen and Path(found).is_file():
                seen.add(absolute)
                yield Path(found)


def _described(path: Path, content_type: str) -> dict[str, Any]:
    content = path.read_bytes()
    guessed = mimetypes.guess_type(path.name)[0]
    return {
        "path": str(path).lstrip("/"),
        "absolute_path": str(path.absolute()),
        "file_size": len(content),
        "sha1sum": hashlib.sha1(content).hexdigest(),  # noqa: S324  # the field's algorithm
        "sha256sum": hashlib.sha256(content).hexdigest(),
        "content_type": content_type or guessed or "application/octet-stream",
    }


def _announce(api: Client, place: str, described: Sequence[Mapping[str, Any]]) -> Answer:
    body = {"id": str(uuid.uuid4()), "artifacts": list(described), "upload_destination": ""}
    return api.call("POST", place, body, patience=ARTIFACTS)


def _send(
    created: Mapping[str, Any], described: Sequence[Mapping[str, Any]]
) -> list[dict[str, str]]:
    instructions = created["upload_instructions"]

    def send(artifact_id: str, artifact: Mapping[str, Any]) -> dict[str, str]:
        try:
            content = Path(artifact["absolute_path"]).read_bytes()
            storage.send_form(instructions, artifact["path"], content)
        except (storage.StorageError, OSError) as error:
            print(f"Error uploading {artifact['path']}: {error}", file=sys.stderr)
            return {"id": artifact_id, "state": "error"}
        return {"id": artifact_id, "state": "finished"}

    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        return list(pool.map(send, created["artifact_ids"], described))


def _failed(answer: Answer) -> int:
    print(f"fatal: {answer.status} {answer.message}", file=sys.stderr)
    return 1
