"""Applies the actions of `dispatch` for one queue: writes records, and calls Buildkite."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from mayfly.batched import batched
from mayfly.dispatch.actions import (
    BindJob,
    FailJob,
    KeepReservations,
    NotifyBuilds,
    OpenClaims,
    ReserveJobs,
)
from mayfly.dispatch.bound import RESERVATION, TOKEN_LIFE
from mayfly.dispatch.ports import DispatchPorts
from mayfly.dispatch.settled import mark_told
from mayfly.dispatch.view import QueueView
from mayfly.errors import FAILURES, Conflict, Failure, NotFound
from mayfly.records.about import about, fields
from mayfly.records.changes import Assign, Save
from mayfly.records.model import Claim, saved
from mayfly.tick.actions import NudgeProvision, NudgeReap, WriteRecords
from mayfly.tick.outcome import Outcome
from mayfly.tick.side_by_side import side_by_side
from mayfly_protocol.assignment import to_row

log = logging.getLogger("mayfly")

NOTES_SECONDS = 0.5
"""Longest time of a tick for notes; a call that takes longer goes on beside the next ticks."""
FAILED_AT_ONCE = 8
"""Jobs that one tick fails at Buildkite, all side by side; others wait for the next ticks."""
FAIL_SECONDS = 1.0
"""Longest time of a tick for failing jobs; a call that takes longer is made again."""
_WRITE_AT_ONCE = 90
"""Records in one transaction: DynamoDB takes 100 items, and the lease's check is one of them."""


