"""Jobs that Mayfly knows of: claims that are open, and jobs that a queue leaves alone. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from mayfly.records.model import Claim
from mayfly.records.standing import LeftAlone
from mayfly.records.why import Why
from mayfly_cli.operations.reading import QueueView, StackView
from mayfly_cli.operations.reasons import mood
from mayfly_cli.operations.screen import Document, Span, columns, line, table
from mayfly_cli.operations.words import lasted

LEFT_ALONE = "left alone"


@dataclass(frozen=True, slots=True)
class Job:
    """One job."""

    job: str
    """The job's UUID."""
    pipeline: str
    build: int
    step: str
    queue: str
    state: str
    """The state of the job's claim; `left alone` for a job whose rules the queue does not meet."""
    since: datetime
    waited: timedelta | None
    """Time since the job was runnable, while no agent has the job; None later."""
    attempt: int
    instance: str | None
    why: Why | None
    """Why the job waits; None for a job that does not wait."""
    reason: str = ""
    """Why the job's claim is in its state, once it has ended; else empty."""

    @property
    def title(self) -> str:
        """The job's name for a person."""
        build = f"{self.pipeline} #{self.build}" if self.pipeline else self.job
        return f'{build} "{self.step}"' if self.step else build


@dataclass(frozen=True, slots=True)
class Jobs:
    """The jobs of a stack, the oldest first."""

    stack: str
    now: datetime
    jobs: tuple[Job, ...]

    @property
    def needs_person(self) -> bool:
        """Whether a job waits for a person."""
        return any(each.why is not None and each.why.code.needs_person for each in self.jobs)

    def document(self) -> Document:
        """One row a job."""
        if not self.jobs:
            return (line("no jobs"),)
        heads = columns("JOB", "QUEUE", "STATE", ">SINCE", "INSTANCE", "WHY")
        rows = [
            (
                each.title,
                each.queue,
                each.state,
                lasted(self.now - each.since),
                each.instance or "-",
                each.reason if each.why is None else Span(each.why.text, mood(each.why)),
            )
            for each in self.jobs
        ]
        return (table(heads, rows),)


def jobs_of(view: StackView, *, waiting: bool) -> Jobs:
    """The jobs of these queues; with `waiting`, only those that no agent has."""
    found = [job for queue in view.queues for job in _of_queue(queue, view.now)]
    kept = [each for each in found if not waiting or each.waited is not None]
    kept.sort(key=lambda each: (each.since, each.job))
    return Jobs(view.stack, view.now, tuple(kept))


def _of_queue(view: QueueView, now: datetime) -> Iterator[Job]:
    instances = {each.key: each.instance_id for each in view.instances}
    for claim in view.claims:
        yield job_of(claim, instances.get(claim.slot) if claim.slot is not None else None, now)
    for left in view.left:
        yield job_left(left, view.queue, now)


def job_left(left: LeftAlone, queue: str, now: datetime) -> Job:
    """A job that the queue leaves alone."""
    return Job(
        left.job, left.pipeline, left.build, left.step, queue, LEFT_ALONE, left.waits_since,
        max(now - left.waits_since, timedelta()), 0, None, left.why,
    )  # fmt: skip


def job_of(claim: Claim, instance: str | None, now: datetime) -> Job:
    """The job of a claim."""
    runs = claim.phases.accepted is not None or not (
        claim.state.traits.waits or claim.state.traits.bound
    )
    return Job(
        job=claim.job,
        pipeline=claim.pipeline,
        build=claim.build,
        step=claim.step,
        queue=claim.queue,
        state=str(claim.state),
        since=claim.since,
        waited=None if runs else max(now - claim.runnable_at, timedelta()),
        attempt=claim.attempt,
        instance=instance,
        why=claim.why if claim.state.traits.waits else None,
        reason="" if claim.state.traits.open else claim.reason,
    )
