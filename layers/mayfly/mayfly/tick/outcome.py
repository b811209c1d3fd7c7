"""Applies actions one by one, and remembers what came of them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeVar, assert_never

from mayfly.errors import (
    FAILURES,
    Conflict,
    Failure,
    Misconfigured,
    NoCapacity,
    NotFound,
    Transient,
)
from mayfly.metrics import Metric
from mayfly.records.about import NOTHING, Fields

log = logging.getLogger("mayfly")


class Left(StrEnum):
    """Why a read or an action was left to the next tick, which decides anew. The log's words."""

    CONFLICT = "Conflict"
    TRANSIENT = "Transient"
    NOT_FOUND = "NotFound"

    @property
    def metric(self) -> Metric:
        """The metric that counts it."""
        match self:
            case Left.CONFLICT:
                return Metric.LEFT_CONFLICT
            case Left.TRANSIENT:
                return Metric.LEFT_TRANSIENT
            case Left.NOT_FOUND:
                return Metric.LEFT_NOT_FOUND
            case _:
                assert_never(self)


class Action(Protocol):
    """Every action says why it is taken."""

    @property
    def reason(self) -> str:
        """Why."""

    @property
    def about(self) -> Fields:
        """What the log names beside the reason."""


AnyAction = TypeVar("AnyAction", bound=Action)


@dataclass(slots=True)
class Outcome:
    """What a tick did: actions by kind, what was left to the next tick, what a person must see."""

    done: Counter[type[Action]] = field(default_factory=Counter)
    """Applied actions by type, for the log; what a loop asks has a field of its own."""
    launched: int = 0
    """Launches that were recorded and sent."""
    configured: int = 0
    """Records of queues that were brought in line with SSM."""
    unmatched: int = 0
    """Listed jobs found for the first time that do not match their queue."""
    left: Counter[Left] = field(default_factory=Counter)
    """Reads and actions that failed, by what the next tick makes of them."""
    problems: list[str] = field(default_factory=list)
    """One line each; they raise the alarm on bad configuration."""
    unlogged: dict[str, Fields] = field(default_factory=dict)
    """Problems that have no line of the log yet, and what they speak of."""
    alarms: list[tuple[Metric, str]] = field(default_factory=list)
    """Metric and reason of everything else that a person must look at."""

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
        """Whether anything was done."""
        return bool(self.done.total() or self.configured)

    def perform(
        self, actions: Iterable[AnyAction], apply: Callable[[AnyAction], None]
    ) -> list[AnyAction]:
        """Apply each action, and return those that were done. Defects still raise.

        An action that fails does not keep the others from being applied. A Conflict is an ordinary
        outcome: somebody else was there first, the next tick sees it.
        """
        done = []
        for action in actions:
            kind = type(action).__name__
            try:
                apply(action)
            except Conflict as error:
                self.left[Left.CONFLICT] += 1
                log.info("%s lost a race: %s", kind, error, extra=action.about)
            except FAILURES as error:
                self.failed(kind, error, action.about)
            else:
                self.done[type(action)] += 1
                done.append(action)
                log.info("%s: %s", kind, action.reason, extra=action.about)
        return done

    @contextmanager
    def noting(self, what: str, about: Fields = NOTHING) -> Iterator[None]:
        """Note an error of what stands in the block, and go on behind it; defects still raise."""
        try:
            yield
        except FAILURES as error:
            self.failed(what, error, about)

    def failed(self, what: str, error: Failure, about: Fields = NOTHING) -> None:
        """Note an error: a problem where no repetition helps, else left to the next tick."""
        line = f"{what}: {error}"
        match error:
            case Misconfigured():
                self.problems.append(line)
                log.error("%s", line, extra=about)
            case NoCapacity():
                self.alarms.append((Metric.NO_CAPACITY, line))
                log.warning("%s", line, extra=about)
            case Conflict():
                self._leave(Left.CONFLICT, what, error, about)
            case Transient():
                self._leave(Left.TRANSIENT, what, error, about)
            case NotFound():
                self._leave(Left.NOT_FOUND, what, error, about)
            case _:
                assert_never(error)

    def problem(self, line: str, about: Fields = NOTHING) -> None:
        """Note what a person must set right. Logged once an invocation, however often it is met."""
        self.problems.append(line)
        self.unlogged[line] = about

    def _leave(self, why: Left, what: str, error: Failure, about: Fields) -> None:
        self.left[why] += 1
        log.warning("%s is left to the next tick: %s", what, error, extra=about)

    def add(self, other: Outcome) -> None:
        """Take in the outcome of a further tick of the same invocation."""
        self.done.update(other.done)
        self.launched += other.launched
        self.configured += other.configured
        self.unmatched += other.unmatched
        self.left.update(other.left)
        self.problems.extend(p for p in other.problems if p not in self.problems)
        self.unlogged.update(other.unlogged)
        self.alarms.extend(a for a in other.alarms if a not in self.alarms)

    def metrics(self) -> Iterator[tuple[Metric, int]]:
        """What CloudWatch is sent: what did not occur is left out, but for BadConfiguration."""
        yield Metric.BAD_CONFIGURATION, len(self.problems)
        for metric, _ in self.alarms:
            yield metric, 1
        for why, number in self.left.items():
            yield why.metric, number
        if self.unmatched:
            yield Metric.LEFT_NO_MATCH, self.unmatched

    def as_dict(self) -> dict[str, object]:
        """The form in which the log and the function's answer show it."""
        return {
            "done": {kind.__name__: number for kind, number in self.done.items()},
            "launched": self.launched,
            "configured": self.configured,
            "unmatched": self.unmatched,
            "left": dict(self.left),
            "problems": self.problems,
            "alarms": [f"{metric}: {reason}" for metric, reason in self.alarms],
        }
