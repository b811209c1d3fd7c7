"""The Fleet table with an index that shows each write when it does, and not in one order."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Collection, Sequence
from itertools import count
from typing import TypeAlias, cast

from mayfly.adapters.dynamodb.records import open_keys, open_prefix
from mayfly.adapters.dynamodb.rows import Row
from mayfly.records.changes import Change, Drop, Save
from mayfly.records.model import AnyRecord, Record
from mayfly.records.states import Ranked
from mayfly_fakes import FakeFleet, FakeMailbox
from mayfly_lab.sim.chance import Chance
from mayfly_lab.sim.time import Time

_USUAL = 0.25
"""Seconds until the index usually shows a write, at most."""
_STALE, _VERY_STALE = 5.0, 100.0
_OLDER = 3.0
"""Seconds by which an older page of the index is older, at most."""

_Place: TypeAlias = tuple[str, str]
Wrote: TypeAlias = Callable[[Sequence[Change], int | None], object]


class SimFleet(FakeFleet):
    """The fake table whose lists lag behind, row by row."""

    def __init__(self, mailbox: FakeMailbox, time: Time, chance: Chance) -> None:
        super().__init__(mailbox)
        self.wrote: list[Wrote] = []
        """What to call after each write."""
        self._time = time
        self._chance = chance
        self._coming: list[tuple[float, int, int, str, Record | None]] = []
        self._numbers = count()
        self._entries: dict[str, tuple[int, _Place | None, Record | None]] = {}
        self._places: dict[_Place, dict[str, Record]] = {}
        self._former: deque[tuple[float, str, _Place | None, Record | None]] = deque()
        self._pages = count()

    def write(self, changes: Sequence[Change], fence: int | None = None) -> None:
        """See `mayfly.ports.Fleet`."""
        super().write(changes, fence)
        for call in self.wrote:
            call(changes, fence)

    def _write_row(self, row: Row) -> None:
        before = self.records.get(row.key)
        super()._write_row(row)
        match row.change:
            case Save():
                record: Record | None = self.records[row.key]
                version = self.records[row.key].version
            case Drop() if before is not None:
                record, version = None, before.version + 1
            case _:
                return
        due = self._time.seconds + self._lag(f"index {row.key} {version}")
        heapq.heappush(self._coming, (due, next(self._numbers), version, row.key, record))

    def _lag(self, name: str) -> float:
        if self._chance.happens("very-stale-index", name):
            return self._chance.between(_STALE, _VERY_STALE, f"very stale {name}")
        if self._chance.happens("stale-index", name):
            return self._chance.between(_USUAL, _STALE, f"stale {name}")
        return self._chance.between(0.0, _USUAL, name)

    def _show(self) -> None:
        now, coming = self._time.seconds, self._coming
        while coming and coming[0][0] <= now:
            _, _, version, key, record = heapq.heappop(coming)
            shown, place, old = self._entries.get(key, (0, None, None))
            if version < shown:
                continue
            if place is not None:
                del self._places[place][key]
            keys = open_keys(record) if record is not None else None
            new = _place(*keys) if keys is not None else None
            self._entries[key] = version, new, record
            if new is not None and record is not None:
                self._places.setdefault(new, {})[key] = record
            self._former.append((now, key, place, old))
        while self._former and self._former[0][0] < now - _OLDER:
            self._former.popleft()

    def _list(
        self,
        kind: type[AnyRecord],
        partition: str,
        states: Collection[Ranked] | None = None,
    ) -> list[AnyRecord]:
        self._show()
        former = self._older()
        asked = [None] if states is None else dict.fromkeys(states)
        found: list[AnyRecord] = []
        for state in asked:
            place = partition, open_prefix(kind, state)
            page: dict[str, Record] = self._places.get(place, {})
            if former:
                page = {key: record for key, record in page.items() if key not in former}
                page |= {k: old for k, (at, old) in former.items() if at == place and old}
            for key, record in sorted(page.items()):
                if key not in self.unreadable:
                    found.append(cast("AnyRecord", record))
        return found

    def _older(self) -> dict[str, tuple[_Place | None, Record | None]]:
        """What an older page shows, by key, in place of the present entries."""
        if not self._former or not self._chance.happens("older-page", f"page {next(self._pages)}"):
            return {}
        found: dict[str, tuple[_Place | None, Record | None]] = {}
        for _, key, place, record in reversed(self._former):
            found[key] = place, record
        return found


def _place(partition: str, sort: str) -> _Place:
    kind, state, _ = sort.split("#", 2)
    return partition, f"{kind}#{state}#"
