"""Says what one function has to say of each queue, in the queue's `Standing`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from mayfly.errors import FAILURES, Conflict
from mayfly.records.about import about
from mayfly.records.changes import Change, Save
from mayfly.records.model import saved
from mayfly.records.standing import Standing, is_due, standing_after
from mayfly.tick.outcome import Outcome

log = logging.getLogger("mayfly")


class Written(Protocol):
    """What this module needs of the port `Fleet`."""

    def standings(self) -> Sequence[Standing]:
        """All standings, from an index that may lag."""

    def standing(self, function: str, queue: str) -> Standing | None:
        """One standing. Consistent read."""

    def write(self, changes: Sequence[Change], fence: int | None = None) -> None:
        """Make all changes or none."""


class Standings:
    """The standings that one function wrote, as one invocation knows them.

    One query at the invocation's first need, and no further read while its writes succeed. A read
    that fails holds nothing up: then nothing is written, and the next tick reads again.
    """

    def __init__(self, fleet: Written, function: str) -> None:
        self._fleet, self._function = fleet, function
        self._known: dict[str, Standing] | None = None
        self._outdated: set[str] = set()
        """Queues whose standing another invocation has written since."""

    def after(self, found: Standing, outcome: Outcome) -> Standing:
        """What was found, with the times since which its reasons stand."""
        known = self._read(found, outcome)
        return standing_after(found, known.get(found.queue) if known is not None else None)

    def say(
        self,
        standing: Standing,
        outcome: Outcome,
        fence: int | None = None,
        soonest: timedelta = timedelta(0),
    ) -> None:
        """Write a standing of `after` if it is due. No action, and no work: a report.

        A lost race is no failure: the other invocation has said it. Other failures go into the
        outcome.
        """
        known = self._known
        if known is None or standing.queue in self._outdated:
            return
        if not is_due(standing, known.get(standing.queue), soonest):
            return
        try:
            self._fleet.write([Save(standing)], fence)
        except Conflict as error:
            self._outdated.add(standing.queue)
            log.info("standing of queue %s: %s", standing.queue, error, extra=about([standing]))
        except FAILURES as error:
            outcome.failed(f"standing of queue {standing.queue}", error, about([standing]))
        else:
            known[standing.queue] = saved(standing)

    def _read(self, found: Standing, outcome: Outcome) -> dict[str, Standing] | None:
        """What was said, with the queue's own read again if need be; None where a read fails."""
        queue = found.queue
        with outcome.noting("what was said of queues", about([found])):
            if self._known is None:
                mine = (s for s in self._fleet.standings() if s.function == self._function)
                self._known = {standing.queue: standing for standing in mine}
            if queue in self._outdated:
                present = self._fleet.standing(self._function, queue)
                if present is not None:
                    self._known[queue] = present
                self._outdated.discard(queue)
        return self._known
