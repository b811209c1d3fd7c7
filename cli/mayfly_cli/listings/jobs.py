"""Jobs that Mayfly knows of: open claims, jobs left alone, and jobs that failed lately. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from mayfly.records.model import Claim, Instance
from mayfly.records.standing import LeftAlone
from mayfly.records.why import Why
from mayfly_cli.listings.failed import Ended, Outcome, latest_of, outcome_of, reason_of
from mayfly_cli.operations.reading import QueueView, StackView, claims_once, instances_once
from mayfly_cli.operations.reasons import mood
from mayfly_cli.operations.screen import Cell, Document, Mood, Span, columns, line, table
from mayfly_cli.operations.words import lasted

LEFT_ALONE = "left alone"
_NOTHING = Ended()


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
    outcome: Outcome | None = None
    """How the job failed; None for one that did not, or of whose failure no record tells."""

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
    complete: bool = True
    """Whether these are all failed jobs of the time that was asked for."""

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
                each.state if each.outcome is None else Span(each.outcome, Mood.BAD),
                lasted(self.now - each.since),
                each.instance or "-",
                _why(each),
            )
            for each in self.jobs
        ]
        more = () if self.complete else (line("there are more: give a shorter --since"),)
        return (table(heads, rows), *more)


def _why(job: Job) -> Cell:
    return job.reason if job.why is None else Span(job.why.text, mood(job.why))


def jobs_of(view: StackView, *, waiting: bool) -> Jobs:
    """The jobs of these queues; with `waiting`, only those that no agent has."""
    return jobs_with(view, {}, kept=lambda job: not waiting or job.waited is not None)


def jobs_with(
    view: StackView, ended: Mapping[str, Ended], *, kept: Callable[[Job], bool] = bool
) -> Jobs:
    """The jobs of these queues that are `kept`; `ended` has, by queue, what closed lately."""
    found = [
        job
        for queue in view.queues
        for job in _of_queue(queue, ended.get(queue.queue, _NOTHING), view.now)
        if kept(job)
    ]
    found.sort(key=lambda each: (each.since, each.job))
    return Jobs(view.stack, view.now, tuple(found), all(each.complete for each in ended.values()))


def _of_queue(view: QueueView, ended: Ended, now: datetime) -> Iterator[Job]:
    instances = {each.key: each for each in instances_once(view.instances, ended.instances)}
    failed = [each for each in ended.claims if outcome_of(each, latest_of(each, instances))]
    for claim in claims_once(view.claims, failed):
        yield job_of(claim, latest_of(claim, instances), now)
    for left in view.left:
        yield job_left(left, view.queue, now)


def job_left(left: LeftAlone, queue: str, now: datetime) -> Job:
    """A job that the queue leaves alone."""
    return Job(
        left.job, left.pipeline, left.build, left.step, queue, LEFT_ALONE, left.waits_since,
        max(now - left.waits_since, timedelta()), 0, None, left.why,
    )  # fmt: skip


def job_of(claim: Claim, instance: Instance | None, now: datetime) -> Job:
    """The job of a claim, with the instance of its latest attempt."""
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
        instance=instance.instance_id if instance is not None else None,
        why=claim.why if claim.state.traits.waits else None,
        reason="" if claim.state.traits.open else reason_of(claim, instance),
        outcome=outcome_of(claim, instance),
    )
