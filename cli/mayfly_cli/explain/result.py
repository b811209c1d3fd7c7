"""The explanation of a job, of an instance, of a build, or of a queue. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from mayfly.records.model import Claim, Instance, Step
from mayfly.records.standing import LeftAlone
from mayfly.records.turns import busy_pipelines, in_turn, of_claims
from mayfly.records.why import Code, Why
from mayfly_cli.listings.instances import Shown, shown_of
from mayfly_cli.listings.jobs import Job, Jobs, job_left, job_of
from mayfly_cli.operations.granted import Granted, granted_of
from mayfly_cli.operations.reading import QueueView
from mayfly_cli.operations.reasons import of_security_owners, remedy, told
from mayfly_cli.operations.screen import Block, Document, Hint, Mood, Span, line
from mayfly_cli.operations.words import at, job_title, lasted

_OF_EVERY_JOB = frozenset(
    {
        *(Code.TOKEN_REFUSED, Code.UNKNOWN_QUEUE, Code.NO_CONFIGURATION, Code.STACK_GONE),
        *(Code.ROLES_REFUSED, Code.BRAKED, Code.NO_CAPACITY, Code.PAUSED, Code.PAUSED_AT_BUILDKITE),
    }
)
"""What holds back every job of a queue that has no instance yet."""


@dataclass(frozen=True, slots=True)
class Busy:
    """A job that holds an instance of the queue."""

    instance: str
    title: str
    running_for: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class JobExplained:
    """One job, from runnable to its end."""

    now: datetime
    job: Job
    place: int
    """The job's place among the queue's waiting jobs, from 1; 0 for a job that does not wait."""
    of: int
    runnable_at: datetime
    reserved_until: datetime | None
    steps: tuple[Step, ...]
    """Each state with its time and reason."""
    reason: str
    """Why the job is in its state."""
    holders: tuple[Busy, ...]
    """Jobs whose end makes room, where the queue's limit holds the job back."""
    todo: str
    """A command, or what else to do; empty for nothing."""
    instance_end: Step | None = None
    """State, time and reason of the end of the job's instance; None while it lives."""
    queue_why: Why | None = None
    """What holds back the queue, while the waiting job has no reason of its own yet."""
    granted: Granted | None = None
    """What the queue's present configuration gives the job besides its machine; None for nothing,
    and for a job that has ended."""

    @property
    def needs_person(self) -> bool:
        """Whether the job's reason, or else the queue's, needs a person."""
        why = self.job.why or self.queue_why
        return why is not None and why.code.needs_person

    def document(self) -> Document:
        """Title, steps, and the reason of now."""
        job = self.job
        place = f"  ({self.place} of {self.of} waiting)" if self.place else ""
        waits = f"  waits {lasted(job.waited)}" if job.waited is not None else f"  {job.state}"
        found: list[Block] = [
            line(Span(job.title, Mood.STRONG), f"  queue {job.queue}{waits}{place}")
        ]
        found.append(line(job.job, indent=2))
        found.append(line(f"{at(self.runnable_at, self.now, seconds=True)}  runnable", indent=2))
        for step in self.steps:
            when = at(step.at, self.now, seconds=True)
            found.append(line(f"{when}  {step.state:<10} {step.reason}", indent=2))
        if job.instance is not None:
            found.append(line(f"instance  {job.instance}{self._instance_end()}", indent=2))
        for what, name in self.granted.words() if self.granted is not None else ():
            found.append(line(f"{what:<8}  {name}", indent=2))
        if job.why is not None:
            found.append(line("now       ", *told(job.why, self.now), indent=2))
        if self.queue_why is not None:
            found.append(line("queue     ", *told(self.queue_why, self.now), indent=2))
        for each in self.holders:
            ran = lasted(timedelta(seconds=each.running_for))
            found.append(line(f"frees up  {each.instance} runs {each.title}, for {ran}", indent=2))
        if self.todo:
            found.append(Hint(self.todo, 2))
        why = job.why or self.queue_why
        if why is not None and (owned := of_security_owners(why, job.queue)):
            found.append(Hint(owned, 2))
        return tuple(found)

    def _instance_end(self) -> str:
        end = self.instance_end
        if end is None:
            return ""
        return f", {end.state} {at(end.at, self.now, seconds=True)}: {end.reason}"


