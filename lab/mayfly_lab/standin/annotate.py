"""`buildkite-agent annotate` and `buildkite-agent annotation remove`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from .arguments import client, parse, required
from .client import ANNOTATION, Answer
from .options import UsageError

_MOST_BYTES = 1024 * 1024
_DEFAULT_CONTEXT = "default"


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """`annotate [BODY]`, with standard input for a missing BODY. Returns the exit status.

    Raises:
        UsageError: wrong arguments, or a body or priority that is not allowed.
    """
    flags = ("context", "style", "priority", "job")
    given = parse("annotate", arguments, flags=flags, switches=("append",))
    job = required(given, "job", environ, "BUILDKITE_JOB_ID")
    body = given.rest[0] if given.rest else sys.stdin.read()
    size = len(body.encode())
    if size > _MOST_BYTES:
        raise UsageError(f"annotation body size ({size}B) exceeds maximum ({_MOST_BYTES}B)")
    priority = given.get("priority", "3")
    if not priority.isdigit():
        raise UsageError("priority must be a whole number")
    content: dict[str, object] = {"body": body, "priority": int(priority)}
    for name in ("context", "style"):
        if given.get(name):
            content[name] = given.get(name)
    if given.on("append"):
        content["append"] = True
    path = f"/jobs/{job}/annotations"
    return _exit_status(client(given, environ).call("POST", path, content, patience=ANNOTATION))


def remove(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """`annotation remove [--context C]`. Returns the exit status.

    Raises:
        UsageError: wrong arguments.
    """
    if not arguments or arguments[0] != "remove":
        raise UsageError("this is a stand-in: its `annotation` supports only remove")
    given = parse("annotation remove", arguments[1:], flags=("context", "job"), most=0)
    job = required(given, "job", environ, "BUILDKITE_JOB_ID")
    context = quote(given.get("context", _DEFAULT_CONTEXT), safe="").replace(".", "%2E")
    path = f"/jobs/{job}/annotations/{context}"
    return _exit_status(client(given, environ).call("DELETE", path, patience=ANNOTATION))


def _exit_status(answer: Answer) -> int:
    if not answer.ok:
        print(f"fatal: {answer.status} {answer.message}", file=sys.stderr)
    return 0 if answer.ok else 1
