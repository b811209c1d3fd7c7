"""One tick of `dispatch`: each queue's questions are decided, and the answers carried out."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from mayfly.batched import batched
from mayfly.config.queue import QueueConfig
from mayfly.dispatch.actions import BindJob, FailJob, KeepReservations, OpenClaims, ReserveJobs
from mayfly.dispatch.bound import RESERVATION, TOKEN_LIFE, bind, due, nudges, reserved, unbound
from mayfly.dispatch.gather import gather
from mayfly.dispatch.opened import open_claims
from mayfly.dispatch.ports import DispatchPorts
from mayfly.dispatch.settled import after, settle, told, untold
from mayfly.dispatch.view import QueueView, Seen, Turn, is_paused
from mayfly.errors import Conflict, NotFound
from mayfly.records.about import about, fields
from mayfly.records.changes import Assign, Save
from mayfly.records.model import Claim, saved
from mayfly.records.states import Agent
from mayfly.tick.actions import NudgeProvision, WriteRecords
from mayfly.tick.outcome import Outcome
from mayfly_protocol.assignment import to_row

log = logging.getLogger("mayfly")

_WRITE_AT_ONCE = 90
"""Records in one transaction: DynamoDB takes 100 items, one of them is the lease's check."""


def tick(ports: DispatchPorts, turn: Turn, now: datetime) -> tuple[Outcome, Mapping[str, Seen]]:
    """One turn, queue by queue; one that fails does not hold up the others.

    Returns what came of it, and by queue what the next tick needs not look at again.
    """
    outcome = Outcome()
    seen = {queue: replace(last, jobs=False, waits=False) for queue, last in turn.seen.items()}
    for config, view in gather(ports, turn, outcome):
        last = turn.seen.get(config.queue, Seen())
        _tell_unmatched(view, config.queue, last, outcome)
        claims = serve(view, config, Applier(ports, turn.fence, now, outcome))
        seen[config.queue] = _left(view, claims, last)
    return outcome, seen


def serve(view: QueueView, config: QueueConfig, applier: Applier) -> tuple[Claim, ...]:
    """Settle, open, reserve, bind and tell. Each decides over claims as the one before left them.

    Returns the claims as they were before anything was bound.
    """
    now = applier.now
    writes = list(settle(view, config, now))
    settled = after(view.claims, writes, applier.settle(writes))
    opened = applier.open(tuple(open_claims(view, config, now)))
    claims = (*settled, *opened)
    ours = applier.reserve(tuple(due(claims, now, paused=is_paused(view, config))))
    claims = reserved(claims, ours, now)
    binds = list(bind(replace(view, claims=claims), config, now, unsaved=ours))
    applier.keep(unbound(claims, binds, unsaved=ours))
    applier.bind(binds)
    applier.fail(untold(claims, now))
    applier.nudge(nudges(view, claims, {bind.claim.job for bind in binds}, config))
    return claims


