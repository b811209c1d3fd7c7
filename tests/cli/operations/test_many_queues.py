"""The time of `mayfly status` for a stack of many queues, far from its region."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

from mayfly.records.changes import Save
from mayfly_cli.operations.reading import Records
from mayfly_cli.status.reading import read_status
from mayfly_fakes import FakeFleet, FakeHistory, FakeMailbox
from tests.unit.builders import NOW, a_claim, a_queue, an_instance, slot

QUEUES = 20
ROUND_TRIP = 0.05
"""Seconds of one call."""


class FarAway:
    """The reads of a fleet or its history, each of which takes a round trip."""

    def __init__(self, fleet: FakeFleet | FakeHistory) -> None:
        self._fleet = fleet
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            self.calls += 1
            time.sleep(ROUND_TRIP)
            return getattr(self._fleet, name)(*arguments, **named)

        return call


def test_status_of_twenty_queues_takes_less_than_two_seconds() -> None:
    fleet = FakeFleet(FakeMailbox())
    for number in range(QUEUES):
        name = f"queue-{number}"
        made = (
            a_queue(queue=name, version=0),
            a_claim(f"job-{number}", queue=name, version=0),
            an_instance(number=number, key=slot(number, f"l{number}"), queue=name, version=0),
        )
        fleet.write([Save(each) for each in made])
    records, history = FarAway(fleet), FarAway(FakeHistory(fleet))
    far: Any = SimpleNamespace(
        records=records, history=history, stack="ci", region="eu-central-1", clock=lambda: NOW
    )
    begun = time.monotonic()
    status = read_status(far, None)
    took = time.monotonic() - begun
    assert len(status.queues) == QUEUES
    assert history.calls == 2 * QUEUES
    # One after the other, the round trips alone would take longer.
    assert (records.calls + history.calls) * ROUND_TRIP > 2
    assert took < 2


def test_the_tool_has_no_way_to_write_a_record() -> None:
    names = {name for name in vars(Records) if not name.startswith("_")}
    assert "queues" in names
    assert not {name for name in names if name.startswith(("write", "save", "remove", "drop"))}
