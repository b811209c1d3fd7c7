"""Reap: strays, which are EC2 instances with the stack's tag and without a record."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mayfly.reap.actions import RaiseAlarm, TerminateInstances
from mayfly.reap.decide import RESTORED, STRAY_AGE
from mayfly.reap.view import ReapView
from mayfly.records.changes import Drop, Save
from mayfly.records.model import Stray
from mayfly.tick.actions import WriteRecords
from tests.unit.builders import LAUNCH, NOW, ago, ec2_id, seen
from tests.unit.reap_views import AnyAction, decided


def a_view(unknown: int = 1, known: int = 0, **changes: Any) -> ReapView:
    """A view with `unknown` instances without record and `known` instances with one."""
    shows = {ec2_id(n): seen(n) for n in range(unknown + known)}
    ids = frozenset(ec2_id(n) for n in range(unknown))
    made = ReapView((), shows, {}, {}, {}, frozenset(), {}, ids, {})
    return replace(made, **changes)


def strays(*numbers: int, seconds: float) -> dict[str, Stray]:
    at = ago(seconds=seconds)
    return {ec2_id(n): Stray(ec2_id(n), at, version=1) for n in numbers}


def terminated(actions: list[AnyAction]) -> list[str]:
    return [id_ for a in actions if isinstance(a, TerminateInstances) for id_ in a.instance_ids]


def test_a_new_stray_is_recorded_and_not_terminated() -> None:
    (write,) = decided(a_view())
    assert isinstance(write, WriteRecords)
    assert write.changes == (Save(Stray(ec2_id(), NOW)),)


@pytest.mark.parametrize(("seconds", "dead"), [(1, False), (59, False), (60, True), (600, True)])
def test_a_stray_is_terminated_a_minute_after_its_record(seconds: float, dead: bool) -> None:
    actions = decided(a_view(strays=strays(0, seconds=seconds)))
    assert terminated(actions) == ([ec2_id()] if dead else [])
    assert STRAY_AGE.total_seconds() == 60


def test_an_instance_of_an_open_launch_is_no_stray() -> None:
    assert decided(a_view(open_launches=frozenset({LAUNCH}))) == []


def test_the_record_of_a_stray_that_an_open_launch_explains_is_dropped() -> None:
    noted = strays(0, seconds=99)
    (write,) = decided(a_view(strays=noted, open_launches=frozenset({LAUNCH})))
    assert isinstance(write, WriteRecords)
    assert write.changes == (Drop(noted[ec2_id()]),)


@pytest.mark.parametrize("state", ["shutting-down", "terminated"])
def test_the_record_of_an_ended_stray_is_dropped(state: str) -> None:
    noted = strays(0, seconds=99)
    view = a_view(strays=noted, seen={ec2_id(): seen(state=state)})
    assert [type(action) for action in decided(view)] == [WriteRecords]


def test_the_record_of_a_stray_that_ec2_no_longer_shows_is_dropped() -> None:
    (write,) = decided(a_view(0, strays=strays(0, seconds=99)))
    assert isinstance(write, WriteRecords)
    assert [type(change) for change in write.changes] == [Drop]


@pytest.mark.parametrize(
    ("unknown", "known", "alarm"),
    [
        (RESTORED, 0, False),
        (RESTORED + 1, 0, True),
        (RESTORED + 1, 30, True),
        (RESTORED + 1, 36, False),
        (10, 90, False),
        (11, 89, True),
    ],
)
def test_many_strays_raise_an_alarm_and_none_is_terminated(
    unknown: int, known: int, alarm: bool
) -> None:
    old = strays(*range(unknown), seconds=600)
    actions = decided(a_view(unknown, known, strays=old))
    assert [type(action) for action in actions] == ([RaiseAlarm] if alarm else [TerminateInstances])
    assert len(terminated(actions)) == (0 if alarm else unknown)