@dataclass(frozen=True, slots=True)
class Applier:
    """Applies one queue's actions in one tick, under one fence. Failures go into the outcome."""

    ports: DispatchPorts
    fence: int
    now: datetime
    outcome: Outcome
    refused: set[str] = field(default_factory=set)
    """Jobs that Buildkite did not reserve though it answered."""

    def settle(self, writes: Sequence[WriteRecords]) -> list[WriteRecords]:
        """Write the changes. Returns the writes that succeeded."""
        return self.outcome.perform(writes, self._write)

    def note_pause(self, pause: WriteRecords, view: QueueView) -> bool:
        """Record a pause at Buildkite or its end, which wakes `provision` for waiting jobs.

        Comes before the reservations: a nudge for them must find what the list says. Returns
        whether the pause was written.
        """
        written = bool(self.settle([pause]))
        if written and not view.paused and any(c.state.traits.waits for c in view.claims):
            self.nudge([NudgeProvision("the queue is paused at Buildkite no more")])
        return written

    def open(self, claims: tuple[Claim, ...]) -> tuple[Claim, ...]:
        """Save new claims. Returns the saved ones: only their jobs may be reserved."""
        recorded: list[Claim] = []
        if claims:
            action = OpenClaims(claims, f"{len(claims)} new jobs")
            self.outcome.perform([action], lambda each: self._save(each.claims, recorded))
        return tuple(recorded)

    def reserve(self, claims: tuple[Claim, ...], known: Collection[str] = ()) -> set[str]:
        """Reserve the claims' jobs. Returns the job ids that Buildkite reserved, not yet saved.

        Jobs that Buildkite does not reserve are logged, except those in `known`.
        """
        ours: set[str] = set()
        if claims:
            action = ReserveJobs(claims, "reservations are made or renewed")
            if self.outcome.perform([action], lambda a: ours.update(self._reserve(a.claims))):
                self.refused.update({claim.job for claim in claims} - ours)
            if news := sorted(self.refused - set(known)):
                log.info(
                    "Buildkite did not reserve jobs %s", ", ".join(news), extra=fields(jobs=news)
                )
        return ours

    def keep(self, claims: tuple[Claim, ...]) -> None:
        """Save the claims with their new reservations."""
        if claims:
            action = KeepReservations(claims, f"{len(claims)} reservations are recorded")
            self.outcome.perform([action], lambda each: self._save(each.claims, []))

    def bind(self, binds: Sequence[BindJob]) -> None:
        """Mint the tokens of all bindings, which are of one queue, then write each binding.

        Without Buildkite's answer nothing is bound; new reservations alone are written.
        """
        if not binds:
            return
        tokens: Mapping[str, str] = {}
        jobs, queue = [bind.claim.job for bind in binds], binds[0].claim.queue
        try:
            tokens = self.ports.buildkite.tokens(jobs, int(TOKEN_LIFE.total_seconds()), queue)
        except FAILURES as error:
            asked = fields(queues=[queue], jobs=jobs)
            self.outcome.failed(f"acquisition tokens of queue {queue}", error, asked)
            binds = [bind for bind in binds if bind.without_token]
        self.outcome.perform(binds, lambda bind: self._bind(bind, tokens.get(bind.claim.job, "")))

    def fail(self, failures: Sequence[FailJob]) -> None:
        """Fail jobs at Buildkite side by side, then save that Buildkite was told.

        What is left, or has no answer in time, is done by the next ticks: claims are not saved as
        told. A burst of denied jobs so holds up no other queue's job.
        """
        # Each second another job is the first: those that Buildkite keeps refusing starve no other.
        first = int(self.now.timestamp()) % max(len(failures), 1)
        now = [*failures[first:], *failures[:first]][:FAILED_AT_ONCE]
        answers = self._unreserved([action.claim for action in now if action.reserve])
        jobs = {action.claim.job: action.claim for action in now}
        calls = {job: partial(self._fail, jobs[job]) for job in jobs.keys() - answers.keys()}
        answers |= side_by_side(calls, at_once=FAILED_AT_ONCE, seconds=FAIL_SECONDS)
        self.outcome.perform(now, lambda each: self._save_told(each, answers[each.claim.job]))

    def nudge(self, nudges: Iterable[NudgeProvision]) -> None:
        """Ask for a tick of provision."""
        self.outcome.perform(nudges, lambda nudge: self.ports.nudges.send(nudge.reason))

    def nudge_reap(self, nudges: Iterable[NudgeReap]) -> None:
        """Ask for a tick of reap."""
        self.outcome.perform(nudges, lambda nudge: self.ports.reap_nudges.send(nudge.reason))

    def tell(self, notes: NotifyBuilds | None) -> None:
        """Save that the notes are written, then send them."""
        self.outcome.perform([notes] if notes is not None else [], self._tell)

    def _write(self, action: WriteRecords) -> None:
        self.ports.fleet.write(action.changes, self.fence)

    def _save(self, claims: Sequence[Claim], recorded: list[Claim]) -> None:
        """Save claims in batches, and append each saved claim to `recorded`.

        A batch with a Conflict is saved claim by claim, so that only the outdated claims are lost.
        """
        for some in batched(claims, _WRITE_AT_ONCE):
            try:
                self.ports.fleet.write([Save(claim) for claim in some], self.fence)
            except Conflict:
                for claim in some:
                    self._save_one(claim, recorded)
            else:
                recorded.extend(map(saved, some))

    def _save_one(self, claim: Claim, recorded: list[Claim]) -> None:
        try:
            self.ports.fleet.write([Save(claim)], self.fence)
        except Conflict as error:
            self.outcome.failed(f"claim of job {claim.job}", error, about([claim]))
        else:
            recorded.append(saved(claim))

    def _reserve(self, claims: Sequence[Claim]) -> Iterable[str]:
        queues = {claim.queue for claim in claims}
        # A refusal of a call about several queues must not hold up one of these queues alone.
        queue = queues.pop() if len(queues) == 1 else ""
        jobs = [claim.job for claim in claims]
        return self.ports.buildkite.reserve(jobs, int(RESERVATION.total_seconds()), queue)

    def _bind(self, bind: BindJob, token: str) -> None:
        """Write claim, instance and assignment in one transaction.

        Raises Conflict when there is no token; the changes in `without_token` are written before.
        """
        if token:
            assignment = to_row(replace(bind.assignment, token=token))
            assign = Assign(bind.row, assignment, bind.expires)
            self.ports.fleet.write([Save(bind.claim), Save(bind.instance), assign], self.fence)
            return
        if bind.without_token:
            self.ports.fleet.write(bind.without_token, self.fence)
        raise Conflict(f"Buildkite issues no token for job {bind.claim.job}")

    def _unreserved(self, claims: Sequence[Claim]) -> dict[str, str | Failure]:
        """Reserve the jobs in one call, for Buildkite allows few. By job: the call's failure."""
        if not claims:
            return {}
        # In one order: Buildkite's refusals of a call about several queues are known by its jobs.
        calls = {"reserve": partial(self._reserve, sorted(claims, key=lambda claim: claim.job))}
        answer = side_by_side(calls, at_once=1, seconds=FAIL_SECONDS)["reserve"]
        return {c.job: answer for c in claims} if isinstance(answer, FAILURES) else {}

    def _fail(self, claim: Claim) -> str:
        """Fail the job at Buildkite. Returns the refusal (job over, or unknown), or empty text."""
        try:
            self.ports.buildkite.finish(claim.job, claim.reason, claim.queue)
        except (Conflict, NotFound) as error:
            return str(error)
        return ""

    def _save_told(self, action: FailJob, answer: str | Failure) -> None:
        """Save that Buildkite was told, with its refusal in the reason. Raises a failed answer."""
        if isinstance(answer, FAILURES):
            raise answer
        self.ports.fleet.write([Save(mark_told(action.claim, answer))], self.fence)

    def _tell(self, action: NotifyBuilds) -> None:
        """Send the notes whose claims could be saved. A failure to tell is logged, and no failure.

        Claims go first, so that no answer of Buildkite, a late one neither, brings a note twice.
        """
        recorded: list[Claim] = []
        self._save(action.claims, recorded)
        unsaved = {claim.job for claim in action.claims} - {claim.job for claim in recorded}
        notes = {job: text for job, text in action.notes.items() if job not in unsaved}
        if not notes:
            return
        # A call that hangs would hold up the bindings of the next tick.
        call = partial(self.ports.buildkite.notify, notes)
        refused = side_by_side({"notes": call}, at_once=1, seconds=NOTES_SECONDS)["notes"]
        if isinstance(refused, FAILURES):
            log.info("no note on the pages of jobs: %s", refused, extra=action.about)
            return
        for job, why in refused.items():
            log.info("Buildkite takes no note for job %s: %s", job, why, extra=fields(jobs=[job]))
