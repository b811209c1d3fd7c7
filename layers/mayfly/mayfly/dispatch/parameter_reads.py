"""Reads the parameters by which new jobs are judged, with few calls a tick.

They are the repositories of pipelines, and the lists of pipelines and teams beside secrets. Several
jobs ask for the same ones, and a job that waits asks anew in each tick.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from mayfly.answers import Parameter
from mayfly.batched import batched
from mayfly.errors import FAILURES
from mayfly.ports import Parameters
from mayfly.records.about import Fields
from mayfly.tick.outcome import Outcome
from mayfly.tick.side_by_side import side_by_side

NAMES_AT_ONCE = 10
"""Names in a call: SSM's limit."""
CALLS = 10
"""Calls of one tick for one queue. SSM allows an account 40 such calls a second by default (AWS
General Reference, "Systems Manager endpoints and quotas")."""
SECONDS = 1.0
"""Longest time of a tick for these calls; names without an answer by then are unreadable."""
FRESH = timedelta(seconds=2)
"""How long an answer is used. So a change of a list holds within two seconds."""
MOST_KEPT = 2000
"""Answers that are kept; a value has at most 8 KB."""


@dataclass(frozen=True, slots=True)
class Read:
    """What is known of the parameters that a tick asked for."""

    values: Mapping[str, Parameter | None]
    """By name; None: the parameter does not exist. A missing name is unreadable, or in `late`."""
    late: frozenset[str] = frozenset()
    """Names for which this tick had no call left."""


@dataclass(frozen=True, slots=True)
class _Answer:
    at: datetime
    values: Mapping[str, Parameter | None]
    """The one value by its name; empty for an unreadable one."""


@dataclass(slots=True)
class ParameterReads:
    """The reads of one loop. What could not be read is asked for again after `FRESH`, too."""

    parameters: Parameters
    _kept: dict[str, _Answer] = field(default_factory=dict)

    def read(
        self, names: Iterable[str], now: datetime, outcome: Outcome, what: str, about: Fields
    ) -> Read:
        """The parameters with these names, the first ones first. Failures go into the outcome.

        A call that fails leaves its own ten names unreadable and no others. `what` and `about` say
        in the log what was read.
        """
        self._forget(now)
        wanted = list(dict.fromkeys(names))
        batches = list(batched([each for each in wanted if each not in self._kept], NAMES_AT_ONCE))
        calls = {n: partial(self.parameters.values, some) for n, some in enumerate(batches[:CALLS])}
        for n, answer in side_by_side(calls, at_once=CALLS, seconds=SECONDS).items():
            if isinstance(answer, FAILURES):
                outcome.failed(what, answer, about)
            found = {} if isinstance(answer, FAILURES) else answer
            for name in batches[n]:
                known = {name: found[name]} if name in found else {}
                self._kept[name] = _Answer(now, known)
        late = frozenset(name for some in batches[CALLS:] for name in some)
        answers = [self._kept[name].values for name in wanted if name not in late]
        return Read({name: each for values in answers for name, each in values.items()}, late)

    def _forget(self, now: datetime) -> None:
        old = [name for name, answer in self._kept.items() if now - answer.at >= FRESH]
        for name in self._kept.copy() if len(self._kept) > MOST_KEPT else old:
            del self._kept[name]
