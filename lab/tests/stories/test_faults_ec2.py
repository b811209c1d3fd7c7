"""EC2 throttles, lacks capacity, launches too few, loses answers, and interrupts spot instances."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stories.faults import QUEUE, a_troubled_stage, assert_job_survived, end, switch_on_faults
from stories.stage import Stage

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    parameters = {"launch/purchase": "spot-then-on-demand", "launch/instance-types": "m7i.large"}
    with a_troubled_stage(parameters) as stage:
        yield stage


def test_a_spot_notice_before_the_job_costs_a_machine_and_no_job(stage: Stage) -> None:
    """First in this file: after a lack of spot capacity a queue buys on demand for some minutes."""
    switch_on_faults(stage, "spot-notice=*,value=0s,count=1")
    job = stage.push(QUEUE, retry={"automatic": [{"exit_status": "*", "limit": 2}]})
    noticed = stage.until(
        "EC2 warns",
        lambda: [m for m in stage.lab.aws.moments.all() if m.aspect == "spot"],
    )
    last = job
    while (ended := stage.ended(last)).retried_in is not None:
        last = ended.retried_in
    assert ended.outcome == "passed"
    stage.gone(noticed[0].instance_id)


@pytest.mark.parametrize(
    "fault",
    [
        "throttle=ec2:CreateFleet,count=2",
        "bucket=ec2:*,value=5/2",
        "error=ec2:CreateFleet,count=2",
        "error=ssm:GetParameter*,value=InternalError,count=3",
        "latency=dynamodb:*,value=100ms",
        "describe-lag=*,value=2s",
        "stillborn=*,count=1",
        "no-capacity=*/us-east-1a,for=20s",
    ],
)
def test_a_job_runs_once_under_each_fault_of_ec2(stage: Stage, fault: str) -> None:
    switch_on_faults(stage, fault)
    assert_job_survived(stage, stage.push(QUEUE))


def test_a_launch_whose_answer_is_lost_is_not_made_twice(stage: Stage) -> None:
    before = len(stage.launched(QUEUE))
    switch_on_faults(stage, "lost-answer=ec2:CreateFleet,count=2")
    assert_job_survived(stage, stage.push(QUEUE))
    assert len(stage.launched(QUEUE)) == before + 1


def test_a_job_runs_on_demand_if_spot_has_no_capacity(stage: Stage) -> None:
    switch_on_faults(stage, "no-capacity=*/spot")
    job = stage.push(QUEUE)
    assert_job_survived(stage, job)
    found = stage.lab.aws.client("ec2").describe_instances(
        InstanceIds=[stage.served(job).instance_id]
    )
    assert "InstanceLifecycle" not in found["Reservations"][0]["Instances"][0]


def test_instances_missing_from_a_partial_launch_are_launched_again(stage: Stage) -> None:
    switch_on_faults(stage, "partial-fleet=*,value=1,count=2")
    jobs = [stage.push(QUEUE) for _ in range(3)]
    for job in jobs:
        assert stage.ended(job).outcome == "passed"
    short = [i for i in stage.instances(QUEUE) if "not launched" in i.reason]
    assert short or len(stage.launched(QUEUE)) >= 3
    stage.lab.faults.clear()


def test_at_the_end_nothing_is_left_and_every_promise_was_kept(stage: Stage) -> None:
    end(stage)
