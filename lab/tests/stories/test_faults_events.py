"""Events are lost, late or duplicated, and functions die: everything happens a little later."""

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
    "faults",
    [
        ("event-lost=dynamodb,for=20s", "event-lost=sqs,for=20s", "event-lost=aws.ec2/*,for=20s"),
        ("event-late=dynamodb,value=3s,count=5", "event-late=sqs,value=3s,count=5"),
        ("event-doubled=dynamodb,count=20", "event-doubled=sqs,count=20"),
        ("kill=dispatch,value=300ms,count=2", "kill=provision", "kill=sandbox", "kill=reap"),
        ("kill=provision/ec2:CreateFleet", "kill=dispatch/dynamodb:TransactWriteItems"),
    ],
    ids=["lost", "late", "doubled", "killed in mid-tick", "killed after a call"],
)
def test_a_job_runs_once_on_one_machine(stage: Stage, faults: tuple[str, ...]) -> None:
    before = len(stage.launched(QUEUE))
    switch_on_faults(stage, *faults)
    assert_job_survived(stage, stage.push(QUEUE))
    assert len(stage.launched(QUEUE)) == before + 1


def test_at_the_end_nothing_is_left_and_every_promise_was_kept(stage: Stage) -> None:
    end(stage)
