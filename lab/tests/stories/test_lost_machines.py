"""A machine that is gone while a job runs: the job's page says so minutes before Buildkite does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from buildkite_emulator import JobState
from mayfly_lab.lab import LabChoices
from stories.stage import BOOT, QUICK, Stage, a_stage

QUEUE = "default"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    choices = LabChoices(queues=(QUEUE,), delays=QUICK, boot_seconds=BOOT)
    with a_stage(choices) as stage:
        yield stage


def test_the_page_of_a_job_whose_machine_is_gone_says_so_while_buildkite_waits(
    stage: Stage,
) -> None:
    job = stage.push(QUEUE, "echo started; sleep 600")
    machine = stage.running(job)
    stage.lab.crash(machine)
    lost = f"Instance {machine} ended at "
    stage.until(
        "the page says that the machine is gone",
        lambda: any(notice.detail.startswith(lost) for notice in stage.job(job).notices),
    )
    assert stage.job(job).state is JobState.RUNNING, "Buildkite still waits for the agent"
    claim = stage.finished(job)
    (note,) = [n.detail for n in stage.job(job).notices if n.detail.startswith(lost)]
    assert "the machine switched itself off (Client.InstanceInitiatedShutdown" in note
    assert note[1:].startswith(claim.reason[1:100])


def test_a_machine_that_ends_its_job_in_order_leaves_no_such_note(stage: Stage) -> None:
    job = stage.push(QUEUE, "echo started; sleep 600")
    stage.lab.aws.ec2.terminate([stage.running(job)])
    assert stage.ended(job).outcome == "failed"
    # `reap` may see the end before `dispatch` reads the state, or after: neither writes a note.
    assert "Buildkite says finished" in stage.finished(job).reason
    assert not any(notice.detail.startswith("Instance") for notice in stage.job(job).notices)
