"""Machines that fail to come up, and metadata services with wrong answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

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
        "imds-slow=*,value=300ms,for=10s",
        "imds-silent=*,for=4s",
        "imds-flapping=*,count=10",
        "imds-error=*,value=503,count=3",
        "imds-lag=*,value=30s",
    ],
)
def test_a_metadata_service_in_trouble_costs_time_and_no_job(stage: Stage, fault: str) -> None:
    switch_on_faults(stage, fault)
    assert_job_survived(stage, stage.push(QUEUE))


@pytest.mark.parametrize("fault", ["machine-dies=*,value=500ms", "clock-skew=*,value=-10m"])
def test_a_failed_machine_is_replaced(stage: Stage, fault: str) -> None:
    before = len(stage.launched(QUEUE))
    switch_on_faults(stage, fault)
    assert_job_survived(stage, stage.push(QUEUE))
    failed, *_, good = stage.launched(QUEUE)[before:]
    assert not stage.gone(failed).proven
    assert stage.gone(good).proven


@pytest.mark.parametrize("fault", ["machine-dead=*", "machine-hangs=*,value=100ms"])
def test_a_silent_machine_is_replaced_after_its_deadline(stage: Stage, fault: str) -> None:
    before = len(stage.launched(QUEUE))
    switch_on_faults(stage, fault)
    job = stage.push(QUEUE)
    (mute,) = stage.until("an instance is launched", lambda: stage.launched(QUEUE)[before:])
    # Five minutes are an instance's deadline for its first report.
    stage.age(mute, 6)
    assert_job_survived(stage, job)
    assert "for longer than" in stage.gone(mute).reason


def test_a_small_clock_error_of_a_machine_does_no_harm(stage: Stage) -> None:
    before = len(stage.launched(QUEUE))
    switch_on_faults(stage, "clock-skew=*,value=2m")
    assert_job_survived(stage, stage.push(QUEUE))
    assert len(stage.launched(QUEUE)) == before + 1


def test_at_the_end_nothing_is_left_and_every_promise_was_kept(stage: Stage) -> None:
    end(stage)
