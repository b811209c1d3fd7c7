"""Queues side by side: jobs that each accepts, pauses, and the effect of invalid parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from buildkite_emulator import JobState
from mayfly_lab.lab import STACK, LabChoices
from stories.stage import BOOT, QUICK, Stage, a_stage

OPEN, RELEASE, SEEDS, CALM = "open", "release", "seeds", "calm"
REGISTRY = "/buildkite/pipelines/{pipeline}/repository"


RULE = "pipeline=app branch=release/* fork=no"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    choices = LabChoices(
        queues=(OPEN, RELEASE, SEEDS, CALM),
        delays=replace(QUICK, minute=10.0),
        boot_seconds=BOOT,
        parameters={
            OPEN: {"tags": "disk=large"},
            RELEASE: {"policy/rules/releases": RULE},
            SEEDS: {"policy/repository-from": REGISTRY},
        },
    )
    with a_stage(choices) as stage:
        yield stage


def assert_passed_over(stage: Stage, job: str) -> None:
    """Assert that dispatch passes over this job: it reserves a later job instead."""
    other = stage.push(OPEN)
    stage.until("dispatch takes another job", lambda: stage.job(other).state is JobState.RESERVED)
    assert stage.job(job).state is JobState.SCHEDULED
    assert stage.claim(job) is None
    stage.lab.buildkite.cancel_job(other)


def test_a_job_that_policy_denies_fails_with_the_reason_on_its_page(stage: Stage) -> None:
    job = stage.build("app", RELEASE, "echo released", branch="main")
    ended = stage.ended(job)
    assert (ended.outcome, ended.exit_status) == ("failed", -1)
    assert ended.detail is not None
    assert "Queue release does not take this job: " in ended.detail
    assert "The job: pipeline app" in ended.detail
    assert "branch main" in ended.detail
    assert "asks for another branch" in ended.detail
    claim = stage.finished(job)
    assert (claim.state, claim.told, claim.reason) == ("failed", True, ended.detail)
    assert stage.instances(RELEASE) == []


def test_two_queues_hold_to_their_own_policies_at_once(stage: Stage) -> None:
    open_main = stage.build("app", OPEN, branch="main")
    main = stage.build("app", RELEASE, branch="main")
    released = stage.build("app", RELEASE, branch="release/1")
    other = stage.build("other", RELEASE, branch="release/1")
    ended = {job: stage.ended(job).outcome for job in (open_main, main, released, other)}
    assert ended == {open_main: "passed", main: "failed", released: "passed", other: "failed"}
    assert "none of its rules is for this pipeline" in (stage.job(other).detail or "")
    assert {i.job for i in stage.instances(RELEASE)} == {released}


def test_a_pipeline_runs_only_with_the_repository_that_is_registered_for_it(stage: Stage) -> None:
    own = stage.lab.buildkite.repository_url("app")
    register(stage, "known", own)
    register(stage, "stolen", "https://git.example.org/acme/deploy.git")
    known, stolen, unknown = (
        stage.build(pipeline, SEEDS) for pipeline in ("known", "stolen", "unknown")
    )
    assert stage.ended(known).outcome == "passed"
    denied = [stage.ended(job) for job in (stolen, unknown)]
    assert [job.outcome for job in denied] == ["failed", "failed"]
    assert "another repository is registered for its pipeline" in (denied[0].detail or "")
    assert "no repository is registered for its pipeline" in (denied[1].detail or "")
    assert {i.job for i in stage.instances(SEEDS)} == {known}


def register(stage: Stage, pipeline: str, repository: str) -> None:
    name = REGISTRY.replace("{pipeline}", pipeline)
    stage.lab.aws.client("ssm").put_parameter(Name=name, Value=repository, Type="String")


def test_a_job_with_unmatched_agent_rules_is_not_claimed(stage: Stage) -> None:
    fits = stage.push(OPEN, agents={"disk": "large"})
    alone = stage.push(OPEN, agents={"gpu": "yes"})
    assert_passed_over(stage, alone)
    line = f"queue {OPEN} does not meet the rule gpu=yes: the queue has no tag gpu; 1 job waits"
    stage.until("the log has the line", lambda: stage.said("dispatch", line))
    stage.until("LeftNoMatch is counted", lambda: stage.counted("dispatch", "LeftNoMatch"))
    assert stage.ended(fits).outcome == "passed"
    assert stage.job(alone).state is JobState.SCHEDULED
    rule = f"queue {OPEN} does not meet the rule gpu=yes: the queue has no tag gpu."
    assert [notice.detail for notice in stage.job(alone).notices][:1] == [f"Not taken: {rule}"]
    stage.lab.buildkite.cancel_job(alone)


def pause_here(stage: Stage) -> Callable[[], None]:
    stage.lab.put_parameter(CALM, "paused", "true")
    stage.until("the pause is in force", lambda: stage.in_force(CALM).paused)
    return lambda: stage.lab.put_parameter(CALM, "paused", "false")


def pause_at_buildkite(stage: Stage) -> Callable[[], None]:
    paused = stage.lab.buildkite.faults.paused_queues
    paused.add(CALM)
    return lambda: paused.discard(CALM)


@pytest.mark.parametrize("pause", [pause_here, pause_at_buildkite])
def test_a_paused_queue_starts_no_new_job_and_finishes_running_ones(
    stage: Stage, pause: Callable[[Stage], Callable[[], None]]
) -> None:
    runs = stage.push(CALM, "echo started; sleep 1; echo done")
    stage.running(runs)
    resume = pause(stage)
    waits = stage.push(CALM)
    assert_passed_over(stage, waits)
    assert stage.ended(runs).outcome == "passed"
    resume()
    assert stage.ended(waits).outcome == "passed"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("limits/max-instances", "lots", "a count from 1 to 5000"),
        ("job/root", "yes", "imds"),
        ("pool/hot", "51", "at most limits/max-instances (50)"),
        ("polcy/rules/x", "branch=main", "polcy/rules/x"),
    ],
    ids=["unreadable", "contradictory", "beyond-the-limit", "unknown"],
)
def test_an_invalid_parameter_changes_nothing_except_the_alarm(
    stage: Stage, name: str, value: str, words: str
) -> None:
    before = stage.in_force(CALM)
    counted = stage.counted("provision", "BadConfiguration")
    stage.lab.put_parameter(CALM, name, value)
    (problem,) = stage.until("the queue has a problem", lambda: stage.queue(CALM).problems)
    assert words in problem
    assert stage.in_force(CALM) == before
    stage.until(
        "provision answers with it", lambda: f"queue calm: {problem}" in stage.problems("provision")
    )
    stage.until(
        "the alarm's metric is counted",
        lambda: stage.counted("provision", "BadConfiguration") > counted,
    )
    stage.lab.aws.client("ssm").delete_parameter(Name=f"/mayfly/{STACK}/queues/{CALM}/{name}")
    stage.until("the queue has no problem", lambda: not stage.queue(CALM).problems)
    assert stage.in_force(CALM) == before


def test_while_a_policy_cannot_be_read_the_last_one_lets_jobs_in_and_denies_none(
    stage: Stage,
) -> None:
    stage.lab.put_parameter(RELEASE, "policy/rules/releases", "branch=")
    stage.until("the queue has a problem", lambda: stage.queue(RELEASE).problems)
    # Dispatch reads the records of queues once a second: by the job's end it knows the mark.
    allowed = stage.build("app", RELEASE, branch="release/1")
    assert stage.ended(allowed).outcome == "passed"
    undecided = stage.build("app", RELEASE, branch="main")
    waiting = "Not taken yet: the policy of queue release cannot be read at present."
    stage.until(
        "the page says so", lambda: waiting in [n.detail for n in stage.job(undecided).notices]
    )
    assert stage.job(undecided).state == "scheduled"
    stage.lab.put_parameter(RELEASE, "policy/rules/releases", RULE)
    assert stage.ended(undecided).outcome == "failed"


def test_at_the_end_nothing_is_left_and_every_promise_was_kept(stage: Stage) -> None:
    stage.empty()
    assert stage.broken_promises() == []
