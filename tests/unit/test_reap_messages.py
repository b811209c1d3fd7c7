"""A batch of messages of reap's queue: one look for all, and no message hides another."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from mayfly.adapters.dynamodb.records import key, key_of
from mayfly.errors import Conflict, Transient
from mayfly.events import Messages, SpotWarning, StateChanged, read_messages
from mayfly.metrics import Metric
from mayfly.reap.loop import reap_and_look_again, reap_messages
from mayfly.records.changes import Change, Save
from mayfly.records.model import Claim, Instance, QueueRecord
from mayfly.records.states import ClaimState, InstanceState
from mayfly.tick.edge import Edge
from mayfly.tick.outcome import Left, Outcome
from tests.unit.builders import QUEUE
from tests.unit.world import World, a_warm_world, launched, running

S = InstanceState
KINDS = {
    "state": "EC2 Instance State-change Notification",
    "spot": "EC2 Spot Instance Interruption Warning",
}
WARNED = "2026-11-20T09:41:00Z"


def event(kind: str, instance_id: object, **detail: object) -> dict[str, Any]:
    """An event of EC2 as EventBridge puts it into a message."""
    detail = {"instance-id": instance_id, **detail}
    return {"detail-type": KINDS[kind], "time": WARNED, "detail": detail}


def batch(*bodies: object) -> dict[str, Any]:
    """A batch in the form of Lambda's event; a body that is no text becomes JSON."""
    texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
    return {"Records": [{"messageId": f"m{n}", "body": t} for n, t in enumerate(texts)]}


def act(world: World, *bodies: object) -> Outcome:
    return reap_messages(world.reap_ports, read_messages(batch(*bodies)), world.edge)


def ended(world: World, *reasons: str) -> list[str]:
    """End the first instances of the world for these reasons; returns their ids."""
    ids = [str(i.instance_id) for i in world.instances()][: len(reasons)]
    for instance_id, reason in zip(ids, reasons, strict=True):
        world.machines.end(instance_id, reason)
    return ids


# -- reading ---------------------------------------------------------------------------------------


def test_events_and_nudges_are_told_apart() -> None:
    bodies = (event("state", "i-1", state="terminated"), {"reason": "x"}, event("spot", "i-2"))
    messages = read_messages(batch(*bodies))
    assert messages.nudges == 1
    assert messages.unreadable == ()
    assert [type(each) for each in messages.events] == [StateChanged, SpotWarning]


def test_every_unreadable_message_is_named_and_hides_no_other() -> None:
    bad: list[object] = [
        "no json",
        "5",
        "null",
        '"text"',
        event("state", None, state="terminated"),
        event("state", "i-1"),
        event("state", 7, state="terminated"),
        {"detail-type": "Pizza Ordered", "detail": {}},
        {"detail-type": "Scheduled Event"},
        event("spot", "i-1") | {"time": None},
        event("spot", "i-1") | {"time": "2026-11-20T09:41:00"},
        event("spot", "i-1") | {"detail": None},
        event("spot", "i-1") | {"detail": ["i-1"]},
    ]
    good = event("state", "i-good", state="terminated")
    given: dict[str, Any] = batch(*bad, good)
    given["Records"] += [None, {}, {"messageId": "m-null", "body": None}]
    messages = read_messages(given)
    assert messages.events == (StateChanged("i-good", "terminated"),)
    assert messages.nudges == 0
    assert len(messages.unreadable) == len(bad) + 3
    assert messages.unreadable[0].startswith("message m0: JSONDecodeError")
    assert any(line.startswith("message m-null: ") for line in messages.unreadable)
    assert all(len(line) <= 300 for line in messages.unreadable)


def test_an_unreadable_message_is_counted_and_the_rest_of_its_batch_is_done() -> None:
    world = running()
    (instance_id,) = ended(world, "Server.SpotInstanceTermination")
    outcome = act(world, "no json", event("state", instance_id, state="terminated"))
    ((metric, line),) = outcome.alarms
    assert metric is Metric.UNREADABLE_ELEMENT
    assert line.startswith("left out: message m0: ")
    assert world.instance().state is S.TERMINATED


