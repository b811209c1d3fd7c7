"""What functions measure of queues, tick by tick, and how an invocation joins it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from mayfly.dispatch.measures import path_of
from mayfly.errors import Transient
from mayfly.metrics import Failed, Metric, Path
from mayfly.provision import tick as provision
from mayfly.reap import tick as reap
from mayfly.records.model import Step
from mayfly.records.states import InstanceState
from mayfly.tick.measures import MOST_VALUES, Measures, Series
from mayfly.tick.outcome import Outcome
from tests.unit.builders import QUEUE, TYPES
from tests.unit.hosts import POWER_OFF, TERMINATED_BY_US
from tests.unit.world import World, a_warm_world, a_world, launched, running, wanting


def value(outcome: Outcome, metric: Metric, part: str = "") -> float | None:
    """The sum that a tick measured of the world's queue; None where it measured nothing."""
    return outcome.of_queues.total.get(Series(metric, QUEUE, part))


# -- joining ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "sent"),
    [
        (Metric.DENIED, (9,)),
        (Metric.QUEUE_PROBLEMS, (5,)),
        (Metric.JOBS_WAITING, (4,)),
    ],
)
def test_an_invocation_sends_the_sum_the_highest_or_the_latest_of_its_ticks(
    metric: Metric, sent: tuple[float, ...]
) -> None:
    total = Measures()
    for values in ((2, 3), (4,)):
        tick = Measures()
        for each in values:
            tick.note(metric, QUEUE, each)
        total.add(tick)
    total.add(Measures())
    assert dict(total.all()) == {Series(metric, QUEUE): sent}


def test_every_wait_is_sent_up_to_what_one_line_may_hold() -> None:
    total = Measures()
    for second in range(MOST_VALUES + 20):
        tick = Measures()
        tick.note(Metric.WAIT_SECONDS, QUEUE, second, Path.COLD)
        total.add(tick)
    ((series, values),) = total.all()
    assert series == (Metric.WAIT_SECONDS, QUEUE, "cold")
    assert values == tuple(range(MOST_VALUES))


@pytest.mark.parametrize(("metric", "part"), [(Metric.WAIT_SECONDS, ""), (Metric.HOT, "cold")])
def test_a_value_that_no_graph_would_show_is_refused(metric: Metric, part: str) -> None:
    with pytest.raises(ValueError, match=metric):
        Measures().note(metric, QUEUE, 1, part)


# -- waiting ---------------------------------------------------------------------------------------


def test_waiting_jobs_count_from_the_moment_they_were_runnable_also_without_a_reservation() -> None:
    world = wanting(*(f"job-{n:02}" for n in range(15)), **{"limits/max-instances": "1"})
    outcome = world.after(seconds=90).dispatch()
    assert (value(outcome, Metric.JOBS_WAITING), value(outcome, Metric.OLDEST_WAIT)) == (15, 90)


def test_an_idle_queue_and_a_paused_one_have_no_oldest_wait() -> None:
    outcome = a_world().dispatch()
    assert (value(outcome, Metric.JOBS_WAITING), value(outcome, Metric.OLDEST_WAIT)) == (0, 0)
    world = wanting("job-1")
    world.configure(paused="true")
    world.provision()
    outcome = world.after(minutes=4).dispatch()
    assert (value(outcome, Metric.JOBS_WAITING), value(outcome, Metric.OLDEST_WAIT)) == (1, 0)


def test_a_job_that_the_queue_does_not_serve_does_not_wait_for_it() -> None:
    world = a_world()
    world.schedule("job-1", rules=("gpu=yes",))
    assert value(world.after(minutes=9).dispatch(), Metric.JOBS_WAITING) == 0


def test_a_job_that_gets_its_instance_waits_no_more() -> None:
    world = a_warm_world()
    world.schedule("job-1")
    outcome = world.dispatch()
    assert (value(outcome, Metric.JOBS_WAITING), value(outcome, Metric.OLDEST_WAIT)) == (0, 0)


def test_without_a_list_nobody_knows_how_many_jobs_wait() -> None:
    world = wanting("job-1")
    world.buildkite.fail_next("jobs", Transient("503"))
    assert value(world.dispatch(), Metric.JOBS_WAITING) is None


def test_the_wait_ends_when_an_agent_has_the_job_and_is_hot_where_an_instance_was_ready() -> None:
    world = a_warm_world()
    world.after(seconds=1).schedule("job-1")
    world.after(seconds=1).dispatch()
    world.accept("job-1")
    outcome = world.after(seconds=2).dispatch()
    assert value(outcome, Metric.WAIT_SECONDS, Path.HOT) == 3
    assert value(world.after(seconds=2).dispatch(), Metric.WAIT_SECONDS, Path.HOT) is None


def test_the_wait_is_cold_where_the_instance_became_ready_after_the_job_was_runnable() -> None:
    world = wanting("job-1")
    world.provision()
    world.after(seconds=40).make_ready()
    world.dispatch()
    world.accept("job-1")
    outcome = world.after(seconds=2).dispatch()
    assert value(outcome, Metric.WAIT_SECONDS, Path.COLD) == 42


