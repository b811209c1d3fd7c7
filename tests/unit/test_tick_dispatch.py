"""Ticks of dispatch against the fakes: from listed jobs to bindings and denials."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mayfly.dispatch.bound import RESERVATION, TOKEN_LIFE
from mayfly.errors import Conflict, Misconfigured, NotFound, Transient
from mayfly.metrics import Metric
from mayfly.records.states import ClaimState, InstanceState
from mayfly.records.why import Code
from mayfly.tick.outcome import Outcome
from tests.unit.builders import NOW, QUEUE, a_job, row
from tests.unit.world import World, a_warm_world, a_world

S, C = InstanceState, ClaimState


# -- a job's way -----------------------------------------------------------------------------------


def test_a_job_is_claimed_then_reserved_and_provision_is_nudged() -> None:
    world = a_world()
    world.schedule("job-1")
    world.dispatch()
    claim = world.claim("job-1")
    assert (claim.state, claim.reserved_until) == (C.WAITING, NOW + RESERVATION)
    assert world.buildkite.known["job-1"].state == "reserved"
    assert len(world.nudges.sent) == 1


def test_a_job_is_bound_to_a_hot_instance_in_its_first_tick() -> None:
    world = a_warm_world()
    world.schedule("job-1")
    world.dispatch()
    claim, instance = world.claim("job-1"), world.instance()
    assert (claim.state, claim.slot) == (C.ASSIGNED, instance.key)
    assert (instance.state, instance.job) == (S.ASSIGNED, "job-1")
    assignment = world.mailbox.rows[row(instance)].assignment
    assert assignment is not None
    assert str(assignment["token"]).startswith("bkjat_")
    assert assignment["boot"] == instance.boot


def test_an_assignment_is_removed_when_its_job_is_accepted() -> None:
    world = a_warm_world()
    world.schedule("job-1")
    world.dispatch()
    world.accept("job-1")
    world.dispatch()
    assert world.claim("job-1").state is C.RUNNING
    assert world.instance().state is S.RUNNING
    assert world.mailbox.rows[row(world.instance())].assignment is None


def test_the_recorded_end_of_a_token_is_after_its_real_end() -> None:
    world = a_warm_world()
    world.schedule("job-1")
    world.dispatch()
    until = world.claim("job-1").token_until
    assert until is not None
    # A token may be minted as long after the tick's time as an invocation lasts.
    assert until - NOW >= TOKEN_LIFE + timedelta(seconds=90)


def test_a_job_that_does_not_match_its_queue_is_logged_once() -> None:
    world = a_world()
    world.schedule("job-1", rules=(f"queue={QUEUE}", "gpu=yes"))
    outcomes = [world.dispatch() for _ in range(3)]
    assert [outcome.unmatched for outcome in outcomes] == [1, 0, 0]
    rule = f"queue {QUEUE} does not meet the rule gpu=yes: the queue has no tag gpu"
    total = Outcome()
    for outcome in outcomes:
        total.add(outcome)
    (held,) = total.held.values()
    assert held.line == f"queue {QUEUE}: {rule}; 1 job waits"
    assert (held.about["job"], held.is_logged) == ("job-1", True)
    standing = world.fleet.standing("dispatch", QUEUE)
    assert standing is not None
    assert [(each.job, each.why.text) for each in standing.left] == [("job-1", rule)]
    assert world.buildkite.known["job-1"].state == "scheduled"
    world.buildkite.cancel("job-1")
    world.dispatch()
    assert world.seen[QUEUE].unmatched == frozenset()


def test_the_instance_launched_for_a_cancelled_job_serves_the_next_job() -> None:
    world = a_world()
    world.schedule("job-1")
    world.dispatch()
    world.provision()
    world.buildkite.cancel("job-1")
    world.dispatch()
    assert world.claim("job-1").state is C.RELEASED
    world.make_ready()
    world.schedule("job-2")
    world.dispatch()
    assert world.claim("job-2").slot == world.instance().key


def test_cancelling_a_bound_job_condemns_its_instance_and_removes_the_assignment() -> None:
    world = a_warm_world()
    world.schedule("job-1")
    world.dispatch()
    world.buildkite.cancel("job-1")
    world.dispatch()
    assert world.claim("job-1").state is C.RELEASED
    assert world.instance().state is S.CONDEMNED
    assert world.mailbox.rows[row(world.instance())].assignment is None


def test_a_dead_host_gives_another_attempt_and_the_last_attempt_fails_the_job() -> None:
    world = a_warm_world(**{"job/attempts": "2"})
    world.schedule("job-1")
    for attempt in (1, 2):
        world.dispatch()
        claim = world.claim("job-1")
        assert (claim.state, claim.attempt) == (C.ASSIGNED, attempt)
        (instance,) = world.instances(S.ASSIGNED)
        world.machines.end(str(instance.instance_id), "Server.InternalError")
        world.reap()
        world.dispatch()
        world.provision()
        world.make_ready()
    assert world.claim("job-1").state is C.FAILED
    assert world.claim("job-1").told
    reason = world.buildkite.known["job-1"].told
    assert reason.startswith("Mayfly gave up after 2 attempts")
    assert "Server.InternalError" in reason


def test_of_several_jobs_the_most_urgent_gets_the_only_instance() -> None:
    world = a_warm_world()
    world.schedule("job-1", "job-2")
    world.schedule("job-3", priority=1)
    world.dispatch()
    states = {job: world.claim(job).state for job in ("job-1", "job-2", "job-3")}
    assert states == {"job-1": C.WAITING, "job-2": C.WAITING, "job-3": C.ASSIGNED}


# -- policy ----------------------------------------------------------------------------------------


def restricted() -> World:
    return a_warm_world(**{"policy/rules/main": "pipeline=web branch=main"})


def environment(branch: str) -> dict[str, str]:
    return {
        "BUILDKITE_PIPELINE_SLUG": "web",
        "BUILDKITE_BRANCH": branch,
        "BUILDKITE_PULL_REQUEST": "false",
    }


def test_policy_allows_matching_jobs_and_fails_others_with_a_reason() -> None:
    world = restricted()
    world.buildkite.schedule(QUEUE, a_job("good"), environment("main"))
    world.buildkite.schedule(QUEUE, a_job("bad"), environment("feature"))
    world.dispatch()
    assert world.claim("good").state is C.ASSIGNED
    assert world.claim("bad").state is C.FAILED
    assert "does not take this job" in world.buildkite.known["bad"].told
    assert world.buildkite.known["bad"].state == "finished"


@pytest.mark.parametrize("error", [Transient("503"), NotFound("job")])
def test_a_job_without_a_readable_environment_is_left_for_the_next_tick(error: Exception) -> None:
    world = restricted()
    world.buildkite.schedule(QUEUE, a_job(), environment("main"))
    world.buildkite.fail_next("environment", error)
    world.dispatch()
    assert world.fleet.claim("job-1") is None
    assert world.buildkite.known["job-1"].state == "scheduled"
    world.dispatch()
    assert world.claim("job-1").state is C.ASSIGNED


def test_a_typo_in_the_policy_of_an_open_queue_fails_no_job_and_is_told_once() -> None:
    world = a_warm_world()
    world.configure(**{"policy/rules/main": "branch main"})
    alarms = [metric for metric, _ in world.provision().alarms]
    assert alarms == [Metric.UNREADABLE_POLICY]
    world.buildkite.schedule(QUEUE, a_job(), environment("main"))
    for _ in range(3):
        outcome = world.after(seconds=1).dispatch()
    assert world.fleet.claim("job-1") is None
    assert world.buildkite.known["job-1"].state == "scheduled"
    held = outcome.held[QUEUE, Code.POLICY_UNREADABLE, ""]
    assert held.line.startswith(f"queue {QUEUE}: the policy of queue {QUEUE} cannot be read")
    assert held.about["job"] == "job-1"
    world.configure(**{"policy/rules/main": "branch=main"})
    assert world.provision().alarms == []
    world.dispatch()
    assert world.claim("job-1").state is C.ASSIGNED


def test_while_ssm_cannot_be_read_a_job_that_needs_it_waits_and_the_others_go_on() -> None:
    world = a_warm_world(2, **{"policy/repository-from": "/repositories/{pipeline}/repository"})
    world.parameters.put("/repositories/web/repository", "git@example.org:acme/web.git")
    job = {**environment("main"), "BUILDKITE_REPO": "https://example.org/acme/web"}
    world.buildkite.schedule(QUEUE, a_job(), job)
    world.parameters.fail_next("values", Misconfigured("AccessDeniedException"))
    outcome = world.dispatch()
    assert "parameters that judge new jobs" in outcome.problems[0]
    assert world.fleet.claim("job-1") is None
    assert world.buildkite.known["job-1"].told == ""
    world.dispatch()
    assert world.claim("job-1").state is C.ASSIGNED


def test_the_registered_repository_of_the_pipeline_is_kept_in_the_claim() -> None:
    world = a_warm_world(**{"policy/repository-from": "/repositories/{pipeline}/repository"})
    world.parameters.put("/repositories/web/repository", "git@example.org:acme/web.git")
    job = {**environment("main"), "BUILDKITE_REPO": "https://example.org/acme/web"}
    world.buildkite.schedule(QUEUE, a_job(), job)
    world.dispatch()
    assert world.claim("job-1").repository == "git@example.org:acme/web.git"


@pytest.mark.parametrize("error", [Conflict("an agent has it"), NotFound("no such job")])
def test_failing_a_job_that_buildkite_refuses_to_fail_is_tried_once(error: Exception) -> None:
    world = restricted()
    world.buildkite.schedule(QUEUE, a_job(), environment("feature"))
    world.buildkite.fail_next("finish", error)
    world.dispatch()
    assert world.claim("job-1").told
    assert "Buildkite refused the failure" in world.claim("job-1").reason
    world.dispatch()
    assert world.buildkite.calls["finish"] == 1


def test_a_throttled_failure_is_told_to_buildkite_by_the_next_tick() -> None:
    world = restricted()
    world.buildkite.schedule(QUEUE, a_job(), environment("feature"))
    world.buildkite.fail_next("finish", Transient("429"))
    world.dispatch()
    assert not world.claim("job-1").told
    world.dispatch()
    assert world.claim("job-1").told
    assert world.buildkite.known["job-1"].told


@pytest.mark.parametrize("error", [Conflict("lost race"), Transient("throttled")])
def test_without_a_record_no_failure_is_told_to_buildkite(error: Exception) -> None:
    world = restricted()
    world.buildkite.schedule(QUEUE, a_job(), environment("feature"))
    world.fleet.fail_next("write", error, times=2)
    world.dispatch()
    assert world.buildkite.calls["finish"] == 0
