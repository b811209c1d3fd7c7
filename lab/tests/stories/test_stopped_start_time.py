"""A start of a stopped instance takes the boot of its machine, and at most two seconds besides.

    pytest -s lab/tests/stories/test_stopped_start_time.py

prints what each part of a start took.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from mayfly_lab.aws.config import Delays
from mayfly_lab.lab import LabChoices
from mayfly_lab.latency import Latency
from stories.stage import Stage, a_stage
from stories.start_times import POOL, assert_fast, started_for_a_job

QUEUE = "default"
STARTS = 3


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """A lab with the stated delays of AWS, and of the network as in benchmarks."""
    choices = LabChoices(
        queues=(QUEUE,),
        delays=replace(Delays(), minute=8.0),
        latency=Latency.parse("buildkite=100ms,aws=15ms"),
        parameters={QUEUE: POOL},
    )
    with a_stage(choices) as stage:
        yield stage


def test_mayfly_adds_at_most_two_seconds_to_the_boot_of_a_stopped_machine(stage: Stage) -> None:
    assert_fast([started_for_a_job(stage, QUEUE) for _ in range(STARTS)])
