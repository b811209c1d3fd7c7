"""Reap: EC2 instances with our tag that no record explains."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mayfly.reap.actions import RaiseAlarm, ReapAction, TerminateInstances
from mayfly.reap.decide import RESTORED, STRAY_AGE, ReapView
from mayfly.records.changes import Drop, Save
from mayfly.records.model import Stray
from mayfly.tick.actions import WriteRecords
from tests.unit.builders import LAUNCH, NOW, ago, ec2_id, seen
from tests.unit.reap_views import decided


def a_view(unknown: int = 1, known: int = 0, **changes: Any) -> ReapView:
    """Some instances of which there is no record, beside others that are in order."""
    shows = {ec2_id(n): seen(n) for n in range(unknown + known)}
    ids = frozenset(ec2_id(n) for n in range(unknown))
    made = ReapView((), shows, {}, {}, {}, frozenset(), {}, ids, {})
    return replace(made, **changes)


def strays(*numbers: int, seconds: float) -> dict[str, Stray]:
    at = ago(seconds=seconds)
    return {ec2_id(n): Stray(ec2_id(n), at, version=1) for n in numbers}


def terminated(actions: list[ReapAction]) -> list[str]:
    return [id_ for a in actions if isinstance(a, TerminateInstances) for id_ in a.instance_ids]


def test_a_stray_is_noted_at_first_sight_and_lives() -> None:
    (write,) = decided(a_view())
    assert isinstance(write, WriteRecords)
    assert write.changes == (Save(Stray(ec2_id(), NOW)),)


@pytest.mark.parametrize(("seconds", "dead"), [(1, False), (59, False), (60, True), (600, True)])
def test_it_dies_when_it_is_one_still_a_minute_later(seconds: float, dead: bool) -> None:
    actions = decided(a_view(strays=strays(0, seconds=seconds)))
    assert terminated(actions) == ([ec2_id()] if dead else [])
    assert STRAY_AGE.total_seconds() == 60


def test_an_instance_of_an_open_launch_is_no_stray() -> None:
    assert decided(a_view(open_launches=frozenset({LAUNCH}))) == []


def test_a_stray_that_a_launch_explains_after_all_is_forgotten() -> None:
    noted = strays(0, seconds=99)
    (write,) = decided(a_view(strays=noted, open_launches=frozenset({LAUNCH})))
    assert isinstance(write, WriteRecords)
    assert write.changes == (Drop(noted[ec2_id()]),)


@pytest.mark.parametrize("state", ["shutting-down", "terminated"])
def test_one_that_has_ended_is_forgotten(state: str) -> None:
    noted = strays(0, seconds=99)
    view = a_view(strays=noted, seen={ec2_id(): seen(state=state)})
    assert [type(action) for action in decided(view)] == [WriteRecords]


def test_one_that_ec2_does_not_show_any_more_is_forgotten() -> None:
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
def test_too_many_at_once_look_like_a_restored_table_and_none_dies(
    unknown: int, known: int, alarm: bool
) -> None:
    old = strays(*range(unknown), seconds=600)
    actions = decided(a_view(unknown, known, strays=old))
    assert [type(action) for action in actions] == ([RaiseAlarm] if alarm else [TerminateInstances])
    assert len(terminated(actions)) == (0 if alarm else unknown)
