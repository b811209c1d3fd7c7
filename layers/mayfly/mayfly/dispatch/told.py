"""Who is told: Buildkite of jobs that failed here, provision of jobs that wait."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from mayfly.config.queue import QueueConfig
from mayfly.dispatch.actions import FailJob
from mayfly.dispatch.view import QueueView
from mayfly.records.model import Claim
from mayfly.tick.actions import NudgeProvision


def untold(claims: Iterable[Claim], now: datetime) -> Iterator[FailJob]:
    """Failures that Buildkite does not know of yet. It takes them for reserved jobs alone."""
    for claim in claims:
        if claim.state.traits.told_to_buildkite and not claim.told:
            yield FailJob(claim, reserve=not claim.reserved(now), reason=claim.reason)


def told(claim: Claim, refusal: str) -> Claim:
    """The claim once Buildkite was told. A refusal means: too late, or nobody there to be told."""
    reason = f"{claim.reason} (Buildkite would not take it: {refusal})" if refusal else claim.reason
    return replace(claim, told=True, reason=reason)


def nudges(
    view: QueueView, claims: Iterable[Claim], bound: Collection[str], config: QueueConfig
) -> Iterator[NudgeProvision]:
    """A nudge if a claim began to wait in this tick and got no instance, or a hot one was taken."""
    before = {claim.job: claim.version for claim in view.claims}
    waiting = (claim for claim in claims if claim.state.traits.waits)
    fresh = {claim.job for claim in waiting if before.get(claim.job) != claim.version}
    if fresh - set(bound):
        yield NudgeProvision("jobs wait for an instance")
    elif bound and config.hot:
        yield NudgeProvision("ready instances were taken")
