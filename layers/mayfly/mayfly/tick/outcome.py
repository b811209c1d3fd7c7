"""Applies actions one by one and records the outcome."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeAlias, TypeVar, assert_never

from mayfly.errors import (
    FAILURES,
    Conflict,
    Failure,
    Misconfigured,
    NoCapacity,
    NotFound,
    TokenRefused,
    Transient,
)
from mayfly.metrics import Metric
from mayfly.records.about import NOTHING, Fields, fields, merged
from mayfly.records.why import Code, Why
from mayfly.tick.measures import Measures

log = logging.getLogger("mayfly")


class Left(StrEnum):
    """Why a read or an action was left to the next tick, which decides anew. Values are logged."""

    CONFLICT = "Conflict"
    TRANSIENT = "Transient"
    NOT_FOUND = "NotFound"

    @property
    def metric(self) -> Metric:
        """The metric of this cause."""
        match self:
            case Left.CONFLICT:
                return Metric.LEFT_CONFLICT
            case Left.TRANSIENT:
                return Metric.LEFT_TRANSIENT
            case Left.NOT_FOUND:
                return Metric.LEFT_NOT_FOUND
            case _:
                assert_never(self)


JOBS_NAMED = 20
"""Jobs in one log line about a reason; their number is in the line."""


class HeldJob(Protocol):
    """A job that waits for the end of a reason, such as a claim."""

    @property
    def job(self) -> str:
        """The job's id."""

    @property
    def pipeline(self) -> str:
        """The slug of its pipeline."""


@dataclass(frozen=True, slots=True)
class Held:
    """A reason why work of a queue does not happen, for log and metric."""

    queue: str
    why: Why
    jobs: tuple[HeldJob, ...] = ()
    is_logged: bool = True
    """False where an error stands behind the reason, which is logged itself."""

    @property
    def line(self) -> str:
        """The reason in whole words, for operators."""
        why = self.why
        parts = [f"queue {self.queue}: {why.text}"]
        if why.detail:
            parts.append(f" ({why.detail})")
        if why.subject.partition(" ")[0] not in why.text:
            parts.append(f" [{why.subject}]")
        if why.next_try is not None:
            parts.append(f"; the next try is at {why.next_try:%H:%M:%S} UTC")
        if self.jobs:
            parts.append(
                f"; {len(self.jobs)} {'job waits' if len(self.jobs) == 1 else 'jobs wait'}"
            )
        return "".join(parts)

    @property
    def about(self) -> Fields:
        """Fields of the log line: queue, the first jobs with their pipelines, code."""
        some = self.jobs[:JOBS_NAMED]
        return fields(
            queues=[self.queue],
            jobs=[each.job for each in some],
            pipelines=[each.pipeline for each in some],
            codes=[str(self.why.code)],
        )


class Action(Protocol):
    """The protocol of every action."""

    @property
    def reason(self) -> str:
        """Why the action is taken, for the log."""

    @property
    def about(self) -> Fields:
        """Fields of the log line: queue, job, instance, launch."""


AnyAction = TypeVar("AnyAction", bound=Action)
Told: TypeAlias = set[str]
"""Keys of warnings that an invocation has logged."""


