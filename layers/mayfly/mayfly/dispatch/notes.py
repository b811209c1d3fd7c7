"""Notes on the pages of jobs: why a job has not begun. Once for each change of cause, few a job."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import serves
from mayfly.dispatch.actions import NotifyBuilds
from mayfly.dispatch.causes import Causes, Note, over_limit, pause
from mayfly.dispatch.opened import held_jobs
from mayfly.dispatch.view import (
    LastTick,
    QueueView,
    Turn,
    busy_of,
    is_paused,
    without_mismatches,
)
from mayfly.records.model import Claim, Noted
from mayfly.records.states import ClaimState
from mayfly.records.turns import in_turn, of_claims

PATIENCE = timedelta(seconds=20)
"""How long a job waits before its page says why: most jobs begin sooner."""
MOST = 8
"""Notes of one claim. Buildkite takes 100 a job."""
LISTED_LATE = timedelta(seconds=5)
"""How long before the end of a former holder's lease its last list of a queue may have been."""


def may_be_told(claim: Claim, since: datetime) -> bool:
    """Whether the claim has waited since before this time, and may still get a note."""
    return claim.state.traits.waits and claim.since <= since and claim.noted.number < MOST


def new_notes(
    view: QueueView, config: QueueConfig, turn: Turn, now: datetime, saved: Collection[str]
) -> NotifyBuilds:
    """The notes of one queue that are due now; empty in most ticks.

    Claims of the jobs in `saved` were written in this tick, and get their note in a later one.
    """
    causes = dict(_waits(view, config, turn, now))
    told: list[Claim] = []
    notes = dict(_left_alone(view, config, turn))
    for claim in view.claims:
        if claim.job in saved:
            continue
        note = _failed_attempt(claim, config) or causes.get(claim.job)
        if claim.state.traits.waits and claim.job in view.unmatched:
            note = Note("rule", _why_alone(claim.job, view, config))
        if note is not None and _is_news(claim, note):
            noted = Noted(note.cause, claim.attempt, claim.noted.number + 1)
            told.append(replace(claim, noted=noted))
            notes[claim.job] = note.text
    return NotifyBuilds(tuple(told), notes, f"notes for the pages of {len(notes)} jobs")


def merged(actions: Sequence[NotifyBuilds]) -> NotifyBuilds | None:
    """The notes of all queues, for one call; None without a note."""
    notes = {job: text for action in actions for job, text in action.notes.items()}
    claims = tuple(claim for action in actions for claim in action.claims)
    reason = f"notes for the pages of {len(notes)} jobs"
    return NotifyBuilds(claims, notes, reason) if notes else None


def left_alone(view: QueueView, config: QueueConfig) -> frozenset[str]:
    """Listed jobs that get no claim, for a reason that their pages tell.

    A parameter pauses the queue, a rule is not met, the policy cannot be read, or the pipeline has
    as many jobs as it may have. Buildkite itself shows the pauses that are made at Buildkite.
    """
    listed = {job.id for job in view.listing.jobs} if view.listing is not None else set()
    unclaimed = listed - {claim.job for claim in view.claims}
    reasons = view.unmatched.keys() | held_jobs(view, config).keys() | view.over_limit.keys()
    return frozenset(unclaimed if config.paused else unclaimed & reasons)


def _why_alone(job: str, view: QueueView, config: QueueConfig) -> str:
    mismatch = view.unmatched.get(job)
    if mismatch is None and config.paused:
        return f"Not taken: queue {config.queue} is paused by its operators."
    if mismatch is None and job in view.over_limit:
        return over_limit(view.over_limit[job], config).text
    if mismatch is None:
        return f"Not taken yet: {held_jobs(view, config)[job]}."
    rule = mismatch.rule or "(none)"
    return f"Not taken: queue {config.queue} does not meet the rule {rule}: {mismatch.reason}."


def _left_alone(view: QueueView, config: QueueConfig, turn: Turn) -> Iterator[tuple[str, str]]:
    """Notes of jobs that are left to Buildkite and were not in the queue's list before."""
    if view.listing is None:
        return
    last = turn.seen.get(config.queue, LastTick())
    is_first_list = last.paused is None
    runnable_at = {job.id: job.runnable_at for job in view.listing.jobs}
    for job in sorted(left_alone(view, config) - last.alone):
        told_before = turn.handed_over is not None and (
            is_first_list and runnable_at[job] < turn.handed_over - LISTED_LATE
        )
        if not told_before:
            yield job, _why_alone(job, view, config)


def _is_news(claim: Claim, note: Note) -> bool:
    same = (note.cause, claim.attempt) == (claim.noted.cause, claim.noted.attempt)
    return not same and claim.noted.number < MOST


def _failed_attempt(claim: Claim, config: QueueConfig) -> Note | None:
    """The end of the attempt before this one, unless a note of this attempt was written."""
    traits = claim.state.traits
    if not (traits.waits or traits.bound) or claim.attempt <= claim.noted.attempt:
        return None
    steps = [step for step in claim.history if step.state == ClaimState.WAITING]
    cause = steps[-1].reason.partition(": ")[2] if steps else "its instance is gone"
    text = f"Attempt {claim.attempt - 1} of {config.attempts} to start this job failed: {cause}"
    return Note("attempt", text)


def _waits(
    view: QueueView, config: QueueConfig, turn: Turn, now: datetime
) -> Iterator[tuple[str, Note]]:
    """By job: why each claim that has waited long enough still waits, most urgent first."""
    if view.prospects is None or turn.explains is None:
        return
    paused = is_paused(view, config)
    causes = Causes(config, view.spec, view.prospects.ledger, now)
    waits = (c for c in without_mismatches(view.claims, view) if c.state.traits.waits)
    waiting = [claim for claim in waits if paused or claim.reserved(now)]
    coming = sorted(view.prospects.coming, key=lambda i: i.state.traits.awaits_launch)
    place, claims = 0, {claim.job: claim for claim in waiting}
    for each in in_turn(of_claims(waiting), busy_of(view)):
        claim = claims[each.job]
        if not paused and not each.is_within(config.per_pipeline):
            if may_be_told(claim, turn.explains):
                yield claim.job, over_limit(claim.pipeline, config)
            continue
        instance = next((i for i in coming if serves(i.shape, claim.shape)), None)
        if instance is not None:
            coming.remove(instance)
        else:
            place += 1
        if may_be_told(claim, turn.explains):
            stopped = pause(config, active=view.active) if paused else None
            yield claim.job, stopped or causes.of(claim, instance, place)
