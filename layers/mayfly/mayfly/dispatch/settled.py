"""What is settled: Buildkite's word for a job against its claim, and the instance it is on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from mayfly.config.queue import QueueConfig
from mayfly.dispatch.actions import FailJob
from mayfly.dispatch.view import QueueView, is_paused
from mayfly.records.changes import Change, Save, Unassign
from mayfly.records.model import Claim, Instance, move_claim, move_instance, saved
from mayfly.records.states import ClaimState, InstanceState
from mayfly.tick.actions import WriteRecords

# Buildkite's words (job states of the Stacks API's get-states).
STILL_OURS = frozenset({"scheduled", "reserved"})
WITH_AGENT = frozenset({"assigned", "accepted", "running", "canceling", "timing_out"})
ACCEPTED = WITH_AGENT - {"assigned"}
ENDED = frozenset({"finished", "canceled", "timed_out", "skipped", "broken", "expired"})

UNRESERVED = timedelta(minutes=1)
"""How long Buildkite may refuse to reserve a job before it is left to whoever has it."""


def settle(view: QueueView, config: QueueConfig, now: datetime) -> Iterator[WriteRecords]:
    """One write for each claim that must leave its state."""
    paused = is_paused(view, config)
    for claim in view.claims:
        word = view.states.get(claim.job, "")
        match claim.state:
            case ClaimState.WAITING:
                yield from _waiting(claim, word, paused, now)
            case ClaimState.ASSIGNED:
                instance = view.instances.get(claim.slot) if claim.slot else None
                yield from _assigned(claim, word, instance, config.attempts, now)
            case ClaimState.RUNNING:
                yield from _running(claim, word, now)
            case ClaimState.FINISHED | ClaimState.RELEASED | ClaimState.FAILED:
                pass
            case _:
                assert_never(claim.state)


def after(
    claims: Iterable[Claim], planned: Iterable[WriteRecords], done: Iterable[WriteRecords]
) -> tuple[Claim, ...]:
    """Claims as they stand once the planned writes that are done are done.

    Without its record nothing is done about a job: a claim whose write failed is left out.
    """
    unwritten = {claim.job for claim in _written(planned)}
    written = {claim.job: saved(claim) for claim in _written(done)}
    standing = (written.get(claim.job, claim) for claim in claims)
    return tuple(c for c in standing if c.job in written or c.job not in unwritten)


def _written(writes: Iterable[WriteRecords]) -> Iterator[Claim]:
    for write in writes:
        for change in write.changes:
            if isinstance(change, Save) and isinstance(change.record, Claim):
                yield change.record


def untold(claims: Iterable[Claim], now: datetime) -> Iterator[FailJob]:
    """Failures that Buildkite does not know of yet. It takes them for reserved jobs alone."""
    for claim in claims:
        if claim.state.traits.told_to_buildkite and not claim.told:
            yield FailJob(claim, reserve=not claim.reserved(now), reason=claim.reason)


def told(claim: Claim, refusal: str) -> Claim:
    """The claim once Buildkite was told. A refusal means: too late, or nobody there to be told."""
    reason = f"{claim.reason} (Buildkite would not take it: {refusal})" if refusal else claim.reason
    return replace(claim, told=True, reason=reason)


def _waiting(claim: Claim, word: str, paused: bool, now: datetime) -> Iterator[WriteRecords]:
    reason = ""
    if word in ENDED or word == "canceling":
        reason = f"Buildkite says {word}"
    elif word in WITH_AGENT:
        reason = f"taken by someone else: Buildkite says {word}"
    elif claim.state.traits.overstayed(now - claim.since):
        reason = "it waited an hour for an instance and goes back to Buildkite"
    elif paused and not claim.reserved(now):
        reason = "the queue is paused and its reservation has run out"
    elif word in STILL_OURS and now - (claim.reserved_until or claim.since) > UNRESERVED:
        reason = "Buildkite does not reserve it for us"
    if reason:
        released = move_claim(claim, ClaimState.RELEASED, now, reason)
        yield WriteRecords((Save(released),), reason)


def _assigned(
    claim: Claim, word: str, instance: Instance | None, attempts: int, now: datetime
) -> Iterator[WriteRecords]:
    if word in ACCEPTED or word in {"finished", "timed_out"}:
        yield _accepted(claim, instance, word, now)
    elif word in ENDED:
        yield _withdrawn(claim, instance, f"Buildkite says {word} before an agent accepted it", now)
    elif word in STILL_OURS and _attempt_is_over(claim, instance, now):
        yield _again(claim, instance, attempts, now)
    elif _is_gone(instance) and claim.state.traits.overstayed(now - claim.since):
        said = f"Buildkite says {word or 'nothing'}"
        yield _withdrawn(claim, instance, f"its instance is gone for long and {said} of it", now)


def _running(claim: Claim, word: str, now: datetime) -> Iterator[WriteRecords]:
    if word in ENDED:
        finished = move_claim(claim, ClaimState.FINISHED, now, f"Buildkite says {word}")
        yield WriteRecords((Save(finished),), finished.reason)


def _accepted(claim: Claim, instance: Instance | None, word: str, now: datetime) -> WriteRecords:
    """From here on the job belongs to its agent: Mayfly never repeats nor finishes it."""
    moved = move_claim(claim, ClaimState.RUNNING, now, f"Buildkite says {word}")
    if word in ENDED:
        moved = move_claim(moved, ClaimState.FINISHED, now, f"Buildkite says {word}")
    changes: list[Change] = [Save(moved), *_unassign(instance)]
    if instance is not None and instance.state.traits.awaits_acceptance:
        running = move_instance(instance, InstanceState.RUNNING, now, "its agent has the job")
        changes.append(Save(running))
    return WriteRecords(tuple(changes), moved.reason)


def _withdrawn(claim: Claim, instance: Instance | None, reason: str, now: datetime) -> WriteRecords:
    """The job is over before it began; its instance may have seen the token and serves no other."""
    released = move_claim(claim, ClaimState.RELEASED, now, reason)
    return WriteRecords(
        (Save(released), *_unassign(instance), *_condemn(instance, now, reason)), reason
    )


def _attempt_is_over(claim: Claim, instance: Instance | None, now: datetime) -> bool:
    """Only a machine that is gone, or a token that is dead, can no longer start this job."""
    dead = claim.token_until is not None and claim.token_until <= now
    return _is_gone(instance) or dead


def _is_gone(instance: Instance | None) -> bool:
    return instance is None or not instance.open


def _again(claim: Claim, instance: Instance | None, attempts: int, now: datetime) -> WriteRecords:
    cause = _cause(instance)
    rest = (*_unassign(instance), *_condemn(instance, now, "its attempt at a job is over"))
    if claim.attempt >= attempts:
        reason = f"Mayfly gave up after {claim.attempt} attempts; the last one: {cause}"
        failed = replace(move_claim(claim, ClaimState.FAILED, now, reason), told=False)
        return WriteRecords((Save(failed), *rest), reason)
    reason = f"attempt {claim.attempt} failed: {cause}"
    waiting = replace(
        move_claim(claim, ClaimState.WAITING, now, reason),
        attempt=claim.attempt + 1,
        slot=None,
        token_until=None,
    )
    return WriteRecords((Save(waiting), *rest), reason)


def _cause(instance: Instance | None) -> str:
    if instance is None:
        return "its instance has no record any more"
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
