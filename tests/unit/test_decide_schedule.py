"""Provision: a pool whose target follows the clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from mayfly.config.queue import QueueConfig
from mayfly.config.schedule_text import parse_schedule
from mayfly.provision.actions import RecordLaunch
from mayfly.provision.decide import decide, next_change
from mayfly.provision.unlisted import SUPPLY
from mayfly.records.model import Instance, saved
from mayfly.records.states import InstanceState
from tests.unit.builders import NOW, a_config, an_instance
from tests.unit.provision_views import crowded, of_condemned, slots_of

MINUTE = timedelta(minutes=1)
START = NOW + 30 * MINUTE
END = NOW + 90 * MINUTE


def pool(text: str) -> QueueConfig:
    return a_config(hot=parse_schedule(text))


def window(count: int, default: int = 1) -> QueueConfig:
    return pool(f"{default}; {START:%Y-%m-%d %H:%M}-{END:%H:%M} = {count}")


def ready(count: int, since: datetime = NOW - 20 * MINUTE) -> list[Instance]:
    made = (an_instance(InstanceState.READY, number) for number in range(count))
    return [replace(each, since=since) for each in made]


@pytest.mark.parametrize(
    ("at", "launches"),
    [
        (START - timedelta(seconds=1), 0),
        (START, 3),
        (END - timedelta(seconds=1), 3),
        (END, 0),
    ],
)
def test_a_window_raises_the_target_from_its_start_until_its_end(
    at: datetime, launches: int
) -> None:
    view = crowded(*ready(1, since=at - MINUTE))
    assert slots_of(decide(view, window(4), at)) == launches


def test_after_a_window_what_was_idle_for_long_goes_and_the_default_stays() -> None:
    view = crowded(*ready(4))
    assert len(of_condemned(decide(view, window(4), END - timedelta(seconds=1)))) == 0
    assert len(of_condemned(decide(view, window(4), END))) == 3


def test_after_a_window_what_waiting_jobs_can_use_stays() -> None:
    assert len(of_condemned(decide(crowded(*ready(4), waiting=2), window(4), END))) == 1


def test_an_end_that_is_over_leaves_the_default() -> None:
    config = pool(f"1; until {NOW - MINUTE:%Y-%m-%dT%H:%MZ} = 9")
    assert slots_of(decide(crowded(), config, NOW)) == 1
    assert next_change(crowded(*ready(1)), config, NOW) is None


@pytest.mark.parametrize(("at", "change"), [(NOW, START), (START, END), (END, None)])
def test_a_tick_is_due_when_the_target_changes(at: datetime, change: datetime | None) -> None:
    kept = ready(4 if at == START else 1, since=at - MINUTE)
    assert next_change(crowded(*kept), window(4), at) == change


def test_a_paused_queue_has_no_change_of_its_target() -> None:
    paused = a_config(hot=window(4).hot, paused=True)
    assert next_change(crowded(), paused, NOW) is None


def test_instances_come_at_the_change_and_not_again_at_the_next_tick() -> None:
    view, config = crowded(), window(4, default=0)
    assert slots_of(decide(view, config, NOW)) == 0
    (launch,) = (a for a in decide(view, config, START) if isinstance(a, RecordLaunch))
    slots = [saved(each) for each in launch.slots]
    assert {each.state for each in slots} <= SUPPLY
    assert slots_of(decide(crowded(*slots), config, START)) == 0
