"""Applies actions one by one, and remembers what came of them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from mayfly.errors import Conflict, MayflyError, Misconfigured, NoCapacity

log = logging.getLogger("mayfly")


class Action(Protocol):
    """Every action says why it is taken."""

    @property
    def reason(self) -> str:
        """Why."""


AnyAction = TypeVar("AnyAction", bound=Action)


@dataclass(slots=True)
class Outcome:
    """What a tick did: actions by kind, what was left to the next tick, what a person must see."""

    done: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    """By the kind of error: actions that the next tick will decide anew."""
    problems: list[str] = field(default_factory=list)
    """One line each; they raise the alarm on bad configuration."""
    alarms: list[tuple[str, str]] = field(default_factory=list)
    """Metric and reason of everything else that a person must look at."""

    def perform(self, actions: Iterable[AnyAction], apply: Callable[[AnyAction], None]) -> None:
        """Apply each action. One that fails does not keep the others; defects still raise.

        A Conflict is an ordinary outcome: somebody else was there first, the next tick sees it.
        """
        for action in actions:
            kind = type(action).__name__
            try:
                apply(action)
            except Conflict as error:
                self.left["Conflict"] += 1
                log.info("%s lost a race: %s", kind, error)
            except (Misconfigured, NoCapacity) as error:
                self.failed(kind, error)
            except MayflyError as error:
                self.left[type(error).__name__] += 1
                log.warning("%s is left to the next tick: %s", kind, error)
            else:
                self.done[kind] += 1
                log.info("%s: %s", kind, action.reason)

    @contextmanager
    def noting(self, what: str) -> Iterator[None]:
        """Note an error of what stands in the block, and go on behind it; defects still raise."""
        try:
            yield
        except MayflyError as error:
            self.failed(what, error)

    def failed(self, what: str, error: MayflyError) -> None:
        """Note an error: a problem where no repetition helps, else left to the next tick."""
        line = f"{what}: {error}"
        if isinstance(error, Misconfigured):
            self.problems.append(line)
            log.error("%s", line)
        elif isinstance(error, NoCapacity):
            self.alarms.append(("NoCapacity", line))
            log.warning("%s", line)
        else:
            self.left[type(error).__name__] += 1
            log.warning("%s is left to the next tick", line)

    def add(self, other: Outcome) -> None:
        """Take in the outcome of a further tick of the same invocation."""
        self.done.update(other.done)
        self.left.update(other.left)
        self.problems.extend(p for p in other.problems if p not in self.problems)
        self.alarms.extend(a for a in other.alarms if a not in self.alarms)

    def as_dict(self) -> dict[str, object]:
        """The form in which the log and the function's answer show it."""
        return {
            "done": dict(self.done),
            "left": dict(self.left),
            "problems": self.problems,
            "alarms": [f"{metric}: {reason}" for metric, reason in self.alarms],
        }
