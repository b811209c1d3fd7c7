"""Hosts that cannot be set up: the machine goes, and why is in its record and its last words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from mayfly.model import Instance
from mayfly.states import ClaimState, InstanceState
from mayfly_lab.aws.ec2.moments import Aspect
from mayfly_lab.lab import LabChoices
from tests.stories.stage import BOOT, QUICK, Stage, a_stage

NO_ARCHIVE = "no-archive"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    choices = LabChoices(
        queues=(NO_ARCHIVE,),
        delays=replace(QUICK, minute=4.0),
        boot_seconds=BOOT,
        stacks={NO_ARCHIVE: {"AgentArchiveUrl": "http://127.0.0.1:9/{version}-{arch}.tar.gz"}},
    )
    with a_stage(choices) as stage:
        yield stage
        stage.lab.aws.faults.clear()


def its_end(stage: Stage, queue: str) -> Instance:
    """How the first instance for a job ended: it had no job and was never let near one."""
    before = len(stage.launched(queue))
    job = stage.push(queue)
    instance_id = stage.until(f"{queue} has an instance", lambda: stage.launched(queue)[before:])[0]
    # Else a next one would be launched, and fail in the same way.
    stage.lab.buildkite.cancel_job(job)
    gone = stage.gone(instance_id)
    assert (gone.proven, gone.job) == (False, None)
    assert InstanceState.SWAPPING not in [step.state for step in gone.history]
    assert stage.finished(job).state is ClaimState.RELEASED
    moments = stage.lab.aws.moments.of(instance_id)
    assert [m.value for m in moments if m.aspect is Aspect.STATE][-1] == "terminated"
    return gone


def test_a_host_that_cannot_fetch_its_agent_says_from_where(stage: Stage) -> None:
    gone = its_end(stage, NO_ARCHIVE)
    assert gone.reason.startswith("http://127.0.0.1:9/")
    assert "cannot be fetched: curl --silent exited with 7" in gone.reason
    words = stage.last_words(gone.instance_id or "")
    assert gone.reason in words
    assert "Failed to connect to 127.0.0.1 port 9" in words


def test_at_the_end_nothing_is_left_and_every_promise_was_kept(stage: Stage) -> None:
    stage.empty()
    assert stage.broken_promises() == []
