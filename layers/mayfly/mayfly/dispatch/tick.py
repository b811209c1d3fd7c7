"""One tick of `dispatch`: decides each queue's questions in order and applies the actions."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from mayfly.batched import batched
from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import by_configuration
from mayfly.dispatch.actions import (
    BindJob,
    FailJob,
    KeepReservations,
    NotifyBuilds,
    OpenClaims,
    ReserveJobs,
)
from mayfly.dispatch.bound import (
    RESERVATION,
    TOKEN_LIFE,
    bind,
    nudges,
    reservations_due,
    reservations_to_save,
    with_reservations,
)
from mayfly.dispatch.environments import Environments
from mayfly.dispatch.gather import gather
from mayfly.dispatch.held import held
from mayfly.dispatch.notes import left_alone, merged, new_notes
from mayfly.dispatch.opened import held_jobs, open_claims, unjudged_jobs
from mayfly.dispatch.ports import DispatchPorts
from mayfly.dispatch.settled import (
    claims_after,
    failures_to_tell,
    mark_told,
    reap_nudges,
    settle,
)
from mayfly.dispatch.view import LastTick, QueueView, Turn, is_paused, without_mismatches
from mayfly.errors import FAILURES, Conflict, NotFound
from mayfly.records.about import about, fields
from mayfly.records.changes import Assign, Save
from mayfly.records.model import Claim, saved
from mayfly.records.states import Agent
from mayfly.tick.actions import NudgeProvision, NudgeReap, WriteRecords
from mayfly.tick.outcome import Outcome
from mayfly.tick.side_by_side import side_by_side
from mayfly_protocol.assignment import to_row

log = logging.getLogger("mayfly")

_WRITE_AT_ONCE = 90
"""Records in one transaction: DynamoDB takes 100 items, and the lease's check is one of them."""


NOTES_SECONDS = 0.5
"""Longest time of a tick for notes; a call that takes longer goes on beside the next ticks."""


def tick(
    ports: DispatchPorts, turn: Turn, now: datetime, environments: Environments
) -> tuple[Outcome, Mapping[str, LastTick]]:
    """Serve the queues of a turn one by one; a queue that fails does not hold up the others.

    Returns the outcome, and by queue what this tick leaves to the next one.
    """
    outcome = Outcome()
    notes: list[NotifyBuilds] = []
    seen = {queue: replace(last, jobs=False, waits=False) for queue, last in turn.seen.items()}
    for config, view in gather(ports, turn, outcome, now, environments):
        last = turn.seen.get(config.queue, LastTick())
        _log_unmatched(view, config.queue, last, outcome)
        for cause, line in held(view, config):
            outcome.hold(config.queue, cause, line)
        _log_held(held_jobs(view, config), config.queue, last)
        claims, bound, renewed = serve(view, config, Applier(ports, turn.fence, now, outcome))
        rest = tuple(claim for claim in claims if claim.job not in bound)
        notes.append(new_notes(replace(view, claims=rest), config, turn, now, renewed))
        seen[config.queue] = _last_tick(view, claims, last, config)
    # Last of all: Buildkite may be slow to take notes, and a note must not hold up a binding. None
    # with a refused token: it would be saved as told.
    if outcome.refusal is None:
        Applier(ports, turn.fence, now, outcome).tell(merged(notes))
    return outcome, seen


def serve(
    view: QueueView, config: QueueConfig, applier: Applier
) -> tuple[tuple[Claim, ...], set[str], set[str]]:
    """Settle, open, reserve and bind claims, fail jobs, nudge other functions: in this order.

    Each step decides over the claims that the step before left. Returns the claims before the
    bindings, the jobs that were bound, and the jobs whose reservations began or were renewed.
    """
    now = applier.now
    writes = list(settle(view, config, now))
    done = applier.settle(writes)
    settled = claims_after(view.claims, writes, done)
    if writes:
        # A retry may need another shape than the attempt before.
        settled, _ = by_configuration(settled, config)
    opened = applier.open(tuple(open_claims(view, config, now)))
    claims = (*settled, *opened)
    matched = without_mismatches(claims, view)
    ours = applier.reserve(tuple(reservations_due(matched, now, paused=is_paused(view, config))))
    claims = with_reservations(claims, ours, now)
    matched = without_mismatches(claims, view)
    binds = list(bind(replace(view, claims=matched), config, now, unsaved=ours))
    applier.keep(reservations_to_save(claims, binds, unsaved=ours))
    applier.bind(binds)
    applier.fail(failures_to_tell(claims, now))
    bound = {bind.claim.job for bind in binds}
    applier.nudge(nudges(view, claims, bound, config))
    applier.nudge_reap(reap_nudges(done))
    return claims, bound, ours


