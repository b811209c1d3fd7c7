"""Settles claims: compares each claim with Buildkite's state of its job and with its instance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from mayfly.config.queue import QueueConfig
from mayfly.dispatch.actions import FailJob
from mayfly.dispatch.grants import denial, is_unjudged
from mayfly.dispatch.view import QueueView, is_paused
from mayfly.records.bounds import LONGEST_REASON, cut
from mayfly.records.changes import Change, Save, Unassign
from mayfly.records.lost import lost
from mayfly.records.model import Claim, Instance, move_claim, move_instance, saved
from mayfly.records.states import ClaimState, InstanceState
from mayfly.records.why import Code, why
from mayfly.tick.actions import NudgeReap, WriteRecords

# Job states of the Stacks API (endpoint get-states).
BEFORE_AGENT = frozenset({"scheduled", "reserved"})
WITH_AGENT = frozenset({"assigned", "accepted", "running", "canceling", "timing_out"})
ACCEPTED = WITH_AGENT - {"assigned"}
UNKNOWN = "unknown"
"""In place of a state, for a job that an answer about it does not name."""
ENDED = frozenset({"finished", "canceled", "timed_out", "skipped", "broken", "expired"})

UNRESERVED = timedelta(minutes=1)
"""How long Buildkite may refuse to reserve a job before its claim is released."""


def settle(view: QueueView, config: QueueConfig, now: datetime) -> Iterator[WriteRecords]:
    """One write for each claim that must leave its state; the other claims yield nothing."""
    for claim in view.claims:
        word = view.states.get(claim.job, "")
        match claim.state:
            case ClaimState.WAITING:
                yield from _waiting(claim, word, view, config, now)
            case ClaimState.ASSIGNED:
                instance = view.instances.get(claim.slot) if claim.slot else None
                yield from _assigned(claim, word, instance, config.attempts, now)
            case ClaimState.RUNNING:
                yield from _running(claim, word, now)
            case ClaimState.FINISHED | ClaimState.RELEASED | ClaimState.FAILED:
                pass
            case _:
                assert_never(claim.state)


def reap_nudges(done: Iterable[WriteRecords]) -> Iterator[NudgeReap]:
    """At most one nudge, where the writes in `done` condemned instances: only `reap` ends them."""
    records = [c.record for write in done for c in write.changes if isinstance(c, Save)]
    if any(isinstance(r, Instance) and r.state is InstanceState.CONDEMNED for r in records):
        yield NudgeReap("instances of jobs that are not to start there were condemned")


def claims_after(
    claims: Iterable[Claim], planned: Iterable[WriteRecords], done: Iterable[WriteRecords]
) -> tuple[Claim, ...]:
    """The claims after the writes in `done`.

    Claims with a planned write that failed are omitted: no effect without its record.
    """
    unwritten = {claim.job for claim in _saved_claims(planned)}
    written = {claim.job: saved(claim) for claim in _saved_claims(done)}
    standing = (written.get(claim.job, claim) for claim in claims)
    return tuple(c for c in standing if c.job in written or c.job not in unwritten)


def _saved_claims(writes: Iterable[WriteRecords]) -> Iterator[Claim]:
    for write in writes:
        for change in write.changes:
            if isinstance(change, Save) and isinstance(change.record, Claim):
                yield change.record


def failures_to_tell(claims: Iterable[Claim], now: datetime) -> Iterator[FailJob]:
    """One FailJob for each failed claim that Buildkite was not told of.

    The job is reserved first if need be: Buildkite accepts a failure from the holder alone.
    """
    for claim in claims:
        if claim.state.traits.told_to_buildkite and not claim.told:
            yield FailJob(claim, reserve=not claim.reserved(now), reason=claim.reason)


def mark_told(claim: Claim, refusal: str) -> Claim:
    """The claim after Buildkite was told; a refusal (job over, or unknown) joins the reason."""
    reason = (
        f"{claim.reason} (Buildkite refused the failure: {refusal})" if refusal else claim.reason
    )
    return replace(claim, told=True, reason=cut(reason, LONGEST_REASON))


def _why_not_served(claim: Claim, view: QueueView, config: QueueConfig) -> str:
    """Why the queue takes no new reservation for a waiting claim; empty when the queue does."""
    if not view.active:
        return "the queue's stack is gone"
    if is_paused(view, config):
        return "the queue is paused"
    if (mismatch := view.unmatched.get(claim.job)) is not None:
        return f"the queue matches the job no more: rule {mismatch.rule}, {mismatch.reason}"
    return ""


def _waiting(
    claim: Claim, word: str, view: QueueView, config: QueueConfig, now: datetime
) -> Iterator[WriteRecords]:
    reason, not_served = "", _why_not_served(claim, view, config)
    if word in ENDED or word == "canceling":
        reason = f"Buildkite says {word}"
    elif word in WITH_AGENT:
        reason = f"the job was taken by someone else: Buildkite says {word}"
    elif config.repository_from is not None and claim.repository is None:
        reason = "the queue has policy/repository-from since, and the job is to be judged by it"
    elif is_unjudged(config, claim.facts):
        reason = "the queue gives secrets, ssh keys or roles since, and the job is to be judged"
    elif word == UNKNOWN and claim.state.traits.overstayed(
        now - max(claim.since, claim.reserved_until or claim.since)
    ):
        reason = "for an hour Buildkite has neither reserved nor known the job"
    elif not_served and not claim.reserved(now):
        reason = f"{not_served} and the job's reservation has run out"
    elif word in BEFORE_AGENT and now - (claim.reserved_until or claim.since) > UNRESERVED:
        reason = "Buildkite does not reserve the job for Mayfly"
    if reason:
        released = move_claim(claim, ClaimState.RELEASED, now, reason)
        yield WriteRecords((Save(released),), reason)
    elif (found := denial(config, claim.facts)) is not None:
        failed = replace(move_claim(claim, ClaimState.FAILED, now, found.reason), told=False)
        yield WriteRecords((Save(failed),), failed.reason)


def _assigned(
    claim: Claim, word: str, instance: Instance | None, attempts: int, now: datetime
) -> Iterator[WriteRecords]:
    if word in ACCEPTED or word in {"finished", "timed_out"}:
        yield _accepted(claim, instance, word, now)
    elif word in ENDED:
        yield _released(claim, instance, f"Buildkite says {word} before an agent accepted it", now)
    elif word in BEFORE_AGENT and attempt_is_over(claim, instance, now):
        yield _retry(claim, instance, attempts, now)
    elif _is_gone(instance) and claim.state.traits.overstayed(now - claim.since):
        said = f"Buildkite says {word or 'nothing'}"
        yield _released(claim, instance, f"{said} of the job, and its instance is long gone", now)


def _running(claim: Claim, word: str, now: datetime) -> Iterator[WriteRecords]:
    if word in ENDED:
        finished = move_claim(claim, ClaimState.FINISHED, now, f"Buildkite says {word}")
        yield WriteRecords((Save(finished),), finished.reason)


def _accepted(claim: Claim, instance: Instance | None, word: str, now: datetime) -> WriteRecords:
    """The agent has the job: from here on Mayfly neither repeats nor finishes it.

    An instance that has ended meanwhile took the job with it, unless the job has ended too.
    """
    moved = move_claim(claim, ClaimState.RUNNING, now, f"Buildkite says {word}")
    if word in ENDED:
        moved = move_claim(moved, ClaimState.FINISHED, now, f"Buildkite says {word}")
    elif _is_gone(instance):
        moved = lost(moved, instance, now)
    changes: list[Change] = [Save(moved), *_unassign(instance)]
    if instance is not None and instance.state.traits.awaits_acceptance:
        running = move_instance(instance, InstanceState.RUNNING, now, "the agent has the job")
        changes.append(Save(running))
    return WriteRecords(tuple(changes), moved.reason)


def _released(claim: Claim, instance: Instance | None, reason: str, now: datetime) -> WriteRecords:
    """Release the claim of a job that ended before it began.

    The instance is condemned: an instance that may have seen a job's token gets no other job.
    """
    released = move_claim(claim, ClaimState.RELEASED, now, reason)
    return WriteRecords(
        (Save(released), *_unassign(instance), *_condemn(instance, now, reason)), reason
    )


def attempt_is_over(claim: Claim, instance: Instance | None, now: datetime) -> bool:
    """Whether the job can no longer start: its instance is gone or its token has expired."""
    dead = claim.token_until is not None and claim.token_until <= now
    return _is_gone(instance) or dead


def _is_gone(instance: Instance | None) -> bool:
    return instance is None or not instance.state.traits.open


def _retry(claim: Claim, instance: Instance | None, attempts: int, now: datetime) -> WriteRecords:
    cause = _cause(instance)
    rest = (*_unassign(instance), *_condemn(instance, now, "the attempt to start its job is over"))
    if claim.attempt >= attempts:
        reason = f"Mayfly gave up after {claim.attempt} attempts; the last one: {cause}"
        failed = replace(move_claim(claim, ClaimState.FAILED, now, reason), told=False)
        return WriteRecords((Save(failed), *rest), reason)
    reason = f"attempt {claim.attempt} failed: {cause}"
    waiting = replace(
        move_claim(claim, ClaimState.WAITING, now, reason),
        why=why(Code.ATTEMPT_FAILED, reason, now),
        attempt=claim.attempt + 1,
        slot=None,
        token_until=None,
    )
    return WriteRecords((Save(waiting), *rest), reason)


def _cause(instance: Instance | None) -> str:
    if instance is None:
        return "the instance has no record any more"
    if instance.state.traits.explains_attempt:
        return f"instance {instance.instance_id}: {instance.reason}"
    return f"instance {instance.instance_id} did not start the job in time"


def _unassign(instance: Instance | None) -> tuple[Change, ...]:
    row = instance.sandbox_row if instance is not None else None
    return (Unassign(row),) if row else ()


def _condemn(instance: Instance | None, now: datetime, reason: str) -> tuple[Change, ...]:
    if instance is None or not instance.state.traits.awaits_acceptance:
        return ()
    return (Save(move_instance(instance, InstanceState.CONDEMNED, now, reason)),)
