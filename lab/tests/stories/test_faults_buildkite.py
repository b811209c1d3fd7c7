"""Buildkite refuses, fails, is down, or pauses a queue: no job is lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from buildkite_emulator import JobState
from stories.faults import QUEUE, a_troubled_stage, assert_job_survived, end, switch_on_faults
from stories.stage import Stage

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with a_troubled_stage() as stage:
        yield stage


@pytest.mark.parametrize(
    "fault",
    [
        "buildkite-answer=stacks.*,value=429,count=6",
        "buildkite-answer=stacks.*,value=502,count=6",
        "buildkite-answer=agent.*,value=503,count=3",
        "buildkite-lost=stacks.batch-reserve,count=2",
        "buildkite-slow=stacks.list-scheduled-jobs,value=7s,count=2",
        "buildkite-slow=stacks.batch-reserve,value=7s,count=1",
        "buildkite-slow=stacks.job-acquisition-tokens,value=7s,count=1",
        "buildkite-slow=agent.*,value=3s,count=4",
        "buildkite-lost=stacks.job-acquisition-tokens,count=1",
    ],
)
def test_a_job_runs_once_under_each_fault_of_buildkite(stage: Stage, fault: str) -> None:
    switch_on_faults(stage, fault)
    assert_job_survived(stage, stage.push(QUEUE))


def test_an_outage_delays_waiting_jobs_and_ends_no_running_job(stage: Stage) -> None:
    running = stage.push(QUEUE, "echo begun; sleep 4; echo done")
    stage.running(running)
    switch_on_faults(stage, "buildkite-outage=*,for=6s")
    waiting = stage.push(QUEUE)
    assert_job_survived(stage, running)
    assert_job_survived(stage, waiting)


def test_a_paused_queue_starts_no_job_until_its_resume(stage: Stage) -> None:
    switch_on_faults(stage, f"queue-paused={QUEUE},for=5s")
    job = stage.push(QUEUE)
    stage.until("the pause is noticed", lambda: stage.queue(QUEUE).queue == QUEUE)
    assert stage.job(job).state is JobState.SCHEDULED
    assert_job_survived(stage, job)


def test_jobs_of_a_removed_queue_run_after_its_return(stage: Stage) -> None:
    switch_on_faults(stage, f"queue-unknown={QUEUE},for=4s")
    assert_job_survived(stage, stage.push(QUEUE))


def test_at_the_end_nothing_is_left_and_every_promise_was_kept(stage: Stage) -> None:
    end(stage)
