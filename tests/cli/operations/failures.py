"""A queue on which jobs and boots have failed, as records; and the results with it."""

from __future__ import annotations

from dataclasses import replace

from mayfly.provision.pool import standard_shape
from mayfly.records.model import Instance, SlotKey, Step
from mayfly.records.standing import Standing, Target
from mayfly.records.states import ClaimState, InstanceState
from mayfly_cli.explain.result import explain_job
from mayfly_cli.listings.failed import Ended
from mayfly_cli.listings.jobs import jobs_with
from mayfly_cli.operations.reading import QueueView
from mayfly_cli.operations.running import Result
from mayfly_cli.status.result import status_of
from tests.cli.operations.samples import job, queue, results, sample
from tests.unit.builders import NOW, a_config, ago, an_instance


def dead_boots() -> tuple[Instance, ...]:
    """The three latest boots of the queue `locked`, the latest first."""
    return tuple(
        an_instance(
            InstanceState.TERMINATED, 0x63 - number, key=SlotKey(f"dead-{number}", 0),
            queue="locked", shape=standard_shape(a_config(queue="locked")), spec="spec",
            created=ago(22 + 3 * number), since=ago(20 + 3 * number), proven=False,
            reason="s3://acme-scripts/locked/setup exited with 3",
        )
        for number in range(3)
    )  # fmt: skip


DENIED = tuple(
    job(
        0x900 + number, "locked", build=900 + number, step="Deploy", state=ClaimState.FAILED,
        since=ago(4 + 9 * number), runnable_at=ago(4.1 + 9 * number),
        history=(
            Step("waiting", ago(4 + 9 * number), "Buildkite lists the job"),
            Step("failed", ago(4 + 9 * number), "denied"),
        ),
        reason="Queue locked does not take this job: a rule that is for this pipeline asks for "
        "another branch. Run it on another queue, or ask those who own the policy of locked to "
        "allow it. The job: pipeline app, branch main, source ui, not from a fork.",
    )
    for number in range(3)
)  # fmt: skip
UNLUCKY = job(
    0x8FF, "locked", build=899, step="Suite", state=ClaimState.FAILED, since=ago(20),
    runnable_at=ago(31), reason="Mayfly gave up: 3 boots, one after the other, failed while the "
    "job waited for an instance; the last one, instance i-00000000000000063: "
    "s3://acme-scripts/locked/setup exited with 3",
    history=(
        Step("waiting", ago(31), "Buildkite lists the job"),
        Step("failed", ago(20), "Mayfly gave up"),
    ),
)  # fmt: skip
LOST = job(
    0x8FE, "locked", build=898, step="Long suite", state=ClaimState.FINISHED, since=ago(44),
    runnable_at=ago(58), slot=SlotKey("lost-locked", 0), reason="Buildkite says finished",
    history=(
        Step("waiting", ago(58), "Buildkite lists the job"),
        Step("assigned", ago(57), "bound to instance i-00000000000000062"),
        Step("running", ago(56), "Buildkite says running"),
        Step("finished", ago(44), "Buildkite says finished"),
    ),
)  # fmt: skip
SWITCHED_OFF = an_instance(
    InstanceState.TERMINATED, 0x62, key=SlotKey("lost-locked", 0), queue="locked", job=LOST.job,
    spec="spec", created=ago(59), since=ago(43.9), proven=True,
    reason="the machine is going down: the instance was terminated from outside "
    "(Client.UserInitiatedShutdown: User initiated shutdown)",
)  # fmt: skip
ENDED = {
    "locked": Ended((*DENIED, UNLUCKY, LOST), (*dead_boots(), SWITCHED_OFF)),
}


def locked() -> QueueView:
    """A queue with a policy, a broken script, and nothing to do at present."""
    return queue(
        "locked", config={}, live=0,
        standings=(Standing("locked", "provision", ago(seconds=5), hot=Target(0, "default")),),
    )  # fmt: skip


def all_results() -> dict[str, Result]:
    """By name: the result of each command on the sample, and on this queue."""
    view = replace(sample(), queues=(locked(),))
    return {
        **results(),
        "status-queue": status_of(view, ENDED),
        "jobs-failed": jobs_with(view, ENDED, kept=lambda job: job.outcome is not None),
        "explain-lost": explain_job(LOST, SWITCHED_OFF, locked(), NOW),
    }
