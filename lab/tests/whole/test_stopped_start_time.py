"""A start of a stopped instance whose machine boots a systemd of its own: what Mayfly adds.

    pytest -s -m whole lab/tests/whole/test_stopped_start_time.py

prints what each part of a start took.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from mayfly_lab.aws.config import Delays
from mayfly_lab.latency import Latency
from stories.start_times import POOL, assert_fast, started_for_a_job
from whole.machines import WholeStage, a_whole_stage

pytestmark = pytest.mark.whole

QUEUE = "default"
STARTS = 2


@pytest.fixture(scope="module")
def stage(suite: str) -> Iterator[WholeStage]:
    delays = replace(Delays(), minute=8.0)
    latency = Latency.parse("buildkite=100ms,aws=15ms")
    with a_whole_stage(suite, parameters={QUEUE: POOL}, delays=delays, latency=latency) as found:
        yield found


def test_mayfly_adds_at_most_two_seconds_to_the_boot_of_a_machine_with_systemd(
    stage: WholeStage,
) -> None:
    assert_fast([started_for_a_job(stage, QUEUE) for _ in range(STARTS)])
