"""Whose job is next where places are short: one order for opening, binding and launching. Pure.

The highest priority comes first. Within a priority the pipelines take turns: first the pipeline
with the fewest jobs that have an instance or come before, and of several pipelines the one whose
job has been runnable the longest. So a pipeline without any job on an instance comes before every
second job of another pipeline, and no pipeline waits behind another one's hundred jobs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from mayfly.records.model import Claim


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the order depends on, of a job that waits, listed or claimed."""

    job: str
    pipeline: str
    """Empty where the pipeline is not known: such a job is a pipeline of its own."""
    priority: int
    runnable_at: datetime
    claimed: bool = True
    """Whether Mayfly has reserved the job: of equally urgent jobs such a one comes first."""


@dataclass(frozen=True, slots=True)
class Place:
    """A job's place in the order."""

    job: str
    turn: int
    """How many jobs of the pipeline come before: those with an instance, and more urgent ones."""

    def is_within(self, limit: int | None) -> bool:
        """Whether the job may have an instance besides these; None is no limit."""
        return limit is None or self.turn < limit


def in_turn(wanted: Iterable[Wanted], busy: Mapping[str, int]) -> tuple[Place, ...]:
    """The places of jobs, the next one first. `busy` counts jobs with an instance by pipeline.

    Equal jobs give the same order however they are listed.
    """
    mine = defaultdict[str, list[Wanted]](list)
    for each in wanted:
        mine[each.pipeline or f"job {each.job}"].append(each)
    places = [
        (each, turn)
        for pipeline, jobs in mine.items()
        for turn, each in enumerate(sorted(jobs, key=_urgency), start=busy.get(pipeline, 0))
    ]
    places.sort(key=lambda place: (-place[0].priority, place[1], *_urgency(place[0])))
    return tuple(Place(each.job, turn) for each, turn in places)


def of_claims(claims: Iterable[Claim]) -> list[Wanted]:
    """What the order depends on, of claims."""
    return [Wanted(c.job, c.pipeline, c.priority, c.runnable_at) for c in claims]


def busy_pipelines(claims: Iterable[Claim]) -> Counter[str]:
    """The number of jobs with an instance, by pipeline."""
    return Counter(claim.pipeline for claim in claims if has_instance(claim))


def has_instance(claim: Claim) -> bool:
    """Whether the job is assigned to an instance or runs on one."""
    return claim.state.traits.open and not claim.state.traits.waits


def _urgency(wanted: Wanted) -> tuple[int, bool, datetime, str]:
    return -wanted.priority, not wanted.claimed, wanted.runnable_at, wanted.job