@dataclass(frozen=True, slots=True)
class Applier:
    """Applies one queue's actions in one tick, under one fence. Failures go into the outcome."""

    ports: DispatchPorts
    fence: int
    now: datetime
    outcome: Outcome

    def settle(self, writes: Sequence[WriteRecords]) -> list[WriteRecords]:
        """Write the changes. Returns the writes that succeeded."""
        return self.outcome.perform(writes, self._write)

    def open(self, claims: tuple[Claim, ...]) -> tuple[Claim, ...]:
        """Save new claims. Returns the saved ones: only their jobs may be reserved."""
        recorded: list[Claim] = []
        if claims:
            action = OpenClaims(claims, f"{len(claims)} new jobs")
            self.outcome.perform([action], lambda each: self._save(each.claims, recorded))
        return tuple(recorded)

    def reserve(self, claims: tuple[Claim, ...]) -> set[str]:
        """Reserve the claims' jobs. Returns the job ids that Buildkite reserved, not yet saved."""
        ours: set[str] = set()
        if claims:
            action = ReserveJobs(claims, "reservations are made or renewed")
            self.outcome.perform([action], lambda each: ours.update(self._reserve(each.claims)))
            refused = {claim.job for claim in claims} - ours
            if refused and self.outcome.refusal is None:
                names = ", ".join(sorted(refused))
                refusals = fields(jobs=sorted(refused))
                log.info("Buildkite did not reserve jobs %s", names, extra=refusals)
        return ours

    def keep(self, claims: tuple[Claim, ...]) -> None:
        """Save the claims with their new reservations."""
        if claims:
            action = KeepReservations(claims, f"{len(claims)} reservations are recorded")
            self.outcome.perform([action], lambda each: self._save(each.claims, []))

    def bind(self, binds: Sequence[BindJob]) -> None:
        """Mint the tokens of all bindings in one call, then write each binding.

        With a refused token nothing is bound; new reservations alone are written.
        """
        tokens: dict[str, str] = {}
        if binds:
            jobs = [bind.claim.job for bind in binds]
            with self.outcome.noting("acquisition tokens", fields(jobs=jobs)):
                tokens.update(self.ports.buildkite.tokens(jobs, int(TOKEN_LIFE.total_seconds())))
        if self.outcome.refusal is not None and not tokens:
            binds = [bind for bind in binds if bind.without_token]
        self.outcome.perform(binds, lambda bind: self._bind(bind, tokens.get(bind.claim.job, "")))

    def fail(self, failures: Iterable[FailJob]) -> None:
        """Fail jobs at Buildkite, then save that Buildkite was told."""
        self.outcome.perform(failures, self._fail)

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

    def _reserve(self, claims: Iterable[Claim]) -> Iterable[str]:
        return self.ports.buildkite.reserve(
            [c.job for c in claims], int(RESERVATION.total_seconds())
        )

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

    def _fail(self, action: FailJob) -> None:
        """Fail the job at Buildkite. A refusal (job over, or unknown) is saved in the reason."""
        claim, refusal = action.claim, ""
        if action.reserve:
            self._reserve([claim])
        try:
            self.ports.buildkite.finish(claim.job, claim.reason)
        except (Conflict, NotFound) as error:
            refusal = str(error)
        self.ports.fleet.write([Save(mark_told(claim, refusal))], self.fence)

    def _tell(self, action: NotifyBuilds) -> None:
        """Send the notes whose claims could be saved. A failure to tell is logged, and no failure.

        Claims go first, so that no answer of Buildkite, a late one neither, brings a note twice.
        """
        recorded: list[Claim] = []
        self._save(action.claims, recorded)
        unsaved = {claim.job for claim in action.claims} - {claim.job for claim in recorded}
        notes = {job: text for job, text in action.notes.items() if job not in unsaved}
        # A call that hangs would hold up the bindings of the next tick.
        call = partial(self.ports.buildkite.notify, notes)
        refused = side_by_side({"notes": call}, at_once=1, seconds=NOTES_SECONDS)["notes"]
        if isinstance(refused, FAILURES):
            log.info("no note on the pages of jobs: %s", refused, extra=action.about)
            return
        for job, why in refused.items():
            log.info("Buildkite takes no note for job %s: %s", job, why, extra=fields(jobs=[job]))


def _log_unmatched(view: QueueView, queue: str, last: LastTick, outcome: Outcome) -> None:
    """Log and count each job that does not match the queue, once, with the failed rule."""
    for job in sorted(view.unmatched.keys() - last.unmatched):
        outcome.unmatched += 1
        rule, reason = view.unmatched[job].rule or "(none)", view.unmatched[job].reason
        log.warning(
            "job %s does not match queue `%s`: rule %s, %s",
            *(job, queue, rule, reason),
            extra=fields(queues=[queue], jobs=[job]),
        )


def _log_held(held: Mapping[str, str], queue: str, last: LastTick) -> None:
    """Log each job that waits for an unreadable policy, once, with the reason."""
    for job in sorted(held.keys() - last.held):
        about = fields(queues=[queue], jobs=[job])
        log.warning("job %s waits on queue `%s`: %s", job, queue, held[job], extra=about)


def _last_tick(
    view: QueueView, claims: tuple[Claim, ...], last: LastTick, config: QueueConfig
) -> LastTick:
    """What this tick leaves to the next tick about a queue."""
    running = {c.job for c in (*view.claims, *claims) if c.state.traits.agent is Agent.RUNS}
    # An environment that could not be read is no news: else each gap would bring a note again.
    unjudged = unjudged_jobs(view, config)
    alone = left_alone(view, config) | (last.alone & unjudged)
    on_hold = held_jobs(view, config).keys() | (last.held & unjudged)
    return LastTick(
        paused=view.paused,
        running=view.running + len(running),
        ready=bool(view.ready),
        unmatched=frozenset(view.unmatched) | (last.unmatched if view.listing is None else set()),
        alone=last.alone if view.listing is None else alone,
        held=last.held if view.listing is None else frozenset(on_hold),
        jobs=bool(view.claims) or (view.listing is not None and bool(view.listing.jobs)),
        waits=any(claim.state.traits.waits for claim in view.claims),
        stalled=view.stalled,
    )