@dataclass(frozen=True, slots=True)
class InstanceExplained:
    """One instance, from launch to end."""

    now: datetime
    instance: Shown
    steps: tuple[Step, ...]
    proven: bool
    """Whether the instance was ever ready for a job."""

    @property
    def needs_person(self) -> bool:
        """Never: an instance alone is no verdict."""
        return False

    def document(self) -> Document:
        """Title, and each state with its time and reason."""
        shown = self.instance
        price = f"  ${shown.usd_an_hour}/h" if shown.usd_an_hour else ""
        name = Span(shown.instance or shown.slot, Mood.STRONG)
        found: list[Block] = [line(name, f"  {shown.kind}  queue {shown.queue}{price}".rstrip())]
        for step in self.steps:
            when = at(step.at, self.now, seconds=True)
            found.append(line(f"{when}  {step.state:<12} {step.reason}", indent=2))
        if shown.job:
            found.append(line(f"job       {shown.title}", indent=2))
            found.append(Hint(f"mayfly explain {shown.job}", 2))
        return tuple(found)


def explain_job(
    claim: Claim, instance: Instance | None, view: QueueView | None, now: datetime
) -> JobExplained:
    """A job's explanation; `view` is the view of the job's queue, None for a queue that is gone."""
    jobs = _waiting(view) if view is not None else []
    why = claim.why if claim.state.traits.waits else None
    held = view is not None and why is not None and why.code is Code.MAX_INSTANCES
    waits = view is not None and why is None and claim.state.traits.waits and instance is None
    of_queue = _of_queue(view) if view is not None and waits else None
    return JobExplained(
        now=now,
        job=job_of(claim, instance, now),
        place=jobs.index(claim.job) + 1 if claim.job in jobs else 0,
        of=len(jobs),
        runnable_at=claim.runnable_at,
        reserved_until=claim.reserved_until,
        steps=claim.history,
        reason=claim.reason,
        holders=tuple(_holders(view, now)) if held and view is not None else (),
        todo=_todo(why or of_queue, claim.queue, view),
        instance_end=_end(instance),
        queue_why=of_queue,
        granted=granted_of(claim, view.config if view is not None else None),
    )


def _end(instance: Instance | None) -> Step | None:
    if instance is None or instance.state.traits.open:
        return None
    return Step(instance.state, instance.since, instance.reason)


def _of_queue(view: QueueView) -> Why | None:
    """The gravest reason that holds back each job of the queue without an instance."""
    return next((each for each in view.reasons if each.code in _OF_EVERY_JOB), None)


def explain_left(left: LeftAlone, view: QueueView, now: datetime) -> JobExplained:
    """The explanation of a job that the queue does not take."""
    return JobExplained(
        now=now,
        job=job_left(left, view.queue, now),
        place=0,
        of=0,
        runnable_at=left.waits_since,
        reserved_until=None,
        steps=(),
        reason=left.why.text,
        holders=(),
        todo=_todo(left.why, view.queue, view),
    )


def explain_instance(instance: Instance, claim: Claim | None, now: datetime) -> InstanceExplained:
    """An instance's explanation, with the claim of its job."""
    title = job_title(claim) if claim is not None else instance.job or ""
    return InstanceExplained(now, shown_of(instance, title), instance.history, instance.proven)


def explain_build(stack: str, claims: Iterable[Claim], left: Iterable[Job], now: datetime) -> Jobs:
    """All jobs of a build."""
    found = [*(job_of(claim, None, now) for claim in claims), *left]
    return Jobs(stack, now, tuple(sorted(found, key=lambda each: (each.since, each.job))))


def _waiting(view: QueueView) -> list[str]:
    """The queue's waiting jobs, the next one first: the order in which they get instances."""
    waiting = [claim for claim in view.claims if claim.state.traits.waits]
    return [each.job for each in in_turn(of_claims(waiting), busy_pipelines(view.claims))]


def _todo(why: Why | None, queue: str, view: QueueView | None) -> str:
    return "" if why is None else remedy(why, queue, view.config if view is not None else None)


def _holders(view: QueueView, now: datetime) -> Iterable[Busy]:
    titles = {claim.job: job_title(claim) for claim in view.claims}
    running = [each for each in view.instances if each.job is not None]
    for each in sorted(running, key=lambda instance: instance.since)[:5]:
        since = (now - each.since).total_seconds()
        title = titles.get(each.job or "", each.job or "")
        yield Busy(each.instance_id or str(each.key), title, round(since, 1))
