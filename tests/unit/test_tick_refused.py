"""Dispatch while Buildkite refuses the agent token, or one of the queues."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest

from mayfly import invoke, wiring
from mayfly.answers import Listing
from mayfly.errors import MayflyError, Misconfigured, NotFound, TokenRefused, Transient
from mayfly.metrics import Metric
from mayfly.records.states import ClaimState, InstanceState
from mayfly.tick.measures import Series
from mayfly.tick.outcome import Outcome
from tests.unit.builders import QUEUE, a_job
from tests.unit.script import Script
from tests.unit.world import World, a_warm_world, a_world

C, S = ClaimState, InstanceState
OTHER = "other"
CALLS = ("register", "jobs", "reserve", "environment", "states", "tokens", "finish", "notify")


def refuse_token(world: World) -> None:
    """From now on Buildkite refuses every call."""
    for call in CALLS:
        world.buildkite.fail_next(call, TokenRefused("no token"), times=9_999)


def accept_token(world: World) -> None:
    vars(world.buildkite)["_script"].clear()


def two_queues() -> World:
    """A world with a second queue; each queue lists a job."""
    world = a_world()
    world.publish(OTHER)
    world.provision()
    world.schedule("job-1")
    world.buildkite.schedule(OTHER, a_job("job-2", rules=(f"queue={OTHER}",)))
    return world


def refuse_queue(world: World, queue: str, error: MayflyError, *calls: str) -> None:
    """From now on Buildkite refuses these calls about one queue."""
    real = {call: getattr(world.buildkite, call) for call in calls}

    def register(named: str, owner: str) -> None:
        if named == queue:
            raise error
        real["register"](named, owner)

    def jobs(named: str) -> Listing:
        if named == queue:
            raise error
        listing: Listing = real["jobs"](named)
        return listing

    def states(asked: Sequence[str]) -> Mapping[str, str]:
        if any(world.buildkite.known[job].queue == queue for job in asked):
            raise error
        found: Mapping[str, str] = real["states"](asked)
        return found

    fakes = {"register": register, "jobs": jobs, "states": states}
    vars(world.buildkite).update({call: fakes[call] for call in calls})


# -- the token -------------------------------------------------------------------------------------


def test_a_refused_token_is_one_problem_of_all_queues() -> None:
    world = two_queues()
    refuse_token(world)
    outcome = Script(world, 50).dispatch()
    assert outcome.problems == ["no token"]
    assert str(outcome.refusal) == "no token"
    assert world.buildkite.calls["jobs"] == 0
    accept_token(world)
    assert Script(world, 3).dispatch().problems == []
    assert [world.claim(job).state for job in ("job-1", "job-2")] == [C.WAITING] * 2


def test_a_token_that_is_refused_while_dispatch_runs_is_one_problem_and_costs_no_job() -> None:
    world = a_warm_world()
    world.publish(OTHER)
    world.provision()
    script = Script(world, 20, {4: lambda: refuse_token(world), 6: lambda: world.schedule("job-1")})
    assert script.dispatch().problems == ["no token"]
    assert world.fleet.claim("job-1") is None
    accept_token(world)
    Script(world, 3).dispatch()
    assert world.claim("job-1").state is C.ASSIGNED


def test_a_refused_token_is_not_logged_for_each_tick_and_job(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = a_warm_world()
    world.schedule("job-1", "job-2")
    world.dispatch()
    world.after(seconds=120)
    refuse_token(world)
    caplog.set_level("INFO")
    caplog.clear()
    assert Script(world, 20).dispatch().problems == ["no token"]
    assert world.buildkite.calls["reserve"] > 10
    assert len(caplog.records) <= 2, caplog.messages


def test_a_reserved_job_is_bound_once_the_token_is_accepted_again() -> None:
    world = a_world(**{"pool/hot": "1"})
    world.schedule("job-1")
    world.dispatch()
    world.provision()
    world.make_ready()
    refuse_token(world)
    outcome = Script(world, 20).dispatch()
    assert (outcome.problems, outcome.lost_races) == (["no token"], 0)
    assert world.claim("job-1").state is C.WAITING
    accept_token(world)
    Script(world, 3).dispatch()
    assert world.claim("job-1").state is C.ASSIGNED


def test_claims_are_settled_by_the_records_while_the_token_is_refused() -> None:
    world = a_warm_world()
    world.schedule("job-1")
    world.dispatch()
    assert world.claim("job-1").state is C.ASSIGNED
    world.machines.terminate([str(world.instance().instance_id)])
    world.machines.settle()
    world.after(120).reap()
    assert world.instance().state is S.TERMINATED
    refuse_token(world)
    Script(world, 3).dispatch()
    assert world.claim("job-1").state is C.RELEASED


def test_no_note_is_spent_while_the_token_is_refused() -> None:
    world = a_world()
    world.schedule("job-1")
    world.dispatch()
    world.after(5)
    before = world.claim("job-1")
    refuse_token(world)
    world.dispatch()
    assert world.claim("job-1") == before


class Context:
    """Lambda's context of a short invocation."""

    aws_request_id = "request"
    function_name = "ci-dispatch"
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:ci-dispatch"
    memory_limit_in_mb = 512

    def get_remaining_time_in_millis(self) -> int:
        return 0


