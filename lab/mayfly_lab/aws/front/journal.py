"""The journal: every call and every change of state, in order."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TextIO, TypedDict, Unpack

from mayfly.scrubbing import scrub, scrub_deep
from mayfly_lab.aws.front.call import Call, Decided, Principal
from mayfly_lab.aws.front.dynamo import item_requests

FLUSH_SECONDS = 0.2
AWS = "aws"
"""The principal of changes that AWS makes by itself, such as state changes and events."""

# Parameters, by their names in the API models, that identify the resources of a call.
_TELLING = (
    "InstanceId",
    "InstanceIds",
    "AssociationId",
    "AssociationIds",
    "IamInstanceProfile",
    "ClientToken",
    "Name",
    "Names",
    "Path",
    "QueueUrl",
    "FunctionName",
    "LayerName",
    "Arn",
    "Bucket",
    "Key",
    "RoleName",
    "logGroupName",
    "logStreamName",
)
# Attributes of a row that show its state; the journal omits all others.
_STATE = frozenset({"state", "phase", "job", "boot", "exit", "reason", "status", "notice"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal."""

    at: float
    """Seconds since the epoch."""
    principal: str
    kind: str
    service: str
    operation: str
    resources: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    error: str = ""
    request: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The call's parameters without secrets; kept in memory only."""
    iam: Sequence[Decided] = field(default=(), repr=False)
    """What IAM decided, request by request; kept in memory, and written by `write_decisions`."""

    @property
    def ok(self) -> bool:
        """Whether the call succeeded."""
        return not self.error


# Not `asdict`: it would deeply copy the parameters of every call.
_WRITTEN = tuple(each.name for each in fields(Entry) if each.name not in {"request", "iam"})


class Fields(TypedDict, total=False):
    """Fields of an entry for `select`."""

    service: str
    operation: str
    kind: str
    principal: str
    status: int
    error: str
    ok: bool


class Journal:
    """Collects entries in memory and, when given a path, as JSON lines. Thread-safe."""

    def __init__(self, path: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: list[Entry] = []
        self._flushed = 0.0
        self._file: TextIO | None = None if path is None else path.open("a", encoding="utf-8")

    def called(self, principal: Principal, call: Call, status: int, error: str = "") -> None:
        """Record a call with its status and error code."""
        self.write(
            Entry(
                at=self._clock(),
                principal=principal.userid,
                kind=str(principal.kind),
                service=call.service,
                operation=call.operation,
                resources=resources_of(call),
                status=status,
                error=error,
                request=call.parameters,
                iam=call.decided,
            )
        )

    def happened(self, service: str, operation: str, **resources: Any) -> None:
        """Record a change by AWS itself, such as a change of an instance's state."""
        self.write(Entry(self._clock(), AWS, AWS, service, operation, resources))

    def write(self, entry: Entry) -> None:
        """Append one entry; the file shows it without secrets."""
        line = "" if self._file is None else _line(entry)
        with self._lock:
            self._entries.append(entry)
            if self._file is not None:
                self._file.write(line)
                self._flush_now_and_then(self._file)

    def _flush_now_and_then(self, file: TextIO) -> None:
        """Flush the file once in `FLUSH_SECONDS`: cheap, and soon enough for a reader to follow."""
        now = self._clock()
        if now - self._flushed > FLUSH_SECONDS:
            file.flush()
            self._flushed = now

    def __iter__(self) -> Iterator[Entry]:
        """All entries so far, oldest first."""
        with self._lock:
            return iter(list(self._entries))

    def since(self, number: int) -> list[Entry]:
        """The entries after the first `number`, oldest first."""
        with self._lock:
            return self._entries[number:]

    def select(self, about: str = "", **wanted: Unpack[Fields]) -> list[Entry]:
        """Entries with these fields, oldest first; `about` is any id or name in their resources."""
        return [
            entry
            for entry in self
            if all(getattr(entry, name) == value for name, value in wanted.items())
            and (not about or about in json.dumps(entry.resources, default=str))
        ]

    def write_decisions(self, path: Path) -> int:
        """Write what IAM decided as JSON lines, each request once. Returns their number.

        A line has the fields of `Decided.shown`, with `principal` and `operation` of the call.
        """
        seen: set[str] = set()
        with path.open("w", encoding="utf-8") as file:
            for entry in self:
                for decided in entry.iam:
                    line = json.dumps(
                        {
                            "principal": entry.principal,
                            "operation": f"{entry.service}:{entry.operation}",
                            **decided.shown(),
                        },
                        sort_keys=True,
                    )
                    if line not in seen:
                        seen.add(line)
                        file.write(line + "\n")
        return len(seen)

    def close(self) -> None:
        """Close the file; the entries stay readable."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None


def _line(entry: Entry) -> str:
    """The entry's line in the file."""
    shown = {name: getattr(entry, name) for name in _WRITTEN}
    told = {"resources": scrub_deep(entry.resources), "error": scrub(entry.error)}
    return json.dumps({**shown, **told}, default=str) + "\n"


def resources_of(call: Call) -> dict[str, Any]:
    """The resources of a call: ids and names, or for DynamoDB the rows with their written state."""
    if call.service == "dynamodb":
        return {
            "rows": [
                {
                    "operation": request.operation,
                    "table": request.table,
                    "key": request.key,
                    "attributes": sorted(request.attributes),
                    "state": _states(request.written),
                }
                for request in item_requests(call)
            ]
        }
    return {name: call.parameters[name] for name in _TELLING if call.parameters.get(name)}


def _states(written: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in written.items():
        if isinstance(value, Mapping):
            inner = {key: each for key, each in value.items() if key in _STATE}
            if inner:
                found[name] = inner
        elif name in _STATE:
            found[name] = value
    return found