@dataclass(slots=True)
class Outcome:
    """The outcome of ticks: applied actions, what was left to the next tick, problems, alarms."""

    done: Counter[type[Action]] = field(default_factory=Counter)
    """Applied actions by type, for the log. A loop asks the other fields and properties instead."""
    launched: int = 0
    """Launches with an answer of EC2; a recovered answer counts."""
    again: datetime | None = None
    """When the last tick wants to be repeated, events apart; None when the schedule is enough."""
    configured: int = 0
    """Queue records that were updated from SSM."""
    unmatched: int = 0
    """Listed jobs that do not match their queue, found for the first time."""
    left: Counter[Left] = field(default_factory=Counter)
    """Failed reads and actions that were left to the next tick, by cause."""
    problems: list[str] = field(default_factory=list)
    """One line for each problem that only a person can set right; counted by an alarm's metric."""
    unlogged: dict[str, Fields] = field(default_factory=dict)
    """Problems that are not in the log yet, with the log fields of each."""
    refusal: TokenRefused | None = None
    """The last refusal of the agent token; None where Buildkite refused no token."""
    idle: Transient | None = None
    """Why a whole invocation of `dispatch` could take no job; None where it could."""
    held: dict[tuple[str, Code, str], Held] = field(default_factory=dict)
    """By queue, code and subject: why wanted work does not happen at present.

    An invocation logs and counts each reason once, in the words of its last tick.
    """
    alarms: list[tuple[Metric, str]] = field(default_factory=list)
    """Metric and reason of each further alarm for a person."""
    of_queues: Measures = field(default_factory=Measures)
    """Values of the metrics of queues."""
    told: Told = field(default_factory=set)
    """What is in the log already. The ticks of an invocation share it: a loop meets one failure of
    AWS or Buildkite several times a second."""

    @property
    def lost_races(self) -> int:
        """How often another function or tick was first."""
        return self.left[Left.CONFLICT]

    @property
    def unfinished(self) -> bool:
        """Whether anything was left to the next tick."""
        return self.left.total() > 0

    @property
    def changed(self) -> bool:
        """Whether an action was applied or a queue record updated."""
        return bool(self.done.total() or self.configured)

    def perform(
        self, actions: Iterable[AnyAction], apply: Callable[[AnyAction], None]
    ) -> list[AnyAction]:
        """Apply each action. Returns the actions that succeeded.

        A failed action does not stop the others; its error goes into the outcome and the log. A
        Conflict is an ordinary outcome: another function or tick was first, and the next tick
        sees the change. Exceptions other than `FAILURES` are defects and are raised.
        """
        done = []
        for action in actions:
            with self.attempt(action):
                apply(action)
                self.succeeded(action)
                done.append(action)
        return done

    @contextmanager
    def attempt(self, action: Action) -> Iterator[None]:
        """Note the failure of an action in the block, and go on after the block: see `perform`."""
        try:
            yield
        except FAILURES as error:
            self.failed(_named(action), error, action.about)

    def succeeded(self, action: Action) -> None:
        """Count and log an action with its reason."""
        self.done[type(action)] += 1
        log.info("%s: %s", type(action).__name__, action.reason, extra=action.about)

    @contextmanager
    def noting(self, what: str, about: Fields = NOTHING) -> Iterator[None]:
        """Note an error in the block and go on after it. Other exceptions than `FAILURES` raise."""
        try:
            yield
        except FAILURES as error:
            self.failed(what, error, about)

    def failed(self, what: str, error: Failure, about: Fields = NOTHING) -> None:
        """Note an error by its kind: a problem, an alarm, or left to the next tick.

        Alarms, and errors that are left to the next tick, are logged at once; what the same read or
        action leaves again is only counted. A refused token is not logged here: the invocation
        ends with that error.
        """
        line = f"{what}: {error}"
        match error:
            case TokenRefused():
                # Every call meets this refusal, so all of them together are one problem.
                self.refusal = error
                if str(error) not in self.problems:
                    self.problems.append(str(error))
            case Misconfigured():
                self.problem(line, about)
            case NoCapacity():
                self.alarms.append((Metric.NO_CAPACITY, line))
                self.told.add(line)
                log.warning("%s", line, extra=about)
            case Conflict():
                self.left[Left.CONFLICT] += 1
                log.info("%s lost a race: %s", what, error, extra=about)
            case Transient():
                self._leave(Left.TRANSIENT, what, error, about)
            case NotFound():
                self._leave(Left.NOT_FOUND, what, error, about)
            case _:
                assert_never(error)

    def problem(self, line: str, about: Fields = NOTHING) -> None:
        """Note a problem that a person must set right. An invocation logs each line once."""
        self.problems.append(line)
        # Two actions may fail with one text: the log's line names the subjects of both.
        self.unlogged[line] = merged(self.unlogged.get(line, NOTHING), about)
        self.queue_problem(about)

    def warn(self, line: str, about: Fields = NOTHING) -> None:
        """Log what a person should change although everything works: no problem, no alarm."""
        log.warning("%s", line, extra=about)

    def queue_problem(self, about: Fields) -> None:
        """Count a problem for the metric of each queue that these log fields name."""
        named = about.get("queue") or about.get("queues") or ()
        for queue in (named,) if isinstance(named, str) else named:
            self.of_queues.note(Metric.QUEUE_PROBLEMS, queue)

    def hold(self, held: Held) -> None:
        """Note why work of a queue does not happen, and which jobs wait for that."""
        self.held[held.queue, *held.why.key] = held
        self.of_queues.note(Metric.HELD, held.queue, part=held.why.code)

    def _leave(self, why: Left, what: str, error: Failure, about: Fields) -> None:
        self.left[why] += 1
        key = f"{why} {what} {about}"
        if key not in self.told:
            self.told.add(key)
            log.warning("left to the next tick: %s: %s", what, error, extra=about)

    def repeat_at(self, at: datetime | None) -> None:
        """Note when a part of the tick wants to be repeated; the earliest time counts."""
        if at is not None and (self.again is None or at < self.again):
            self.again = at

    def add(self, other: Outcome) -> None:
        """Add the outcome of another tick of the same invocation."""
        self.done.update(other.done)
        self.launched += other.launched
        self.again = other.again
        self.configured += other.configured
        self.unmatched += other.unmatched
        self.left.update(other.left)
        self.problems.extend(p for p in other.problems if p not in self.problems)
        for line, about in other.unlogged.items():
            self.unlogged[line] = merged(self.unlogged.get(line, NOTHING), about)
        self.refusal = other.refusal or self.refusal
        self.idle = other.idle or self.idle
        self.held.update(other.held)
        self.alarms.extend(a for a in other.alarms if a not in self.alarms)
        self.of_queues.add(other.of_queues)
        self.told |= other.told

    def metrics(self) -> Iterator[tuple[Metric, int]]:
        """Metrics and their values. Zeros are omitted, except for BadConfiguration's."""
        yield Metric.BAD_CONFIGURATION, len(self.problems)
        if self.refusal is not None:
            yield Metric.TOKEN_REFUSED, 1
        for metric, _ in self.alarms:
            yield metric, 1
        for why, number in self.left.items():
            yield why.metric, number
        if self.unmatched:
            yield Metric.LEFT_NO_MATCH, self.unmatched

    def as_dict(self) -> dict[str, object]:
        """The outcome in values of JSON, for the log and the function's answer."""
        return {
            "done": {kind.__name__: number for kind, number in self.done.items()},
            "launched": self.launched,
            "again": self.again.isoformat() if self.again is not None else None,
            "configured": self.configured,
            "unmatched": self.unmatched,
            "left": dict(self.left),
            "problems": self.problems,
            "held": [each.line for each in self.held.values()],
            "alarms": [f"{metric}: {reason}" for metric, reason in self.alarms],
            "of_queues": self.of_queues.as_dict(),
        }


def _named(action: Action) -> str:
    """The action's type, with its queue if the action is about one."""
    queue = action.about.get("queue")
    kind = type(action).__name__
    return f"{kind} of queue {queue}" if isinstance(queue, str) else kind
