"""The closed records of the Fleet table in memory."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from mayfly.adapters.dynamodb.records import CHANGES_PARTITION, closed_keys, closed_prefix
from mayfly.records.audit import ParameterChange, SpecChange
from mayfly.records.model import AnyRecord, Claim, Instance, Launch
from mayfly.records.pages import Page
from mayfly_fakes.faults import Faults
from mayfly_fakes.fleet import FakeFleet


class FakeHistory(Faults):
    """Implements `mayfly.ports.History` over the records of a fake fleet."""

    def __init__(self, fleet: FakeFleet, page: int = 500) -> None:
        super().__init__()
        self._fleet = fleet
        self._page = page

    def claims(self, queue: str, start: datetime, end: datetime, after: str = "") -> Page[Claim]:
        """See `mayfly.ports.History`."""
        with self._call("claims"):
            return self._read(Claim, queue, start, end, after)

    def instances(
        self, queue: str, start: datetime, end: datetime, after: str = "", most: int | None = None
    ) -> Page[Instance]:
        """See `mayfly.ports.History`."""
        with self._call("instances"):
            return self._read(Instance, queue, start, end, after, most=most)

    def launches(self, queue: str, start: datetime, end: datetime, after: str = "") -> Page[Launch]:
        """See `mayfly.ports.History`."""
        with self._call("launches"):
            return self._read(Launch, queue, start, end, after)

    def changes(self, start: datetime, end: datetime, after: str = "") -> Page[ParameterChange]:
        """See `mayfly.ports.History`."""
        with self._call("changes"):
            return self._read(ParameterChange, CHANGES_PARTITION, start, end, after)

    def spec_changes(self, start: datetime, end: datetime, after: str = "") -> Page[SpecChange]:
        """See `mayfly.ports.History`."""
        with self._call("spec_changes"):
            return self._read(SpecChange, CHANGES_PARTITION, start, end, after)

    def _read(
        self,
        kind: type[AnyRecord],
        partition: str,
        start: datetime,
        end: datetime,
        after: str,
        *,
        most: int | None = None,
    ) -> Page[AnyRecord]:
        entries = list[tuple[str, str]]()
        for key, record in self._fleet.records.items():
            place = closed_keys(record)
            if isinstance(record, kind) and place and place[0] == partition:
                entries.append((place[1], key))
        first, last = closed_prefix(kind, start), closed_prefix(kind, end)
        entries = sorted((each for each in entries if first <= each[0] < last), reverse=True)
        left = [each for each in entries if not after or each[0] < after]
        size = min(self._page, most or self._page)
        page = left[:size]
        return Page(
            tuple(
                cast("AnyRecord", self._fleet.records[key])
                for _, key in page
                if key not in self._fleet.unreadable
            ),
            page[-1][0] if len(page) == size else "",
            tuple(key for _, key in page if key in self._fleet.unreadable),
        )