def test_a_job_of_a_stopped_instance_that_was_started_for_it_is_neither_hot_nor_cold() -> None:
    world = running()
    claim, instance = world.claim("job-1"), world.instance()
    at = claim.runnable_at + timedelta(seconds=9)
    steps = [Step(state, at, "") for state in (InstanceState.STARTING, InstanceState.READY)]
    started = replace(instance, history=(*instance.history, *steps))
    assert path_of(claim, instance) is Path.HOT
    assert path_of(claim, started) is Path.STOPPED


# -- instances -------------------------------------------------------------------------------------


def test_the_instances_of_a_queue_add_up_to_what_its_limit_counts() -> None:
    world = running()
    world.configure(**{"pool/hot": "2"})
    world.provision()
    world.make_ready()
    world.schedule("job-2", "job-3", "job-4")
    world.dispatch()
    world.provision()
    outcome = world.provision()
    counts = [value(outcome, each) for each in (Metric.HOT, Metric.COMING, Metric.RUNNING)]
    assert sum(filter(None, counts)) == world.ledger().live
    assert (value(outcome, Metric.HOT_TARGET), value(outcome, Metric.LIMIT)) == (2, 50)
    assert value(outcome, Metric.RUNNING) == len([i for i in world.instances() if i.job])


# -- failures --------------------------------------------------------------------------------------


def test_launches_that_ec2_does_not_fill_count_by_cause() -> None:
    world = wanting("job-1", "job-2")
    world.machines.capacity = {("on-demand", kind): 0 for kind in TYPES}
    assert value(world.provision(), Metric.LAUNCHES_FAILED, Failed.NO_CAPACITY) == 2


def by_power_off(world: World) -> None:
    world.machines.end(str(world.instance().instance_id), POWER_OFF)


def by_a_report(world: World) -> None:
    world.report(world.instance(), "failed", reason="setup.sh exited with 3")


def by_its_deadline(world: World) -> None:
    world.after(minutes=10)


@pytest.mark.parametrize("fails", [by_power_off, by_a_report, by_its_deadline])
@pytest.mark.parametrize("made", [launched, running])
def test_a_host_that_fails_counts_once_until_its_record_is_closed(
    made: Callable[[], World], fails: Callable[[World], None]
) -> None:
    world = made()
    if (made, fails) == (running, by_its_deadline):
        world.configure(**{"job/max-minutes": "1"})
        world.after(minutes=13 * 60)
    fails(world)
    counts = []
    for _ in range(4):
        counts.append(value(world.reap(), Metric.HOSTS_FAILED) or 0)
        for instance in world.instances():
            world.machines.end(str(instance.instance_id), TERMINATED_BY_US)
        world.after(minutes=1)
    assert sum(counts) == 1
    assert not world.instances()[0].state.traits.open


def test_a_job_that_ends_and_a_pool_that_shrinks_are_no_failures() -> None:
    world = running()
    world.report(world.instance(), "done", exit=0)
    by_power_off(world)
    assert value(world.reap(), Metric.HOSTS_FAILED) is None
    world = a_warm_world()
    world.configure(**{"pool/hot": "0", "pool/grace-minutes": "0"})
    world.after(minutes=20).provision()
    outcome = world.reap()
    world.machines.end(str(world.instance().instance_id), TERMINATED_BY_US)
    for each in (outcome, world.reap()):
        assert value(each, Metric.HOSTS_FAILED) is None


def test_what_ec2_takes_back_is_no_failure_of_the_host() -> None:
    world = running()
    world.machines.end(str(world.instance().instance_id), "Server.SpotInstanceTermination: x")
    outcome = world.reap()
    assert (value(outcome, Metric.SPOT_LOST), value(outcome, Metric.HOSTS_FAILED)) == (1, None)
    world = launched()
    world.machines.end(str(world.instance().instance_id), "Server.InsufficientInstanceCapacity: x")
    outcome = world.reap()
    assert value(outcome, Metric.LAUNCHES_FAILED, Failed.TAKEN_BACK) == 1
    assert value(outcome, Metric.HOSTS_FAILED) is None


def test_an_idle_spot_instance_that_is_given_up_at_its_warning_counts_as_lost_once() -> None:
    world = a_warm_world()
    until = world.clock.now + timedelta(minutes=2)
    ports, id_ = world.reap_ports, str(world.instance().instance_id)
    first = reap.on_spot_warning(ports, id_, until, world.edge)
    world.machines.end(id_, TERMINATED_BY_US)
    later = world.reap()
    assert [value(each, Metric.SPOT_LOST) for each in (first, later)] == [None, 1]
    assert value(later, Metric.HOSTS_FAILED) is None


def test_denied_jobs_count_once() -> None:
    world = a_world(**{"policy/rules/main": "branch=main"})
    world.schedule("job-1", branch="other")
    assert value(world.dispatch(), Metric.DENIED) == 1
    assert value(world.dispatch(), Metric.DENIED) is None


def test_a_nudged_tick_measures_no_instances() -> None:
    world = a_warm_world()
    outcome = provision.tick(world.provision_ports, world.edge, nudged=True)
    assert outcome.of_queues.total == {}
