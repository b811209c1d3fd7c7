"""Why jobs wait: said in their claims and in the log once an hour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import matching, serves
from mayfly.config.stalled import is_unanswered, why_stalled
from mayfly.provision.actions import ExplainWait
from mayfly.provision.decide import given_up
from mayfly.provision.missing import jobs_in_turn
from mayfly.provision.view import ProvisionView
from mayfly.records.model import Claim
from mayfly.records.states import Supply

LONG_WAIT = timedelta(hours=1)
"""How long a job waits until its claim says why, and until its claim says so again."""
EXPLAIN_AT_ONCE = 20
"""Claims explained in one tick; the other ones follow in later ticks, the longest wait first."""


def long_waits(view: ProvisionView, config: QueueConfig, now: datetime) -> Iterator[ExplainWait]:
    """One action for each waiting job whose claim has not said for an hour why the job waits.

    Jobs that the same tick gives up are omitted: one claim cannot be saved twice.
    """
    waiting = matching(view.waiting, config)
    silent = [c for c in waiting if now - (c.explained or c.since) >= LONG_WAIT]
    over = {c.job for c, _ in given_up(replace(view, waiting=tuple(silent)), config)}
    silent = [claim for claim in silent if claim.job not in over]
    silent.sort(key=lambda claim: (claim.explained or claim.since, claim.job))
    for claim in silent[:EXPLAIN_AT_ONCE]:
        minutes = int((now - claim.since).total_seconds() // 60)
        why = why_waiting(claim, view, config, now)
        reason = f"the job has waited {minutes} minutes for an instance: {why}"
        yield ExplainWait(replace(claim, reason=reason, explained=now), reason)


def why_waiting(claim: Claim, view: ProvisionView, config: QueueConfig, now: datetime) -> str:
    """What a waiting job lacks at present; a launch or boot under way comes last."""
    ledger, shape = view.ledger, claim.shape
    if unwanted := _why_unwanted(claim, view, config, now):
        return unwanted
    if stalled := why_stalled(shape, ledger, view.spec, config, now):
        return stalled
    coming = [i for i in view.instances if i.state.traits.supply is Supply.COMING]
    coming = [instance for instance in coming if serves(instance.shape, shape)]
    if coming and all(is_unanswered(instance, now) for instance in coming):
        asked = min(instance.created for instance in coming)
        return f"EC2 has not answered the launch of {shape} since {asked:%H:%M:%S} UTC"
    if coming:
        return f"an instance of {shape} boots at present"
    if ledger.live >= config.max_instances:
        limit = f"limits/max-instances is {config.max_instances}"
        return f"the queue has {ledger.live} instances, and {limit}"
    return f"no launch of {shape} was possible so far; the log of provision names the last refusal"


def _why_unwanted(claim: Claim, view: ProvisionView, config: QueueConfig, now: datetime) -> str:
    """Why no instance is wanted for a waiting job; empty when one is."""
    architecture = claim.shape.architecture
    if view.refused:
        return view.refused
    if config.paused:
        return "the queue is paused"
    if view.paused:
        return "the queue is paused at Buildkite"
    if not claim.reserved(now):
        return "Buildkite does not reserve the job at present"
    if claim.job not in {each.job for each in jobs_in_turn(view, config, now)}:
        limit = f"limits/per-pipeline is {config.per_pipeline}"
        return f"other jobs of pipeline {claim.pipeline} come first, and {limit}"
    if architecture not in view.infra.templates:
        return f"the queue's stack has no launch template for {architecture}"
    return ""
