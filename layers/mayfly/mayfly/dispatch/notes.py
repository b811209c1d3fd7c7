"""Why jobs have not begun: in their claims, and as notes on their pages, few a job."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mayfly.config.queue import QueueConfig
from mayfly.dispatch.actions import NotifyBuilds
from mayfly.dispatch.ended_jobs import ended_jobs
from mayfly.dispatch.reasons import Reasons
from mayfly.dispatch.view import LastTick, QueueView, Turn, busy_of
from mayfly.dispatch.waits import Wait, waits
from mayfly.records.bounds import LONGEST_NOTE, cut
from mayfly.records.model import Claim, Noted
from mayfly.records.states import ClaimState
from mayfly.records.turns import in_turn, of_claims
from mayfly.records.why import UNDER_WAY, Code, since_before

PATIENCE = timedelta(seconds=20)
"""How long a job waits before its page says why: most jobs begin sooner."""
LONG_WAIT = timedelta(hours=1)
"""How long a job waits until its page says for how long."""
MOST = 8
"""Notes of one claim. Buildkite takes 100 a job."""
SAVED_AT_ONCE = 90
"""Claims of a queue that one tick saves with another reason: one transaction, and most urgent
first. A reason that a thousand jobs share reaches the others by later ticks."""
LISTED_LATE = timedelta(seconds=5)
"""How long before the end of a former holder's lease its last list of a queue may have been."""
_IN_LINE = frozenset({Code.MAX_INSTANCES, Code.LAUNCH_PACE})
_PAUSES = frozenset({Code.PAUSED, Code.PAUSED_AT_BUILDKITE})


@dataclass(frozen=True, slots=True)
class Note:
    """A text for a job's page. `cause` tells changes: the text alone may change at any time."""

    cause: str
    text: str


def is_due(claim: Claim, since: datetime) -> bool:
    """Whether the claim has waited since before this time, so that its reason is told."""
    return claim.state.traits.waits and claim.since <= since


def new_notes(
    view: QueueView,
    config: QueueConfig,
    turn: Turn,
    reasons: Reasons,
    saved: Collection[str],
) -> NotifyBuilds:
    """The notes of one queue that are due now, and the claims with another reason; few ticks have.

    Claims of the jobs in `saved` were written in this tick, and get their note in a later one.
    """
    now = reasons.said.at
    told: list[Claim] = []
    notes = dict(_left_alone(view, config.queue, turn, reasons))
    found: dict[str, Wait] = {}
    if turn.explains is not None or view.unmatched:  # in few ticks
        found = {claim.job: wait for claim, wait in waits(view, config, reasons.said, now)}
    for claim in _in_order(view):
        if claim.job in saved or len(told) == SAVED_AT_ONCE:
            continue
        wait = found.get(claim.job) if _may_tell(claim, view, turn) else None
        after = _with_reason(claim, wait)
        note = _failed_attempt(claim, config) or (_note(claim, wait, now) if wait else None)
        if note is not None and _is_news(claim, note):
            noted = Noted(note.cause, claim.attempt, claim.noted.number + 1)
            after = replace(after, noted=noted)
            notes[claim.job] = note.text
        if after is not claim:
            told.append(after)
    for ended, text in ended_jobs(view):
        told.append(ended)
        if text:
            notes[ended.job] = text
    return NotifyBuilds(tuple(told), notes, f"notes for the pages of {len(notes)} jobs")


def merged(actions: Sequence[NotifyBuilds]) -> NotifyBuilds | None:
    """The notes of all queues, for one call; None without a note or a claim to save."""
    notes = {job: text for action in actions for job, text in action.notes.items()}
    claims = tuple(claim for action in actions for claim in action.claims)
    reason = f"notes for the pages of {len(notes)} jobs"
    return NotifyBuilds(claims, notes, reason) if notes or claims else None


def _in_order(view: QueueView) -> Iterator[Claim]:
    """The claims: those that wait in the order of their turns, then the others."""
    claims = {claim.job: claim for claim in view.claims}
    waiting = [claim for claim in view.claims if claim.state.traits.waits]
    for place in in_turn(of_claims(waiting), busy_of(view)):
        yield claims.pop(place.job)
    yield from claims.values()


def _may_tell(claim: Claim, view: QueueView, turn: Turn) -> bool:
    """A job whose rule is met no more is told at once; any other after `PATIENCE`."""
    is_patient = turn.explains is not None and is_due(claim, turn.explains)
    return claim.job in view.unmatched or is_patient


def _with_reason(claim: Claim, wait: Wait | None) -> Claim:
    """The claim with this reason; the claim itself where it has the reason already."""
    if wait is None or (claim.why is not None and claim.why.key == wait.why.key):
        return claim
    return replace(claim, why=wait.why)


def _note(claim: Claim, wait: Wait, now: datetime) -> Note:
    """The note of a wait. One that has lasted for an hour is news once more."""
    waited = now - claim.since
    cause = " ".join(filter(None, wait.why.key))
    if waited < LONG_WAIT:
        return Note(cause, _page_text(wait, now))
    begin = f"Still waiting after {int(waited.total_seconds() // 60)} min: "
    return Note(f"still {cause}", _page_text(wait, now, begin))


def _page_text(wait: Wait, now: datetime, begin: str = "") -> str:
    """The text for the job's page; a reason that is too long is cut, but what follows stays."""
    why, text = wait.why, wait.why.text.removesuffix(".")
    end = "."
    if wait.place and why.code in _IN_LINE:
        end = f". {_ordinal(wait.place)} in line."
    if why.next_try is not None:
        end = f"; next try at {why.next_try:%H:%M:%S} UTC{end}"
    if why.code in _PAUSES:
        end = f"{_since(why.since, now)}{end}"
    if not begin and why.code in UNDER_WAY:
        text = text[:1].upper() + text[1:]
    elif not begin:
        begin = "Not taken: " if why.code is Code.RULE_NOT_MET else "Waiting: "
    return f"{begin}{cut(text, LONGEST_NOTE - len(f'{begin}{end}'.encode()))}{end}"


def _since(at: datetime, now: datetime) -> str:
    form = "%H:%M" if now - at < timedelta(days=1) else "%Y-%m-%d %H:%M"
    return f" since {at:{form}} UTC"


def _left_alone(
    view: QueueView, queue: str, turn: Turn, reasons: Reasons
) -> Iterator[tuple[str, str]]:
    """Notes of jobs that are left to Buildkite and were not in the queue's list before."""
    if view.listing is None:
        return
    last, left = turn.seen.get(queue, LastTick()), reasons.left
    is_first_list = last.paused is None
    runnable_at = {job.id: job.runnable_at for job in view.listing.jobs}
    for job in sorted(left.keys() - last.alone):
        told_before = turn.handed_over is not None and (
            is_first_list and runnable_at[job] < turn.handed_over - LISTED_LATE
        )
        if not told_before:
            begin = "Not taken yet: " if left[job].code.ends_by_itself else "Not taken: "
            begin = "Waiting: " if left[job].code is Code.PER_PIPELINE else begin
            reason = since_before(left[job], reasons.said.reasons)
            yield job, _page_text(Wait(reason), reasons.said.at, begin)


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


def _ordinal(number: int) -> str:
    teens = 10 < number % 100 < 14
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if not teens else "th"
    return f"{number}{ending}"
