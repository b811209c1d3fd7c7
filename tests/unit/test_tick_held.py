"""Work that does not happen for a limit, a pause or a back-off is told once a minute."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from mayfly.errors import Misconfigured, Transient
from mayfly.invoke import _report
from mayfly.provision import tick as provision
from mayfly.provision.loop import provision_until_quiet
from mayfly.tick.outcome import Left, Outcome
from tests.unit.builders import QUEUE, STACK, TYPES
from tests.unit.published import arn
from tests.unit.script import Script
from tests.unit.world import World, a_world, wanting

JOBS = [f"job-{n:02}" for n in range(20)]
NONE_LEFT = {("on-demand", kind): 0 for kind in TYPES}


def told(outcome: Outcome) -> list[str]:
    return [each.line.removeprefix(f"queue {QUEUE}: ") for each in outcome.held.values()]


def test_a_queue_at_its_limit_of_instances_says_so() -> None:
    world = wanting("job-1", "job-2", "job-3", **{"limits/max-instances": "2"})
    world.provision()
    limit = "which is its limit [limits/max-instances = 2]"
    line = f"queue {QUEUE} has 2 instances, {limit}; 1 job waits"
    assert told(world.provision()) == [line]


def test_a_queue_at_its_limit_of_launches_says_so() -> None:
    world = wanting(*JOBS, **{"limits/max-launches-per-minute": "3"})
    world.provision()
    (line,) = told(world.provision())
    again = world.clock.now + timedelta(minutes=1)
    pace = f"queue {QUEUE} launches at most 3 instances a minute"
    subject = "[limits/max-launches-per-minute = 3]"
    next_try = f"the next try is at {again:%H:%M:%S} UTC"
    assert line == f"{pace} {subject}; {next_try}; 17 jobs wait"
    (line,) = told(world.after(seconds=61).provision())
    assert line.startswith(pace)


def test_a_pool_that_a_limit_keeps_short_is_told_too() -> None:
    world = a_world(**{"pool/hot": "5", "limits/max-launches-per-minute": "2"})
    (line,) = told(world.provision())
    assert line.startswith(f"queue {QUEUE} launches at most 2 instances a minute")


def test_a_back_off_after_missing_capacity_names_the_next_try() -> None:
    world = wanting("job-1")
    world.machines.capacity = NONE_LEFT
    world.provision()
    (line,) = told(world.after(seconds=1).provision())
    assert line.startswith("EC2 has no m7i.large or m6i.large, on-demand now, tried once")
    assert "(InsufficientInstanceCapacity" in line
    assert "; the next try is at " in line
    assert line.endswith("; 1 job waits")


def test_a_back_off_after_a_refusal_of_another_kind_does_not_speak_of_capacity() -> None:
    world = wanting("job-1")
    refusal = Misconfigured("InvalidParameterValue: Invalid value 'm99z.large' for InstanceType.")
    world.machines.fail_next("create_fleet", refusal)
    world.provision()
    (line,) = told(world.after(seconds=1).provision())
    assert "InvalidParameterValue" in line
    assert "capacity" not in line


@pytest.mark.parametrize("at_buildkite", [False, True])
def test_a_pause_that_jobs_wait_through_is_told(at_buildkite: bool) -> None:
    world = a_world(**{} if at_buildkite else {"paused": "true"})
    world.buildkite.queues[QUEUE].paused = at_buildkite
    world.schedule("job-1", "job-2")
    world.dispatch()
    where = "at Buildkite" if at_buildkite else "by its operators"
    assert told(world.dispatch()) == [f"queue {QUEUE} is paused {where}; 2 jobs wait"]
    assert told(world.provision()) == []


def test_jobs_that_wait_on_a_queue_without_its_stack_are_told_of_that_and_not_of_a_pause() -> None:
    world = wanting("job-1", "job-2")
    world.parameters.remove(f"/mayfly-infra/{STACK}/queues/{QUEUE}")
    world.provision()
    (line,) = told(world.dispatch())
    assert line == f"queue {QUEUE} is not served any more; 2 jobs wait"
    world.after(6).dispatch()
    reason = "the queue's stack is gone and the job's reservation has run out"
    assert {world.claim(job).reason for job in ("job-1", "job-2")} == {reason}


def test_a_pause_without_jobs_is_not_told() -> None:
    assert told(a_world(paused="true").dispatch()) == []


def test_jobs_beyond_the_look_ahead_are_told() -> None:
    world = wanting(*JOBS, **{"limits/max-instances": "2"})
    (line,) = told(world.dispatch())
    limit = "limits/max-instances (2) and 10 jobs ahead"
    assert line == f"8 listed jobs are not reserved yet: others fill {limit}; 8 jobs wait"


def test_a_queue_that_serves_its_jobs_holds_nothing() -> None:
    world = wanting("job-1", "job-2")
    outcomes = [world.provision(), world.dispatch(), world.provision()]
    assert [told(outcome) for outcome in outcomes] == [[], [], []]


def test_a_nudged_tick_tells_nothing_so_a_minute_has_one_line() -> None:
    world = wanting("job-1", "job-2", "job-3", **{"limits/max-instances": "2"})
    world.provision()
    assert told(provision.tick(world.provision_ports, world.edge, nudged=True)) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("pool/hot", "auto"), ("pool/hots", "1"), ("policy/rules/main", "pipline=x")],
)
def test_a_bad_parameter_is_told_by_the_minutes_tick_and_not_by_each_nudge(
    name: str, value: str
) -> None:
    world = a_world()
    world.configure(**{name: value})
    assert world.provision().problems
    nudged = provision.tick(world.provision_ports, world.edge, nudged=True)
    assert (nudged.problems, nudged.alarms, nudged.of_queues.total) == ([], [], {})
    assert world.provision().problems


def test_a_role_that_is_gone_is_told_by_the_minutes_tick_and_not_by_each_nudge() -> None:
    world = wanting("job-1")
    del world.roles.attached[arn("role", "sandbox")]
    assert not provision.tick(world.provision_ports, world.edge, nudged=True).problems
    assert "a role of the queue does not exist" in world.provision().problems[0]


def test_an_invocation_logs_each_cause_once_as_a_warning_with_its_queue(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("count", "measure"):
        monkeypatch.setattr(f"mayfly.observe.{name}", lambda *_: None)
    world = wanting(*JOBS, **{"limits/max-launches-per-minute": "2", "limits/max-instances": "9"})
    with caplog.at_level(logging.INFO, "mayfly"):
        _report(provision_until_quiet(world.provision_ports, world.edge, nudged=False))
    lines = [each for each in caplog.records if " = " in each.getMessage()]
    # The limit that stops the next launch is the reason; the other one would stop a later launch.
    assert [each.__dict__["code"] for each in lines] == ["launches-per-minute"]
    assert {(each.levelname, each.__dict__["queue"]) for each in lines} == {("WARNING", QUEUE)}
    for each in lines:
        assert set(each.__dict__["jobs"]) <= set(JOBS)
        assert each.__dict__["pipeline"] == "web"


def test_a_refusal_for_lack_of_capacity_is_one_warning(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("count", "measure"):
        monkeypatch.setattr(f"mayfly.observe.{name}", lambda *_: None)
    world = wanting("job-1")
    world.machines.capacity = NONE_LEFT
    _report(provision_until_quiet(world.provision_ports, world.edge, nudged=True))
    warnings = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    (line,) = warnings
    assert line.startswith("launch of deploy/x86_64/on-demand/")


@pytest.mark.parametrize("operation", ["jobs", "reserve"])
def test_an_outage_of_buildkite_is_one_warning_an_invocation_for_each_call(
    operation: str, caplog: pytest.LogCaptureFixture
) -> None:
    world = a_world()
    world.schedule("job-1")
    world.buildkite.fail_next(operation, Transient("no answer from Buildkite"), times=9999)
    outcome = Script(world, 50).dispatch()
    assert outcome.left[Left.TRANSIENT] > 50
    warnings = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert len(warnings) == 1


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("queue/{q}/pool/hot", "; did you mean {root}queues/{q}/pool/hot?"),
        ("{q}/pool/hot", "; did you mean {root}queues/{q}/pool/hot?"),
        ("pool/hot", "; did you mean {root}queues/{q}/pool/hot?"),
        ("queues/{q}", ", whose form is {root}queues/QUEUE/NAME"),
        ("queues/pool/hot", "no such queue; did you mean {root}queues/{q}/pool/hot?"),
        ("queues/paused/x", "queues/paused has parameters, and there is no such queue; did you"),
        ("queues/other/pool/hot", "queues/other has parameters, and there is no such queue"),
        ("nonsense", ", whose form is {root}queues/QUEUE/NAME"),
        ("queues/{q}/pool/hots", "pool/hots: no such parameter; did you mean pool/hot?"),
        ("queues/{q}/Pool/Hot", "no such parameter; did you mean pool/hot?"),
        ("queues/{q}/hot", "no such parameter; did you mean pool/hot?"),
        ("queues/{q}/launch/instance_types", "did you mean launch/instance-types?"),
        ("queues/{q}/policy/rule/main", "did you mean policy/rules/main?"),
        ("queues/{q}/Policy/Rules/the main", "did you mean policy/rules/the-main?"),
        ("queues/{q}x/pool/hot", "{q}x has parameters, and there is no such queue; {q} is one"),
    ],
)
def test_a_wrong_path_is_a_problem_that_names_the_path_that_was_meant(path: str, hint: str) -> None:
    world: World = a_world()
    root = f"/mayfly/{world.provision_ports.stack}/"
    world.parameters.put(root + path.format(q=QUEUE), "2")
    (problem,) = world.provision().problems
    assert hint.format(q=QUEUE, root=root) in problem
    assert world.instances() == []


SETTING = "To set that one: mayfly set {q} pool/hot VALUE"
BY_ADMINISTRATORS = "an administrator removes it: aws ssm delete-parameter --name"


@pytest.mark.parametrize(
    ("paths", "end"),
    [
        (
            ["queues/{q}x/pool/hot"],
            f"; {{q}} is one. {SETTING}; to remove it: mayfly unset {{root}}queues/{{q}}x/pool/hot",
        ),
        (["queues/other/pool/hot"], "; to remove it: mayfly unset {root}queues/other/pool/hot"),
        (["queues/other/imds"], "; to remove it: mayfly unset {root}queues/other/imds"),
        (
            ["queues/other/pool/hot", "queues/other/paused"],
            "; to list them, and what removes each: mayfly get {root}queues/other",
        ),
        (["queues/other/hot"], f"; {BY_ADMINISTRATORS} {{root}}queues/other/hot"),
        (
            ["{q}/pool/hot"],
            f"? {SETTING}; {BY_ADMINISTRATORS} {{root}}{{q}}/pool/hot",
        ),
        (["nonsense"], f"; {BY_ADMINISTRATORS} {{root}}nonsense"),
    ],
)
def test_a_wrong_path_ends_with_the_command_that_removes_it(paths: list[str], end: str) -> None:
    world: World = a_world()
    root = f"/mayfly/{world.provision_ports.stack}/"
    for path in paths:
        world.parameters.put(root + path.format(q=QUEUE), "2")
    (problem,) = world.provision().problems
    assert problem.endswith(end.format(q=QUEUE, root=root)), problem
