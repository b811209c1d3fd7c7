"""Time limits. All stories wait for their real minute, concurrently."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from mayfly_lab.lab import LabChoices
from stories.stage import BOOT, QUICK, Stage, a_stage

pytestmark = pytest.mark.slow

JOBS, SHORT, HANGS, REFUSED = "jobs", "short", "hangs", "refused"


@dataclass(frozen=True, slots=True)
class Scene:
    """Four jobs that were pushed at the same time."""

    stage: Stage
    timed_out: str
    beyond_ceiling: str
    hanging_host: str
    refused_host: str


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    choices = LabChoices(
        queues=(JOBS, SHORT, HANGS, REFUSED),
        delays=QUICK,
        boot_seconds=BOOT,
        parameters={
            SHORT: {"job/max-minutes": "1"},
            # The job is given up with its only host.
            HANGS: {"job/attempts": "1"},
            REFUSED: {"job/attempts": "1"},
        },
    )
    with a_stage(choices) as stage:
        script = stage.lab.put_script(HANGS, "hang.sh", "#!/bin/bash\necho stuck; sleep 600\n")
        stage.lab.put_parameter(HANGS, "bootstrap/script", f"{script} minutes=1")
        stage.until("the script is in force", lambda: stage.in_force(HANGS).script)
        timed_out = stage.push(JOBS, "echo started; sleep 600", timeout_in_minutes=1)
        beyond_ceiling = stage.push(SHORT, "echo started; sleep 600")
        hanging_host = only_host(stage, HANGS)
        refused_host = only_host(stage, REFUSED)
        stage.lab.aws.faults.set(
            "error", "dynamodb:UpdateItem", by=refused_host, seconds=300, value="AccessDenied"
        )
        yield Scene(stage, timed_out, beyond_ceiling, hanging_host, refused_host)


def only_host(stage: Stage, queue: str) -> str:
    """The instance that is launched for a new job of the queue."""
    stage.push(queue)
    return stage.until(f"{queue} has an instance", lambda: stage.launched(queue))[0]


def test_a_job_that_takes_longer_than_its_step_allows_is_timed_out(scene: Scene) -> None:
    stage = scene.stage
    instance_id = stage.running(scene.timed_out)
    ended = stage.ended(scene.timed_out)
    assert (ended.outcome, ended.signal_reason) == ("timed_out", "cancel")
    assert stage.gone(instance_id).job == scene.timed_out
    assert stage.finished(scene.timed_out).state == "finished"


def test_a_job_that_takes_longer_than_its_queue_allows_fails_and_frees_its_instance(
    scene: Scene,
) -> None:
    stage = scene.stage
    ended = stage.ended(scene.beyond_ceiling)
    assert (ended.outcome, ended.signal_reason) == ("failed", "agent_stop")
    gone = stage.gone(stage.served(scene.beyond_ceiling).instance_id or "")
    assert gone.reason == "the job ran for its limit of 1 minutes"


def test_a_hanging_bootstrap_script_fails_the_host_with_its_last_lines(scene: Scene) -> None:
    gone = scene.stage.gone(scene.hanging_host)
    assert gone.reason == "s3://mayfly-scripts/hangs/hang.sh took longer than 1 minutes"
    assert not gone.proven
    assert "stuck" in scene.stage.last_words(scene.hanging_host)


def test_a_host_without_mailbox_access_powers_off_with_a_console_message(
    scene: Scene,
) -> None:
    gone = scene.stage.gone(scene.refused_host)
    assert not gone.proven
    assert "Client.InstanceInitiatedShutdown; its console says: " in gone.reason
    assert "the mailbox does not take 'booting'" in gone.reason
    words = scene.stage.last_words(scene.refused_host)
    assert "the mailbox does not take 'booting'" in words
    assert "AccessDenied" in words


def test_at_the_end_nothing_is_left_and_every_promise_was_kept(scene: Scene) -> None:
    scene.stage.empty()
    assert scene.stage.broken_promises() == []
