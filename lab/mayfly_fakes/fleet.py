"""The Fleet table in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias, cast

from mayfly.adapters.dynamodb.records import (
    LEASE_KEY,
    PARAMETERS_PARTITION,
    QUEUES_PARTITION,
    STANDINGS_PARTITION,
    STRAYS_PARTITION,
    key_of,
    open_keys,
    open_prefix,
    pointer_key,
    standing_name,
)
from mayfly.adapters.dynamodb.rows import Row, rows
from mayfly.errors import Conflict, Misconfigured
from mayfly.records.audit import ParametersSeen
from mayfly.records.bounds import MOST_NOTES
from mayfly.records.brakes import fewer_notes
from mayfly.records.changes import Assign, Change, Drop, Save, Unassign
from mayfly.records.found import Found
from mayfly.records.ledger import Ledger
from mayfly.records.model import (
    AnyRecord,
    Claim,
    Instance,
    Launch,
    Lease,
    QueueRecord,
    Record,
    SlotKey,
    Stray,
)
from mayfly.records.prices import Prices
from mayfly.records.standing import Standing
from mayfly.records.states import OPEN_LAUNCHES, ClaimState, InstanceState, Ranked
from mayfly_fakes.faults import Faults
from mayfly_fakes.mailbox import FakeMailbox

_Index: TypeAlias = dict[tuple[str, str], dict[str, Record]]
"""Open records by partition and by the part of the sort key before the name."""


class FakeFleet(Faults):
    """Implements `mayfly.ports.Fleet`; assignments are written into the rows of `mailbox`."""

    def __init__(self, mailbox: FakeMailbox) -> None:
        super().__init__()
        self.records: dict[str, Record] = {}
        self.pointers: dict[str, SlotKey] = {}
        self.unreadable: set[str] = set()
        """Primary keys of rows that another version wrote in a form that cannot be read."""
        self._mailbox = mailbox
        self._open: _Index = {}
        self._shown: _Index | None = None

    # -- the world -----------------------------------------------------------------------------

    def lag(self) -> None:
        """Freeze lists in their present state; later writes show after `catch_up`."""
        self._shown = {place: dict(records) for place, records in self._open.items()}

    def catch_up(self) -> None:
        """Let lists show the current records again."""
        self._shown = None

    def all(self, kind: type[AnyRecord]) -> list[AnyRecord]:
        """Every record of a kind, open or closed, sorted by key."""
        return [record for _, record in sorted(self.records.items()) if isinstance(record, kind)]

    # -- lists ---------------------------------------------------------------------------------

    def queues(self) -> Sequence[QueueRecord]:
        """See `mayfly.ports.Fleet`."""
        with self._call("queues"):
            return self._list(QueueRecord, QUEUES_PARTITION)

    def claims(self, queue: str, states: Collection[ClaimState]) -> Sequence[Claim]:
        """See `mayfly.ports.Fleet`."""
        with self._call("claims"):
            return self._list(Claim, queue, states)

    def instances(self, queue: str, states: Collection[InstanceState]) -> Sequence[Instance]:
        """See `mayfly.ports.Fleet`."""
        with self._call("instances"):
            return self._list(Instance, queue, states)

    def launches(self, queue: str) -> Sequence[Launch]:
        """See `mayfly.ports.Fleet`."""
        with self._call("launches"):
            return self._list(Launch, queue, OPEN_LAUNCHES)

    def strays(self) -> Sequence[Stray]:
        """See `mayfly.ports.Fleet`."""
        with self._call("strays"):
            return self._list(Stray, STRAYS_PARTITION)

    # -- single records ------------------------------------------------------------------------

    def claim(self, job: str) -> Claim | None:
        """See `mayfly.ports.Fleet`."""
        with self._call("claim"):
            return self._get(Claim, job)

    def instance(self, key: SlotKey) -> Instance | None:
        """See `mayfly.ports.Fleet`."""
        with self._call("instance"):
            return self._get(Instance, key)

    def instance_of(self, instance_id: str) -> Instance | None:
        """See `mayfly.ports.Fleet`."""
        with self._call("instance_of"):
            slot = self.pointers.get(pointer_key(instance_id))
            return self._get(Instance, slot) if slot else None

    def instances_of(self, instance_ids: Collection[str]) -> Found[Instance]:
        """See `mayfly.ports.Fleet`."""
        with self._call("instances_of"):
            ids = {}
            for each in instance_ids:
                if slot := self.pointers.get(pointer_key(each)):
                    ids[str(slot)] = slot, each
            found = self._found(Instance, sorted(slot for slot, _ in ids.values()))
            return Found(found, [ids[slot][1] for slot in found.unreadable])

    def claims_of(self, jobs: Collection[str]) -> Found[Claim]:
        """See `mayfly.ports.Fleet`."""
        with self._call("claims_of"):
            return self._found(Claim, sorted(set(jobs)))

    def slots(self, keys: Collection[SlotKey]) -> Found[Instance]:
        """See `mayfly.ports.Fleet`."""
        with self._call("slots"):
            return self._found(Instance, sorted(set(keys)))

    def ledger(self, queue: str) -> Ledger | None:
        """See `mayfly.ports.Fleet`."""
        with self._call("ledger"):
            return self._get(Ledger, queue)

    def queue(self, queue: str) -> QueueRecord | None:
        """See `mayfly.ports.Fleet`."""
        with self._call("queue"):
            return self._get(QueueRecord, queue)

    def standings(self) -> Sequence[Standing]:
        """See `mayfly.ports.Fleet`."""
        with self._call("standings"):
            return self._list(Standing, STANDINGS_PARTITION)

    def standing(self, function: str, queue: str) -> Standing | None:
        """See `mayfly.ports.Fleet`."""
        with self._call("standing"):
            return self._get(Standing, standing_name(function, queue))

    def lease(self) -> Lease | None:
        """See `mayfly.ports.Fleet`."""
        with self._call("lease"):
            return cast("Lease | None", self.records.get(LEASE_KEY))

    def parameters_seen(self) -> Sequence[ParametersSeen]:
        """See `mayfly.ports.Fleet`."""
        with self._call("parameters_seen"):
            return self._list(ParametersSeen, PARAMETERS_PARTITION)

    def prices(self) -> Prices | None:
        """See `mayfly.ports.Fleet`."""
        with self._call("prices"):
            return self._get(Prices, "ec2")

    # -- writing -------------------------------------------------------------------------------

    def write(self, changes: Sequence[Change], fence: int | None = None) -> None:
        """See `mayfly.ports.Fleet`."""
        with self._call("write"):
            touched = rows(changes, fence)
            for row in touched:
                if not self._may(row):
                    raise Conflict(f"{row.key} is not as it was read")
            for row in touched:
                self._write_row(row)

    def _may(self, row: Row) -> bool:
        stored = self.records.get(row.key)
        if row.fence is not None and not (isinstance(stored, Lease) and stored.fence == row.fence):
            return False
        if row.slot:
            return self.pointers.get(row.key, row.slot) == row.slot
        match row.change:
            case Save(record) | Drop(record):
                return record.version == (stored.version if stored else 0)
            case Assign():
                waiting = self._mailbox.rows.get(row.key)
                return waiting is not None and waiting.assignment is None
            case Unassign() | None:
                return True

    def _write_row(self, row: Row) -> None:
        if row.slot:
            self.pointers[row.key] = row.slot
        match row.change:
            case Save(record):
                self._store(row.key, self._with_freed(row.key, record))
            case Drop():
                self._forget(row.key)
            case Assign(assignment=assignment, expires=expires):
                waiting = self._mailbox.rows[row.key]
                waiting.assignment, waiting.expires = dict(assignment), expires
            case Unassign():
                if assigned := self._mailbox.rows.get(row.key):
                    assigned.assignment = None
            case None:
                pass
        stored = self.records.get(row.key)
        if (row.freed or row.boots) and isinstance(stored, Ledger):
            if row.boots and len(stored.boots) >= MOST_NOTES:
                boots, version = fewer_notes(stored.boots), stored.version + 1
                stored = replace(stored, boots=boots, version=version)
            self.records[row.key] = replace(
                stored,
                live=stored.live - row.freed,
                freed=stored.freed + row.freed,
                boots=stored.boots + row.boots,
            )

    def _with_freed(self, key: str, record: Record) -> Record:
        """The record to store: a ledger keeps what was freed and noted since its read."""
        stored = self.records.get(key)
        if isinstance(record, Ledger) and isinstance(stored, Ledger):
            since = stored.freed - record.freed
            notes = stored.boots[record.counted :]
            live = record.live - since
            return replace(record, live=live, freed=stored.freed, boots=notes, counted=0)
        return record

    def _store(self, key: str, record: Record) -> None:
        self._forget(key)
        record = replace(record, version=record.version + 1)
        self.records[key] = record
        if keys := open_keys(record):
            self._open.setdefault(_place(*keys), {})[key] = record

    def _forget(self, key: str) -> None:
        record = self.records.pop(key, None)
        if record and (keys := open_keys(record)):
            del self._open[_place(*keys)][key]

    def _get(self, kind: type[AnyRecord], name: str | SlotKey) -> AnyRecord | None:
        if (key := key_of(kind, name)) in self.unreadable:
            raise Misconfigured(f"row {key} is not a readable {kind.__name__}")
        return cast("AnyRecord | None", self.records.get(key))

    def _found(self, kind: type[AnyRecord], names: Iterable[str | SlotKey]) -> Found[AnyRecord]:
        found, bad = list[AnyRecord](), list[str]()
        for name in names:
            try:
                record = self._get(kind, name)
            except Misconfigured:
                bad.append(str(name))
            else:
                found.extend([record] if record is not None else [])
        return Found(found, bad)

    def _list(
        self,
        kind: type[AnyRecord],
        partition: str,
        states: Collection[Ranked] | None = None,
    ) -> list[AnyRecord]:
        shown = self._open if self._shown is None else self._shown
        asked = [None] if states is None else dict.fromkeys(states)
        places = [(partition, open_prefix(kind, state)) for state in asked]
        return [
            cast("AnyRecord", record)
            for place in places
            for key, record in sorted(shown.get(place, {}).items())
            if key not in self.unreadable
        ]


def _place(partition: str, sort: str) -> tuple[str, str]:
    kind, state, _ = sort.split("#", 2)
    return partition, f"{kind}#{state}#"
