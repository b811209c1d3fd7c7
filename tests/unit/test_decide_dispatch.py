"""Dispatch: which jobs become claims, which are denied, and which failures reach Buildkite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from mayfly.config import rules
from mayfly.config.queue import QueueConfig
from mayfly.dispatch.actions import BindJob, FailJob, KeepReservations, OpenClaims, ReserveJobs
from mayfly.dispatch.bound import bind
from mayfly.dispatch.opened import LOOK_AHEAD, OPEN_AT_ONCE, held_jobs, sort_listing
from mayfly.dispatch.reasons import found_reasons
from mayfly.dispatch.view import QueueView
from mayfly.records.states import ClaimState, InstanceState
from mayfly.records.why import Code
from mayfly.tick.actions import NudgeProvision, WriteRecords
from tests.unit.builders import (
    NOW,
    QUEUE,
    SHAPE,
    TYPES,
    a_claim,
    a_config,
    a_job,
    ago,
    an_instance,
    assigned,
    later,
)
from tests.unit.dispatch_views import a_view, decided, kinds, opened, reserved

# -- new jobs --------------------------------------------------------------------------------------


def test_an_empty_view_gives_no_action() -> None:
    assert decided(a_view()) == []


def test_a_new_job_is_recorded_then_reserved_then_provision_is_nudged() -> None:
    actions = decided(a_view(a_job(priority=3, build=9, step="unit")))
    assert kinds(actions) == [OpenClaims, ReserveJobs, KeepReservations, NudgeProvision]
    (claim,) = opened(actions)
    assert (claim.job, claim.queue, claim.state) == ("job-1", QUEUE, ClaimState.WAITING)
    assert (claim.shape, claim.attempt, claim.reserved_until) == (SHAPE, 1, None)
    assert (claim.priority, claim.build, claim.step, claim.pipeline) == (3, 9, "unit", "web")
    assert (claim.since, claim.runnable_at) == (NOW, ago(1))
    assert [step.state for step in claim.history] == ["waiting"]
    assert reserved(actions) == ["job-1"]


def test_a_new_job_is_bound_to_a_ready_instance_in_the_same_tick_without_a_launch() -> None:
    actions = decided(a_view(a_job(), ready=(an_instance(),)))
    assert kinds(actions) == [OpenClaims, ReserveJobs, BindJob]


def test_provision_is_nudged_for_a_taken_hot_instance() -> None:
    actions = decided(a_view(a_job(), ready=(an_instance(),)), a_config(hot=1))
    assert kinds(actions) == [OpenClaims, ReserveJobs, BindJob, NudgeProvision]


def test_jobs_are_opened_by_priority_then_age_then_name() -> None:
    jobs = (
        a_job("young", runnable_at=NOW),
        a_job("b", runnable_at=ago(5)),
        a_job("a", runnable_at=ago(5)),
        a_job("urgent", priority=1, runnable_at=NOW),
        a_job("idle", priority=-1, runnable_at=ago(60)),
    )
    names = [claim.job for claim in opened(decided(a_view(*jobs)))]
    assert names == ["urgent", "a", "b", "young", "idle"]


def test_the_most_urgent_job_is_found_on_any_page() -> None:
    jobs = [a_job(f"job-{n:03}") for n in range(200)]
    jobs[187] = a_job("job-187", priority=9)
    assert opened(decided(a_view(*jobs)))[0].job == "job-187"


def test_jobs_are_opened_for_free_instances_and_a_look_ahead() -> None:
    jobs = [a_job(f"new-{n:02}") for n in range(40)]
    held = (a_claim("old-0"), a_claim("old-1"), assigned("old-2"))
    config = a_config(max_instances=5)
    assert len(opened(decided(a_view(*jobs, claims=held), config))) == 5 + LOOK_AHEAD - 3


@pytest.mark.parametrize("counted", ["seen in this tick", "counted by an earlier one"])
def test_running_jobs_count_against_the_limit(counted: str) -> None:
    jobs = [a_job(f"new-{n:02}") for n in range(40)]
    claims = tuple(assigned(f"old-{n}", n, state=ClaimState.RUNNING) for n in range(5))
    view = (
        a_view(*jobs, claims=claims)
        if counted.startswith("seen")
        else a_view(*jobs, running={"web": 5})
    )
    assert len(opened(decided(view, a_config(max_instances=5)))) == LOOK_AHEAD


def test_pipelines_are_opened_in_turn() -> None:
    jobs = [a_job(f"many-{n:02}", pipeline="many", runnable_at=ago(99 - n)) for n in range(60)]
    few = [a_job("few-1", pipeline="few"), a_job("few-2", pipeline="few")]
    view = a_view(*jobs, *few, running={"many": 1})
    names = [claim.job for claim in opened(decided(view))]
    assert names[:5] == ["few-1", "many-00", "few-2", "many-01", "many-02"]


def test_a_pipeline_without_a_claim_finds_a_place_among_another_ones_many() -> None:
    claims = tuple(a_claim(f"old-{n:02}", pipeline="many") for n in range(5 + LOOK_AHEAD))
    view = a_view(a_job("new", pipeline="few"), a_job("more", pipeline="many"), claims=claims)
    assert [c.job for c in opened(decided(view, a_config(max_instances=5)))] == ["new"]


def test_jobs_over_their_pipelines_limit_stay_at_buildkite_and_take_no_place() -> None:
    many = [a_job(f"many-{n:02}", pipeline="many", runnable_at=ago(99)) for n in range(60)]
    few = [a_job(f"few-{n}", pipeline=f"few-{n}") for n in range(8)]
    claims = (a_claim("old", pipeline="many"), assigned("on", pipeline="many"))
    view = a_view(*many, *few, claims=claims)
    config = a_config(max_instances=1, per_pipeline=3)
    view = sort_listing(view, config)
    assert {each.job.id for each in view.candidates} == {"many-00", *(job.id for job in few)}
    assert len(view.over_limit) == 59
    found = {each.why.code: each for each in found_reasons(view, config, {}, NOW)}
    limit = found[Code.PER_PIPELINE]
    assert limit.why.text == f"queue {QUEUE} runs at most 3 jobs of pipeline many at a time"
    assert len(limit.jobs) == 59


def test_a_more_urgent_job_is_opened_although_others_of_its_pipeline_wait() -> None:
    claims = tuple(a_claim(f"old-{n}", pipeline="many") for n in range(2))
    view = a_view(a_job("urgent", pipeline="many", priority=5), claims=claims)
    assert [c.job for c in opened(decided(view, a_config(per_pipeline=2)))] == ["urgent"]


@pytest.mark.parametrize(("is_new", "bound"), [(False, 2), (True, 0)])
def test_a_limit_is_kept_by_binding_and_not_before_former_bindings_show(
    is_new: bool, bound: int
) -> None:
    claims = (
        *(a_claim(f"many-{n}", pipeline="many") for n in range(4)),
        assigned("on", pipeline="many"),
    )
    ready = tuple(an_instance(InstanceState.READY, n) for n in range(5, 9))
    view = a_view(claims=claims, ready=ready, paused=False, is_new=is_new)
    assert len(list(bind(view, a_config(per_pipeline=3), NOW))) == bound


def test_ready_instances_go_to_pipelines_in_turn() -> None:
    claims = (
        *(a_claim(f"many-{n}", pipeline="many", runnable_at=ago(99)) for n in range(4)),
        a_claim("few", pipeline="few", runnable_at=NOW),
    )
    ready = tuple(an_instance(InstanceState.READY, n) for n in range(2))
    view = a_view(claims=claims, ready=ready, paused=False, running={"many": 1})
    assert [b.claim.job for b in bind(view, a_config(), NOW)] == ["few", "many-0"]


def test_a_full_queue_opens_no_job() -> None:
    claims = tuple(a_claim(f"old-{n:02}") for n in range(5 + LOOK_AHEAD + 3))
    assert opened(decided(a_view(a_job("new"), claims=claims), a_config(max_instances=5))) == []


def test_one_tick_opens_a_limited_number_of_jobs() -> None:
    jobs = [a_job(f"job-{n:03}") for n in range(OPEN_AT_ONCE + 9)]
    assert len(opened(decided(a_view(*jobs), a_config(max_instances=500)))) == OPEN_AT_ONCE


def test_without_a_list_from_buildkite_no_job_is_opened() -> None:
    assert decided(a_view(a_job(), listing=None)) == []


def test_a_listed_job_that_has_a_claim_is_not_opened_again() -> None:
    assert opened(decided(a_view(a_job(), claims=(a_claim(),)))) == []
    untold = a_claim(state=ClaimState.FAILED, told=False)
    assert opened(decided(a_view(a_job(), claims=(untold,)))) == []


@pytest.mark.parametrize("state", [ClaimState.WAITING, ClaimState.ASSIGNED, ClaimState.RUNNING])
def test_a_claim_that_the_index_does_not_show_yet_is_not_opened_again(state: ClaimState) -> None:
    assert decided(a_view(a_job(), former={"job-1": a_claim(state=state)})) == []


@pytest.mark.parametrize("state", [ClaimState.RELEASED, ClaimState.FAILED])
def test_a_job_that_is_listed_again_gets_a_new_claim_over_its_closed_one(state: ClaimState) -> None:
    former = a_claim(state=state, attempt=3, version=7, reason="it waited an hour")
    (claim,) = opened(decided(a_view(a_job(), former={"job-1": former})))
    assert (claim.version, claim.attempt, claim.state) == (7, 1, ClaimState.WAITING)


def test_a_listed_job_that_an_agent_has_finished_is_not_opened_again() -> None:
    former = a_claim(state=ClaimState.FINISHED, version=7)
    assert decided(a_view(a_job(), former={"job-1": former})) == []


# -- agent query rules -----------------------------------------------------------------------------


def test_a_job_that_does_not_match_is_not_opened_and_its_failed_rule_is_named() -> None:
    view = a_view(a_job("gpu", rules=(f"queue={QUEUE}", "gpu=a10")), a_job("plain"))
    assert [claim.job for claim in opened(decided(view))] == ["plain"]
    unmatched = sort_listing(view, a_config()).unmatched
    assert {job: mismatch.rule for job, mismatch in unmatched.items()} == {"gpu": "gpu=a10"}


def test_a_job_that_asks_for_one_instance_type_gets_a_shape_of_that_type() -> None:
    job = a_job(rules=(f"queue={QUEUE}", f"instance-type={TYPES[1]}"))
    (claim,) = opened(decided(a_view(job)))
    assert claim.shape == replace(SHAPE, instance_types=(TYPES[1],))


# -- policy ----------------------------------------------------------------------------------------

RULES = rules.parse_rules("deploys", "pipeline=web branch=main")
MAIN = {
    "BUILDKITE_PIPELINE_SLUG": "web",
    "BUILDKITE_BRANCH": "main",
    "BUILDKITE_PULL_REQUEST": "false",
    "BUILDKITE_REPO": "git@example.org:acme/web.git",
}


def test_an_allowed_job_is_opened_with_the_repository_that_policy_requires() -> None:
    repository = "https://example.org/acme/web"
    config = a_config(rules=RULES, repository_from="/repositories/{pipeline}/repository")
    view = a_view(a_job(), environments={"job-1": MAIN}, repositories={"job-1": repository})
    (claim,) = opened(decided(view, config))
    assert (claim.state, claim.repository) == (ClaimState.WAITING, repository)


def test_a_denied_job_is_recorded_then_failed_at_buildkite_without_a_launch() -> None:
    environment = {**MAIN, "BUILDKITE_BRANCH": "feature"}
    view = a_view(a_job(), environments={"job-1": environment}, ready=(an_instance(),))
    actions = decided(view, a_config(rules=RULES))
    assert kinds(actions) == [OpenClaims, FailJob]
    (claim,) = opened(actions)
    assert (claim.state, claim.told) == (ClaimState.FAILED, False)
    assert f"Queue {QUEUE} does not take this job" in claim.reason
    failure = actions[1]
    assert isinstance(failure, FailJob)
    assert (failure.reason, failure.claim.version) == (claim.reason, 1)


def test_without_a_registered_repository_a_job_is_denied() -> None:
    config = a_config(repository_from="/repositories/{pipeline}/repository")
    (claim,) = opened(decided(a_view(a_job(), environments={"job-1": MAIN}), config))
    assert claim.state is ClaimState.FAILED


def test_a_job_with_an_unknown_environment_is_neither_opened_nor_denied() -> None:
    assert decided(a_view(a_job()), a_config(rules=RULES)) == []


def held(view: QueueView, config: QueueConfig) -> Mapping[str, str]:
    waiting = held_jobs(sort_listing(view, config), config)
    return {job: each.reason for job, each in waiting.items()}


def test_a_policy_that_cannot_be_read_leaves_every_job_waiting_with_the_reason() -> None:
    view = a_view(a_job(), environments={"job-1": MAIN})
    config = a_config(rules=(rules.UNREADABLE,))
    assert decided(view, config) == []
    reason = f"the policy of queue {QUEUE} cannot be read at present"
    assert held(view, config) == {"job-1": reason}
    assert held(view, a_config(rules=RULES)) == {}
    assert held(view, a_config()) == {}


def test_a_repository_that_cannot_be_read_leaves_its_job_waiting() -> None:
    config = a_config(repository_from="/repositories/{pipeline}/repository")
    view = a_view(a_job(), environments={"job-1": MAIN}, unread={"job-1": "/repositories/web"})
    assert decided(view, config) == []
    assert "cannot be read at present" in held(view, config)["job-1"]


def test_a_closed_queue_binds_no_job_that_was_opened_before() -> None:
    claim = a_claim(reserved_until=later(5))
    view = a_view(claims=(claim,), ready=(an_instance(),))
    assert BindJob in kinds(decided(view))
    assert BindJob not in kinds(decided(view, a_config(rules=(rules.UNREADABLE,))))


def test_an_untold_failure_is_told_to_buildkite_once() -> None:
    failed = a_claim(state=ClaimState.FAILED, told=False, reason="gave up")
    assert decided(a_view(claims=(failed,))) == [FailJob(failed, reserve=False, reason="gave up")]
    assert decided(a_view(claims=(replace(failed, told=True),))) == []


def test_the_last_failed_attempt_is_recorded_then_told_to_buildkite() -> None:
    gone = an_instance(InstanceState.TERMINATED, reason="EC2 ended the instance: spot")
    claim = assigned(attempt=3)
    actions = decided(a_view(claims=(claim,), instances={gone.key: gone}))
    assert kinds(actions) == [WriteRecords, FailJob]
    failure = actions[1]
    assert isinstance(failure, FailJob)
    assert (failure.claim.state, failure.claim.version) == (ClaimState.FAILED, claim.version + 1)
    assert "gave up after 3 attempts" in failure.reason


def test_the_candidates_of_a_list_are_the_jobs_opened() -> None:
    jobs = [a_job(f"job-{n:02}", priority=n % 3) for n in range(30)]
    view = a_view(*jobs, claims=(a_claim("job-07"),))
    config = a_config(max_instances=4)
    assert [candidate.job.id for candidate in sort_listing(view, config).candidates] == [
        claim.job for claim in opened(decided(view, config))
    ]