@dataclass(frozen=True, slots=True)
class Applier:
    """One queue's effects in one tick, under one fence. What fails is noted in the outcome."""

    ports: DispatchPorts
    fence: int
    now: datetime
    outcome: Outcome

    def settle(self, writes: Sequence[WriteRecords]) -> list[WriteRecords]:
        """The writes that were made."""
        return self.outcome.perform(writes, self._write)

    def open(self, claims: tuple[Claim, ...]) -> tuple[Claim, ...]:
        """The new claims that were recorded: only these may be reserved."""
        recorded: list[Claim] = []
        if claims:
            action = OpenClaims(claims, f"{len(claims)} new jobs")
            self.outcome.perform([action], lambda each: self._save(each.claims, recorded))
        return tuple(recorded)

    def reserve(self, claims: tuple[Claim, ...]) -> set[str]:
        """Jobs of these claims that Buildkite reserves for us. The table does not know it yet."""
        ours: set[str] = set()
        if claims:
            action = ReserveJobs(claims, "reservations are made or renewed")
            self.outcome.perform([action], lambda each: ours.update(self._reserve(each.claims)))
            refused = {claim.job for claim in claims} - ours
            if refused:
                names = ", ".join(sorted(refused))
                refusals = fields(jobs=sorted(refused))
                log.info("Buildkite does not reserve for us: %s", names, extra=refusals)
        return ours

    def keep(self, claims: tuple[Claim, ...]) -> None:
        """Record reservations."""
        if claims:
            action = KeepReservations(claims, f"{len(claims)} reservations are recorded")
            self.outcome.perform([action], lambda each: self._save(each.claims, []))

    def bind(self, binds: Sequence[BindJob]) -> None:
        """Bind jobs; tokens for all of them are minted in one call just before."""
        tokens: dict[str, str] = {}
        if binds:
            jobs = [bind.claim.job for bind in binds]
            with self.outcome.noting("acquisition tokens", fields(jobs=jobs)):
                tokens.update(self.ports.buildkite.tokens(jobs, int(TOKEN_LIFE.total_seconds())))
        self.outcome.perform(binds, lambda bind: self._bind(bind, tokens.get(bind.claim.job, "")))

    def fail(self, failures: Iterable[FailJob]) -> None:
        """Fail jobs at Buildkite, then record that Buildkite was told."""
        self.outcome.perform(failures, self._fail)

    def nudge(self, nudges: Iterable[NudgeProvision]) -> None:
        """Ask for a tick of provision."""
        self.outcome.perform(nudges, lambda nudge: self.ports.nudges.send(nudge.reason))

    def _write(self, action: WriteRecords) -> None:
        self.ports.fleet.write(action.changes, self.fence)

    def _save(self, claims: Sequence[Claim], recorded: list[Claim]) -> None:
        """Write claims many at a time; where one of them is lost, one by one, to keep the rest."""
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
        """Claim, instance and assignment in one transaction; no token, no binding."""
        if token:
            assignment = to_row(replace(bind.assignment, token=token))
            assign = Assign(bind.row, assignment, bind.expires)
            self.ports.fleet.write([Save(bind.claim), Save(bind.instance), assign], self.fence)
            return
        if bind.unbound:
            self.ports.fleet.write(bind.unbound, self.fence)
        raise Conflict(f"Buildkite issues no token for job {bind.claim.job}")

    def _fail(self, action: FailJob) -> None:
        """Where it is too late for that, or nobody there to be told, the record says so."""
        claim, refusal = action.claim, ""
        if action.reserve:
            self._reserve([claim])
        try:
            self.ports.buildkite.finish(claim.job, claim.reason)
        except (Conflict, NotFound) as error:
            refusal = str(error)
        self.ports.fleet.write([Save(told(claim, refusal))], self.fence)


def _tell_unmatched(view: QueueView, queue: str, last: Seen, outcome: Outcome) -> None:
    """Log each job that does not match, with the rule that failed: once, when it is listed."""
    for job in sorted(view.unmatched.keys() - last.unmatched):
        outcome.unmatched += 1
        rule, reason = view.unmatched[job].rule or "(none)", view.unmatched[job].reason
        log.warning(
            "job %s does not match queue `%s`: rule %s, %s",
            *(job, queue, rule, reason),
            extra=fields(queues=[queue], jobs=[job]),
        )


def _left(view: QueueView, claims: tuple[Claim, ...], last: Seen) -> Seen:
    """What this tick leaves to the next one."""
    running = {c.job for c in (*view.claims, *claims) if c.state.traits.agent is Agent.RUNS}
    return Seen(
        paused=view.paused,
        running=view.running + len(running),
        ready=bool(view.ready),
        unmatched=last.unmatched if view.listing is None else frozenset(view.unmatched),
        jobs=bool(view.claims) or (view.listing is not None and bool(view.listing.jobs)),
        waits=any(claim.state.traits.waits for claim in view.claims),
    )
