"""The state of a stack and of each queue, made of its records. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mayfly.records.model import Claim, Lease
from mayfly.records.standing import Standing, Target
from mayfly.records.states import Supply
from mayfly.records.why import Code, Why, in_order, why
from mayfly_cli.listings.failed import Ended
from mayfly_cli.operations.reading import QueueView, claims_once
from mayfly_cli.operations.waiting import Percentiles, percentiles
from mayfly_cli.status.boots import failed_boots
from mayfly_cli.status.failures import Failures, failures_of

SILENT = timedelta(minutes=2)
"""After this time without a renewal of its lease, `dispatch` does not run."""


@dataclass(frozen=True, slots=True)
class BuildkiteWord:
    """What Buildkite last said to `dispatch`."""

    token: str
    """`good`, `refused`, or `unknown` while `dispatch` does not run."""
    since: datetime | None
    """Since when the token is refused, or since when `dispatch` does not run."""
    reason: str
    listed_at: datetime | None


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """One queue."""

    queue: str
    hot: int
    hot_target: int
    hot_reason: str
    """What sets the target, such as a line of the schedule."""
    hot_next_change: datetime | None
    stopped: int
    stopped_target: int
    stopped_reason: str
    """As `hot_reason`."""
    stopped_next_change: datetime | None
    coming: int
    running: int
    live: int
    """Instances that count for the limit."""
    max_instances: int
    waiting: int
    oldest: timedelta | None
    """How long the oldest waiting job has waited."""
    waits: Percentiles | None
    """Of jobs that began today, at most the latest 500; None without any."""
    held: int
    """Jobs, of the waiting ones, that a queue holds because its parameter `paused` is true."""
    left_alone: int
    """Jobs whose rules the queue does not meet."""
    reasons: tuple[Why, ...]
    """What holds the queue back, the gravest first."""
    failures: Failures
    """Jobs that failed in the last hour by the policy, by Mayfly, or by the end of a machine."""
    problems: tuple[str, ...]
    """Values of parameters that are not in force."""
    active: bool
    """False while the queue is being deleted."""

    @property
    def needs_person(self) -> bool:
        """Whether something is wrong that Mayfly cannot set right."""
        return bool(self.problems) or any(each.code.needs_person for each in self.reasons)


@dataclass(frozen=True, slots=True)
class StackStatus:
    """A stack and its queues."""

    stack: str
    region: str
    now: datetime
    buildkite: BuildkiteWord
    queues: tuple[QueueStatus, ...]

    @property
    def needs_person(self) -> bool:
        """Whether the token is not good, or a queue needs a person."""
        return self.buildkite.token != "good" or any(each.needs_person for each in self.queues)  # noqa: S105


def buildkite_word(lease: Lease | None, now: datetime) -> BuildkiteWord:
    """What the lease row says of Buildkite."""
    if lease is None:
        return BuildkiteWord("unknown", None, "the function dispatch has never run", None)
    heard = lease.buildkite
    if now - lease.until > SILENT:
        return BuildkiteWord(
            "unknown", lease.until, "the function dispatch does not run", heard.listed_at
        )
    if heard.refused_since is not None:
        return BuildkiteWord("refused", heard.refused_since, heard.refusal, heard.listed_at)
    return BuildkiteWord("good", None, "", heard.listed_at)


def queue_status(view: QueueView, ended: Ended, now: datetime) -> QueueStatus:
    """The status of one queue, with what of it has ended lately."""
    known = claims_once(view.claims, ended.claims)
    waiting = [claim for claim in known if claim.state.traits.waits]
    number, oldest = _waiting(waiting, known, view.standings)
    reasons = in_order((*reasons_of(view, now), *failed_boots(view, ended.instances)))
    target = next((each.hot for each in view.standings if each.hot is not None), None)
    held = view.config.stopped.target(now) if view.config is not None else Target(0)
    supply = [each.state.traits.supply for each in view.instances]
    configured = view.config.max_instances if view.config is not None else 0
    recent = [claim for claim in known if claim.runnable_at.date() == now.date()]
    return QueueStatus(
        queue=view.queue,
        hot=supply.count(Supply.READY),
        hot_target=target.value if target is not None else 0,
        hot_reason=target.reason if target is not None else "",
        hot_next_change=target.next_change if target is not None else None,
        stopped=sum(1 for each in view.instances if each.state.value == "stopped"),
        stopped_target=held.value,
        stopped_reason=held.reason,
        stopped_next_change=held.next_change,
        coming=supply.count(Supply.COMING),
        running=sum(1 for each in view.instances if each.job is not None),
        live=view.ledger.live if view.ledger is not None else 0,
        max_instances=configured,
        waiting=number,
        oldest=None if oldest is None else max(now - oldest, timedelta()),
        waits=percentiles(recent),
        held=number if any(each.code is Code.PAUSED for each in reasons) else 0,
        left_alone=sum(each.left_total - each.held for each in view.standings),
        reasons=reasons,
        failures=failures_of(view, ended, now),
        problems=view.record.problems,
        active=view.record.active,
    )


def _waiting(
    waiting: Sequence[Claim], known: Sequence[Claim], standings: Sequence[Standing]
) -> tuple[int, datetime | None]:
    """How many jobs wait, and since when the oldest one has been runnable.

    A standing counts jobs without a claim, too, but may be a minute old: jobs that it counts and
    that have got on since are taken off. Jobs that a paused queue leaves alone wait, too.
    """
    numbers, times = [len(waiting)], [claim.runnable_at for claim in waiting]
    moved = [claim for claim in known if not claim.state.traits.waits]
    for said in standings:
        gone = [c for c in moved if c.runnable_at <= said.at < _waited_until(c)]
        left = said.waiting - len(gone)
        held = [job.waits_since for job in said.left if job.why.code is Code.PAUSED]
        numbers.append(left + max(said.held, len(held)))
        times.extend(held)
        others = said.oldest not in {claim.runnable_at for claim in gone}
        if said.oldest is not None and left > 0 and others:
            times.append(said.oldest)
    return max(numbers), min(times, default=None)


def _waited_until(claim: Claim) -> datetime:
    """When the job of a claim that waits no longer got its instance, or ended without one."""
    return claim.phases.assigned or claim.phases.finished or claim.since


def reasons_of(view: QueueView, now: datetime) -> tuple[Why, ...]:
    """The reasons of the functions' standings; without a standing, those of the queue's record."""
    if view.standings:
        return view.reasons
    found = []
    if view.config is None:
        found.append(why(Code.NO_CONFIGURATION, "there is no good configuration", now))
    if view.config is not None and view.config.paused:
        found.append(why(Code.PAUSED, "the parameter paused is true", now))
    if view.record.paused_at_buildkite:
        found.append(why(Code.PAUSED_AT_BUILDKITE, "the queue is paused at Buildkite", now))
    if view.record.roles is not None and view.record.roles.refused:
        found.append(why(Code.ROLES_REFUSED, view.record.roles.refused, now))
    return tuple(found)