# -- one look for a batch --------------------------------------------------------------------------


def calls(world: World) -> Mapping[str, int]:
    return dict(world.fleet.calls + world.machines.calls + world.mailbox.calls)


def test_a_batch_of_foreign_instances_costs_one_read() -> None:
    world = running()
    for port in world.ports:
        port.calls.clear()
    outcome = act(world, *[event("state", f"i-foreign{n}", state="stopped") for n in range(10)])
    assert calls(world) == {"instances_of": 1}
    assert not outcome.changed
    assert not outcome.unfinished


def test_the_ends_of_a_batch_are_closed_after_one_look_at_all() -> None:
    world = a_warm_world(10)
    for port in world.ports:
        port.calls.clear()
    ids = ended(world, *["Server.SpotInstanceTermination"] * 10)
    act(world, *[event("state", each, state="terminated") for each in ids])
    assert len(world.instances(S.TERMINATED)) == 10
    once = ("claims_of", "queue", "reports")
    assert [calls(world)[name] for name in once] == [1, 1, 1]
    assert calls(world)["instances_of"] == 2  # of the records, and of EC2
    assert "instances" not in calls(world)


def test_repeated_and_reordered_events_of_an_instance_count_once() -> None:
    world = running()
    instance = world.instance()
    world.report(instance, "done", exit=0)
    (name,) = ended(world, "Client.InstanceInitiatedShutdown")
    states = ("shutting-down", "terminated", "shutting-down", "terminated")
    outcome = act(world, *[event("state", name, state=state) for state in states])
    assert world.instance().state is S.TERMINATED
    assert not outcome.unfinished
    assert world.claim("job-1").state is ClaimState.FINISHED


def test_the_earliest_of_two_spot_warnings_counts() -> None:
    world = running()
    name = str(world.instance().instance_id)
    soon, late = world.clock.now, world.clock.now + timedelta(minutes=2)
    given = Messages((SpotWarning(name, late), SpotWarning(name, soon)), 0, ())
    reap_messages(world.reap_ports, given, world.edge)
    (row,) = [r for r in world.mailbox.rows.values() if r.notice]
    assert row.notice == soon.isoformat()
    assert world.mailbox.calls["notice"] == 1


def test_spot_warnings_come_before_ends_and_before_nudges() -> None:
    world = a_warm_world(2)
    (gone,) = ended(world, "Server.InternalError")
    (warned,) = [str(i.instance_id) for i in world.instances() if i.instance_id != gone]
    order: list[str] = []
    write, terminate = world.fleet.write, world.machines.terminate

    def writing(changes: Sequence[Change], fence: int | None = None) -> None:
        saved = [c.record for c in changes if isinstance(c, Save)]
        order.extend(f"{r.instance_id} {r.state}" for r in saved if isinstance(r, Instance))
        write(changes, fence)

    def terminating(instance_ids: Collection[str]) -> Mapping[str, str]:
        order.append(f"terminate {' '.join(instance_ids)}")
        return terminate(instance_ids)

    vars(world.fleet)["write"], vars(world.machines)["terminate"] = writing, terminating
    act(world, {"reason": "x"}, event("state", gone, state="terminated"), event("spot", warned))
    assert order[:3] == [f"{warned} condemned", f"{gone} terminated", f"terminate {warned}"]


def test_a_batch_with_several_nudges_ticks_once() -> None:
    world = launched()
    world.machines.calls.clear()
    act(world, {"reason": "a"}, {"reason": "b"}, {"reason": "c"})
    assert world.machines.calls["instances"] == 1


# -- what fails ------------------------------------------------------------------------------------


