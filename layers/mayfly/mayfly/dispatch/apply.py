"""Applies what dispatch decided, and says of each step what came off."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from mayfly.batched import batched
from mayfly.dispatch.actions import BindJob, FailJob, KeepReservations, OpenClaims, ReserveJobs
from mayfly.dispatch.bound import RESERVATION, TOKEN_LIFE
from mayfly.dispatch.ports import DispatchPorts
from mayfly.dispatch.told import told
from mayfly.errors import Conflict, NotFound
from mayfly.records.about import about, fields
from mayfly.records.changes import Save
from mayfly.records.model import Claim, saved
from mayfly.tick.actions import NudgeProvision, WriteRecords
from mayfly.tick.outcome import Outcome

log = logging.getLogger("mayfly")

_WRITE_AT_ONCE = 90
"""Records in one transaction: DynamoDB takes 100 items, one of them is the lease's check."""


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
            self.ports.fleet.write(bind.changes(token), self.fence)
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
