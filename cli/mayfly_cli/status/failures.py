"""Jobs of a queue that failed lately: how many, why, and the latest ones. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mayfly_cli.listings.failed import HOUR, Ended, Outcome, latest_of
from mayfly_cli.listings.jobs import Job, job_of
from mayfly_cli.operations.reading import QueueView, claims_once, instances_once

LATEST = 5
"""Jobs that are named for each outcome."""


@dataclass(frozen=True, slots=True)
class Group:
    """The jobs of one outcome."""

    outcome: Outcome
    jobs: int
    latest: tuple[Job, ...]
    """At most `LATEST` of them, the latest first."""


@dataclass(frozen=True, slots=True)
class Failures:
    """The failed jobs of a queue."""

    since: datetime
    """From when on jobs are counted: an hour ago, or later where more ended than were read."""
    groups: tuple[Group, ...]
    """One for each outcome that there was."""


def failures_of(view: QueueView, ended: Ended, now: datetime) -> Failures:
    """The jobs of the queue that failed in the last hour, so far as they were read."""
    since = ended.since(now - HOUR)
    instances = {each.key: each for each in instances_once(view.instances, ended.instances)}
    claims = [c for c in claims_once(view.claims, ended.claims) if c.since >= since]
    claims.sort(key=lambda claim: (claim.since, claim.job), reverse=True)
    jobs = [job_of(claim, latest_of(claim, instances), now) for claim in claims]
    groups = (_group(outcome, jobs) for outcome in Outcome)
    return Failures(since, tuple(group for group in groups if group.jobs))


def _group(outcome: Outcome, jobs: Sequence[Job]) -> Group:
    mine = [job for job in jobs if job.outcome is outcome]
    return Group(outcome, len(mine), tuple(mine[:LATEST]))