def test_an_unreadable_record_of_a_batch_hides_no_other() -> None:
    world = a_warm_world(3)
    first, second, third = world.instances()
    world.fleet.unreadable.add(key(first))
    for each in (first, second):
        world.machines.end(str(each.instance_id), "Server.InternalError")
    outcome = act(
        world,
        event("state", first.instance_id, state="terminated"),
        event("state", second.instance_id, state="terminated"),
        event("spot", third.instance_id),
    )
    world.fleet.unreadable.clear()
    assert {i.key: i.state for i in world.instances()} == {
        first.key: S.READY,
        second.key: S.TERMINATED,
        third.key: S.CONDEMNED,
    }
    assert outcome.problems == [
        f"nothing is decided about {first.instance_id}: its record cannot be read"
    ]


def test_an_instance_with_an_unreadable_claim_stays_open_and_the_others_are_closed() -> None:
    world = a_warm_world(2)
    world.schedule("job-1")
    world.dispatch()
    names = ended(world, "Server.InternalError", "Server.InternalError")
    (bound,) = world.instances(S.ASSIGNED)
    world.fleet.unreadable.add(key_of(Claim, "job-1"))
    act(world, *[event("state", each, state="terminated") for each in names])
    assert {i.state for i in world.instances() if i.key == bound.key} == {S.ASSIGNED}
    assert {i.state for i in world.instances() if i.key != bound.key} == {S.TERMINATED}


def test_an_unreadable_queue_record_keeps_no_end_from_being_closed() -> None:
    world = running()
    (name,) = ended(world, "Server.InternalError")
    world.fleet.unreadable.add(key_of(QueueRecord, QUEUE))
    act(world, event("state", name, state="terminated"))
    assert world.instance().state is S.TERMINATED


def test_a_batch_that_cannot_be_looked_up_is_left_to_the_schedule_with_its_ids() -> None:
    world = a_warm_world()
    (name,) = ended(world, "Server.InternalError")
    world.fleet.fail_next("instances_of", Transient("throttled"))
    outcome = act(world, event("state", name, state="terminated"))
    assert outcome.left == {Left.TRANSIENT: 1}
    assert world.instance().state is S.READY
    world.reap()
    assert world.instance().state is S.TERMINATED


def test_a_lost_race_about_one_instance_repeats_the_batch_and_reads_anew() -> None:
    world = a_warm_world(2)
    names = ended(world, "Server.InternalError", "Server.InternalError")
    world.fleet.fail_next("write", Conflict("another tick was first"))
    outcome = act(world, *[event("state", each, state="terminated") for each in names])
    assert outcome.lost_races == 1
    assert {i.state for i in world.instances()} == {S.TERMINATED}


def test_a_batch_without_time_says_so_and_the_schedule_does_the_rest() -> None:
    world = a_warm_world(2)
    names = [str(i.instance_id) for i in world.instances()]
    over = Edge(world.clock, world.clock.sleep, world.clock.now)
    given = read_messages(batch(*[event("spot", each) for each in names]))
    outcome = reap_messages(world.reap_ports, given, over)
    assert outcome.left == {Left.TRANSIENT: 1}
    assert {i.state for i in world.instances()} == {S.READY}


def test_a_nudged_reap_waits_for_no_host_because_events_wait_behind_it() -> None:
    world = a_warm_world()
    world.schedule("job-1")
    world.dispatch()
    world.after(seconds=30)
    began = world.clock.now
    act(world, {"reason": "x"})
    assert world.clock.now == began
    assert world.instance().state is S.ASSIGNED


def test_a_dead_host_is_overdue_to_the_schedule_alone_within_a_minute_of_its_job() -> None:
    for seconds_before_the_schedule in range(0, 60, 5):
        world = a_warm_world()
        world.schedule("job-1")
        world.dispatch()
        given = world.clock.now
        act(world, {"reason": "x"})
        world.after(seconds=seconds_before_the_schedule)
        while world.instance().state is S.ASSIGNED:
            began = world.clock.now
            reap_and_look_again(world.reap_ports, world.edge)
            if world.instance().state is S.ASSIGNED:
                world.clock.now = began + timedelta(minutes=1)
        assert timedelta(seconds=45) < world.clock.now - given <= timedelta(seconds=60)
