"""Sandbox replaces profiles side by side: a replacement that hangs holds up no other instance."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event, Lock, current_thread
from typing import Any

import pytest

from mayfly.errors import Transient
from mayfly.records.changes import Save
from mayfly.records.model import Instance
from mayfly.records.states import InstanceState
from mayfly.sandbox import apply as applying
from mayfly.sandbox import tick as sandbox
from mayfly.tick.edge import Edge
from mayfly.tick.outcome import Left
from tests.unit.builders import QUEUE
from tests.unit.script import Script
from tests.unit.world import World, a_world

S = InstanceState


def set_up(count: int) -> World:
    """A world in which this many hosts have just been set up."""
    limits = {"limits/max-instances": str(count), "limits/max-launches-per-minute": str(count)}
    world = a_world(**limits, **{"pool/hot": str(count)})
    while len(world.instances()) < count:
        world.provision()
    world.boot()
    return world


def oldest(world: World) -> Instance:
    return min(world.instances(), key=lambda i: (i.created, i.key))


def replaced(world: World) -> set[str]:
    """EC2 ids of the instances with their sandbox profile."""
    machines = world.machines.machines.items()
    return {name for name, each in machines if "/sandbox/" in each.association.profile}


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """Hangs whatever waits for this event, until the test is over; ticks wait for a moment."""
    monkeypatch.setattr(applying, "REPLACE_SECONDS", 0.3)
    event = Event()
    yield event
    event.set()


def hang(world: World, instance: Instance, stuck: Event) -> None:
    """Let the replacement of this instance's profile hang."""
    real = world.machines.replace_profile
    mine = world.machines.machines[str(instance.instance_id)].association.id

    def replace_profile(association: str, profile: str) -> None:
        if association == mine:
            stuck.wait(60)
        real(association, profile)

    vars(world.machines)["replace_profile"] = replace_profile


def test_a_replacement_that_hangs_holds_up_no_other_and_is_tried_again(stuck: Event) -> None:
    world = set_up(6)
    slow = oldest(world)
    hang(world, slow, stuck)
    outcome = world.sandbox()
    assert outcome.left == {Left.TRANSIENT: 1}
    assert len(replaced(world)) == 5
    assert slow.instance_id not in replaced(world)
    assert {i.state for i in world.instances()} == {S.SWAPPING}
    vars(world.machines).pop("replace_profile")
    world.sandbox()
    assert len(replaced(world)) == 6


def test_hosts_become_ready_while_the_replacement_of_an_older_one_hangs(stuck: Event) -> None:
    world = set_up(3)
    slow = oldest(world)
    hang(world, slow, stuck)
    world.sandbox()
    world.prove()
    world.sandbox()
    assert {i.key for i in world.instances() if i.state is not S.READY} == {slow.key}


def test_ready_hosts_are_written_first_and_the_oldest_of_all_first() -> None:
    world = set_up(2)
    world.sandbox()
    world.configure(**{"pool/hot": "4", "limits/max-instances": "4"})
    world.after(seconds=61).provision()
    world.boot()
    world.prove()
    ready = sorted(world.instances(S.SWAPPING), key=lambda i: (i.created, i.key))
    fresh = sorted(world.instances(S.LAUNCHING), key=lambda i: (i.created, i.key))
    assert (len(ready), len(fresh)) == (2, 2)
    order: list[tuple[object, InstanceState]] = []
    write = world.fleet.write

    def writing(changes: Any, fence: int | None = None) -> None:
        saved = [change.record for change in changes if isinstance(change, Save)]
        order.extend((each.key, each.state) for each in saved if isinstance(each, Instance))
        write(changes, fence)

    vars(world.fleet)["write"] = writing
    world.sandbox()
    expected = [(i.key, S.READY) for i in ready] + [(i.key, S.SWAPPING) for i in fresh]
    assert order == expected


def test_each_replacement_follows_its_record_and_one_thread_writes_the_records() -> None:
    world = set_up(12)
    real, write = world.machines.replace_profile, world.fleet.write
    writers: set[str] = set()

    def replace_profile(association: str, profile: str) -> None:
        name = world.machines._associated[association]
        record = world.fleet.instance_of(name)
        assert record is not None
        assert record.state is S.SWAPPING
        real(association, profile)

    def writing(*given: Any) -> None:
        writers.add(current_thread().name)
        write(*given)

    vars(world.machines)["replace_profile"] = replace_profile
    vars(world.fleet)["write"] = writing
    assert not world.sandbox().left
    assert len(replaced(world)) == 12
    assert writers == {current_thread().name}


def throttling(world: World, allowed: int) -> list[str]:
    """Let EC2 throttle after this many replacements. Returns the calls so far, as a live list."""
    real, calls, lock = world.machines.replace_profile, list[str](), Lock()

    def replace_profile(association: str, profile: str) -> None:
        with lock:
            calls.append(association)
            throttled = len(calls) > allowed
        if throttled:
            raise Transient("RequestLimitExceeded")
        real(association, profile)

    vars(world.machines)["replace_profile"] = replace_profile
    return calls


def test_a_throttled_replacement_ends_the_tick_of_replacements_and_the_rest_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = set_up(40)
    calls = throttling(world, 5)
    outcome = world.sandbox()
    assert len(replaced(world)) == 5
    # Those under way may be throttled too; no further one begins after the first answer.
    assert len(calls) <= 5 + 2 * applying.AT_ONCE
    assert outcome.left == {Left.TRANSIENT: 35}
    assert f"ReplaceProfile of queue {QUEUE}: not begun, because EC2 throttles" in caplog.text
    vars(world.machines).pop("replace_profile")
    world.sandbox()
    assert len(replaced(world)) == 40


def test_more_replacements_than_a_tick_begins_are_left_to_the_next_tick_and_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(applying, "MOST_REPLACED", 4)
    world = set_up(6)
    world.sandbox()
    assert len(replaced(world)) == 4
    assert caplog.text.count(f"ReplaceProfile of queue {QUEUE}: a tick begins 4 replacements") == 2
    world.sandbox()
    assert len(replaced(world)) == 6


def test_without_time_nothing_begins_and_the_next_tick_does_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = set_up(2)
    over = Edge(world.clock, world.clock.sleep, world.clock.now)
    result = sandbox.tick(world.sandbox_ports, over, wide=True)
    assert result.outcome.left == {Left.TRANSIENT: 1}
    assert "2 actions about instances: no time is left" in caplog.text
    assert replaced(world) == set()
    world.sandbox()
    assert len(replaced(world)) == 2


def test_hosts_that_need_no_profile_are_moved_on_while_ec2_does_not_tell_profiles() -> None:
    world = set_up(3)
    first, second, third = world.instances()
    world.report(first, "failed", reason="no disk left")
    world.mailbox.rows.pop(str(second.bootstrap_row))
    world.report(second, "booting")
    world.machines.fail_next("associations", Transient("no answer"))
    result = sandbox.tick(world.sandbox_ports, world.edge, wide=True)
    states = {i.key: i.state for i in world.instances()}
    assert states[second.key] is S.BOOTING
    assert states[third.key] is S.LAUNCHING
    assert result.outcome.left == {Left.TRANSIENT: 1}
    assert result.open_work


def test_after_a_throttled_tick_sandbox_waits_a_second_and_not_a_moment() -> None:
    world = set_up(1)
    throttling(world, 0)
    script = Script(world, 5)
    script.sandbox()
    assert set(script.waits) == {1.0}