def test_a_refused_token_fails_the_function_after_its_report(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reported: list[Outcome] = []
    outcome = Outcome()
    outcome.failed("jobs", TokenRefused("no token"))
    monkeypatch.setattr(invoke, "dispatch_until_replaced", lambda *_: outcome)
    monkeypatch.setattr(invoke, "_report", reported.append)
    monkeypatch.setattr(wiring, "dispatch", lambda: None)
    monkeypatch.setattr(wiring, "settings", lambda _: Settings)
    with pytest.raises(TokenRefused, match="no token"):
        invoke.dispatch.__wrapped__({"detail-type": "Scheduled Event"}, Context())  # type: ignore[attr-defined] # by functools.wraps
    assert reported == [outcome]


class Settings:
    account, region, stack = "123456789012", "eu-central-1", "ci"


# -- one queue -------------------------------------------------------------------------------------

REFUSALS = [Misconfigured("403"), NotFound("404"), Misconfigured("422"), Transient("unreadable")]


@pytest.mark.parametrize("queue", [QUEUE, OTHER])
@pytest.mark.parametrize("calls", [("register",), ("jobs",), ("register", "jobs")], ids="+".join)
@pytest.mark.parametrize("error", REFUSALS, ids=str)
def test_a_queue_that_buildkite_refuses_stops_no_other_queue(
    error: MayflyError, calls: tuple[str, ...], queue: str
) -> None:
    world = two_queues()
    refuse_queue(world, queue, error, *calls)
    outcome = Script(world, 3).dispatch()
    served, left = ("job-2", "job-1") if queue == QUEUE else ("job-1", "job-2")
    assert world.claim(served).state is C.WAITING
    assert (world.fleet.claim(left) is None) is ("jobs" in calls)
    assert outcome.refusal is None
    asked = "jobs" in calls or queue == QUEUE  # the first queue that is accepted ends registration
    assert len(outcome.problems) == (asked and not isinstance(error, Transient)) * len(
        [call for call in calls if call == "jobs" or queue == QUEUE]
    )
    assert all(queue in problem for problem in outcome.problems)


def test_without_an_accepted_queue_dispatch_names_each_queue_and_lists_none() -> None:
    world = two_queues()
    world.buildkite.fail_next("register", Misconfigured("403"), times=999)
    problems = Script(world, 3).dispatch().problems
    assert problems == [f"registration of queue {queue}: 403" for queue in (QUEUE, OTHER)]
    assert world.buildkite.calls["jobs"] == 0


@pytest.mark.parametrize("error", [Misconfigured("403"), NotFound("404")])
def test_the_states_of_other_queues_are_read_when_buildkite_refuses_those_of_one(
    error: MayflyError,
) -> None:
    world = two_queues()
    world.dispatch()
    world.buildkite.cancel("job-2")
    refuse_queue(world, QUEUE, error, "states")
    outcome = world.dispatch()
    assert world.claim("job-2").state is C.RELEASED
    assert world.claim("job-1").state is C.WAITING
    told = [*outcome.problems, *outcome.left]
    assert len(told) == 1


# -- one kind of call ------------------------------------------------------------------------------


def a_world_with_a_denied_job() -> World:
    """A world with a job that its queue's policy denies."""
    world = a_world(**{"policy/rules/a": "pipeline=deploy"})
    environment = {"BUILDKITE_PIPELINE_SLUG": "other"}
    world.buildkite.schedule(QUEUE, a_job("job-1", runnable_at=world.clock.now), environment)
    return world


def a_warm_world_with_a_job() -> World:
    world = a_warm_world()
    world.schedule("job-1")
    return world


@pytest.mark.parametrize(
    ("made", "call", "line"),
    [
        (a_warm_world_with_a_job, "reserve", f"ReserveJobs of queue {QUEUE}: 403"),
        (a_warm_world_with_a_job, "tokens", f"acquisition tokens of queue {QUEUE}: 403"),
        (a_world_with_a_denied_job, "finish", f"FailJob of queue {QUEUE}: 403"),
    ],
    ids=["reserve", "tokens", "finish"],
)
def test_a_call_about_jobs_that_buildkite_forbids_is_a_problem_of_its_queue_told_once(
    made: Callable[[], World], call: str, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    world = made()
    world.buildkite.fail_next(call, Misconfigured("403"), times=9_999)
    caplog.set_level("INFO")
    outcome = Script(world, 20).dispatch()
    assert world.buildkite.calls[call] > 10
    assert outcome.problems == [line]
    assert outcome.lost_races <= 1
    assert outcome.of_queues.total[Series(Metric.QUEUE_PROBLEMS, QUEUE)] == 1
    assert len([text for text in caplog.messages if "lost a race" in text]) <= 1
