"""Subjects of a log line as extra fields: queue, job, instance, launch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias, assert_never

from mayfly.records.audit import ParameterChange, ParametersSeen, SpecChange
from mayfly.records.changes import (
    Assign,
    Change,
    Drop,
    FreeSlots,
    NoteBoot,
    Save,
    Unassign,
)
from mayfly.records.ledger import Ledger
from mayfly.records.model import Claim, Instance, Launch, Lease, QueueRecord, Record, Stray
from mayfly.records.prices import Prices
from mayfly.records.standing import Standing

Fields: TypeAlias = Mapping[str, str | list[str]]
"""Extra fields of a log line: `job` for one, `jobs` for several; unknown subjects are omitted."""
NOTHING: Fields = {}
_PLURALS = {
    "queue": "queues",
    "job": "jobs",
    "pipeline": "pipelines",
    "instance": "instances",
    "launch": "launches",
    "code": "codes",
}


def fields(  # noqa: PLR0913 - one argument for each kind of subject
    *,
    queues: Iterable[str] = (),
    jobs: Iterable[str] = (),
    pipelines: Iterable[str] = (),
    instances: Iterable[str] = (),
    launches: Iterable[str] = (),
    codes: Iterable[str] = (),
) -> Fields:
    """Log fields for these names, in the given order; duplicates and empty names are omitted.

    `codes` are those of reasons.
    """
    named = {
        "queue": queues,
        "job": jobs,
        "pipeline": pipelines,
        "instance": instances,
        "launch": launches,
        "code": codes,
    }
    found: dict[str, str | list[str]] = {}
    for kind, names in named.items():
        match list(dict.fromkeys(name for name in names if name)):
            case []:
                continue
            case [only]:
                found[kind] = only
            case several:
                found[_PLURALS[kind]] = several
    return found


def merged(one: Fields, other: Fields) -> Fields:
    """Log fields for the subjects of both."""
    both = {kinds: [*_names(one, kind), *_names(other, kind)] for kind, kinds in _PLURALS.items()}
    return fields(**both)


def _names(of: Fields, kind: str) -> list[str]:
    """The names of one kind of subject in log fields."""
    only = of.get(kind, ())
    return [only] if isinstance(only, str) else [*of.get(_PLURALS[kind], ())]


def about(records: Iterable[Record]) -> Fields:
    """Log fields for the subjects of these records; a lease, parameters and prices have none."""
    queues, jobs, instances, launches = list[str](), list[str](), list[str](), list[str]()
    for record in records:
        match record:
            case Claim():
                queues.append(record.queue)
                jobs.append(record.job)
                launches.append(record.slot.launch if record.slot else "")
            case Instance():
                queues.append(record.queue)
                jobs.append(record.job or "")
                instances.append(record.instance_id or "")
                launches.append(record.key.launch)
            case Launch():
                queues.append(record.queue)
                launches.append(record.id)
            case Ledger() | QueueRecord() | Standing() | SpecChange():
                queues.append(record.queue)
            case Stray():
                instances.append(record.instance_id)
            case Lease() | ParameterChange() | ParametersSeen() | Prices():
                continue
            case _:
                assert_never(record)
    return fields(queues=queues, jobs=jobs, instances=instances, launches=launches)


def about_changes(changes: Iterable[Change]) -> Fields:
    """Log fields for the records that these changes save or drop."""
    records = list[Record]()
    for change in changes:
        match change:
            case Save() | Drop():
                records.append(change.record)
            case FreeSlots() | NoteBoot() | Assign() | Unassign():
                continue  # The same write has the record that frees the slot or owns the row.
            case _:
                assert_never(change)
    return about(records)


def host_of(row: str) -> str:
    """The instance id in the key of a mailbox row, which is `role id:instance id`."""
    return row.rpartition(":")[2]
