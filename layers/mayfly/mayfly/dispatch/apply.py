"""Applies what dispatch decided; later actions build on the records that earlier ones wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import assert_never

from mayfly.dispatch.actions import BindJob, DispatchAction, FailJob, OpenClaims, ReserveJobs
from mayfly.dispatch.decide import RESERVATION, TOKEN_LIFE, TOKEN_SLACK
from mayfly.dispatch.settle import BindTimes, bound
from mayfly.errors import FAILURES, Conflict, MayflyError, NotFound
from mayfly.ports import Buildkite, Fleet, Nudges
from mayfly.records.changes import Assign, Change, Save
from mayfly.records.model import Claim, saved
from mayfly.records.states import ClaimState
from mayfly.tick.actions import NudgeProvision, WriteRecords
from mayfly.tick.outcome import Outcome

_WRITE_AT_ONCE = 90
"""Records in one transaction: DynamoDB takes 100 items, one of them is the lease's check."""


@dataclass(slots=True)
class Applier:
    """One queue's actions of one tick, under one fence."""

    fleet: Fleet
    buildkite: Buildkite
    nudges: Nudges
    fence: int
    now: datetime
    latest: dict[str, Claim] = field(default_factory=dict)
    """Claims as this tick has left them; a binding must be made over the newest version."""
    lost: set[str] = field(default_factory=set)
    """Jobs whose claim could not be written: without the record nothing is done about them."""
    binding: frozenset[str] = frozenset()
    """Jobs that are about to be bound: their reservation is saved with that, in one write."""
    tokens: dict[str, str] = field(default_factory=dict, repr=False)
    accepted: int = 0
    """How many claims are running since this tick."""

    def perform(self, actions: Sequence[DispatchAction], outcome: Outcome) -> None:
        """Apply actions in order; tokens for all bindings are minted in one call just before."""
        binds = [action for action in actions if isinstance(action, BindJob)]
        before = [a for a in actions if isinstance(a, WriteRecords | OpenClaims | ReserveJobs)]
        self.binding = frozenset(bind.claim.job for bind in binds)
        outcome.perform(before, self.apply)
        try:
            self._mint(binds)
        except FAILURES as error:
            outcome.failed("acquisition tokens", error)
        outcome.perform([a for a in actions if a not in before], self.apply)

    def apply(self, action: DispatchAction) -> None:
        """Perform one action."""
        match action:
            case WriteRecords():
                self._write(action.changes)
            case OpenClaims():
                self._save(action.claims)
            case ReserveJobs():
                self._reserve(action.claims)
            case BindJob():
                self._bind(action)
            case FailJob():
                self._tell(action)
            case NudgeProvision():
                self.nudges.send(action.reason)
            case _:
                assert_never(action)

    def _write(self, changes: Sequence[Change]) -> None:
        claims = [c.record for c in changes if isinstance(c, Save) and isinstance(c.record, Claim)]
        try:
            self.fleet.write(changes, self.fence)
        except MayflyError:
            self.lost.update(claim.job for claim in claims)
            raise
        self.accepted += sum(claim.state is ClaimState.RUNNING for claim in claims)

    def _save(self, claims: Sequence[Claim]) -> None:
        """Write claims many at a time; where one of them is lost, one by one, to keep the rest."""
        for start in range(0, len(claims), _WRITE_AT_ONCE):
            some = claims[start : start + _WRITE_AT_ONCE]
            try:
                self.fleet.write([Save(claim) for claim in some], self.fence)
            except Conflict:
                for claim in some:
                    self._save_one(claim)
            except MayflyError:
                self.lost.update(claim.job for claim in claims[start:])
                raise
            else:
                self.latest.update((claim.job, saved(claim)) for claim in some)

    def _save_one(self, claim: Claim) -> None:
        try:
            self.fleet.write([Save(claim)], self.fence)
        except MayflyError as error:
            self.lost.add(claim.job)
            if not isinstance(error, Conflict):
                raise
        else:
            self.latest[claim.job] = saved(claim)

    def _reserve(self, claims: Sequence[Claim]) -> None:
        wanted = [self.latest.get(c.job, c) for c in claims if c.job not in self.lost]
        if not wanted:
            return
        ours = self.buildkite.reserve(
            [claim.job for claim in wanted], int(RESERVATION.total_seconds())
        )
        until = self.now + RESERVATION
        reserved = [replace(c, reserved_until=until) for c in wanted if c.job in ours]
        self.latest.update((claim.job, claim) for claim in reserved)
        self._save([claim for claim in reserved if claim.job not in self.binding])

    def _mint(self, binds: Sequence[BindJob]) -> None:
        jobs = [bind.claim.job for bind in binds if bind.claim.job not in self.lost]
        if jobs:
            minted = self.buildkite.tokens(jobs, int(TOKEN_LIFE.total_seconds()))
            self.tokens.update(minted)

    def _bind(self, action: BindJob) -> None:
        """Claim, instance and assignment in one transaction; no token, no binding."""
        job = action.claim.job
        token = self.tokens.pop(job, "")
        claim = self.latest.get(job, action.claim)
        if not token:
            if claim.reserved_until != action.claim.reserved_until:
                self._save([claim])
            raise Conflict(f"Buildkite issues no token for job {job}: it is not reserved for us")
        until = self.now + TOKEN_LIFE + TOKEN_SLACK
        times = BindTimes(self.now, until)
        assigned, taken = bound(claim, action.instance, action.assignment, times)
        row = taken.sandbox_row or ""
        assignment = {**action.assignment, "token": token}
        self.fleet.write([Save(assigned), Save(taken), Assign(row, assignment, until)], self.fence)

    def _tell(self, action: FailJob) -> None:
        """Fail the job at Buildkite, then record that it was told.

        Where it is too late for that, or nobody there to be told, the record says so.
        """
        claim = self.latest.get(action.claim.job, action.claim)
        if claim.job in self.lost:
            return
        reason = claim.reason
        if not claim.reserved(self.now):
            self.buildkite.reserve([claim.job], int(RESERVATION.total_seconds()))
        try:
            self.buildkite.finish(claim.job, reason)
        except (Conflict, NotFound) as error:
            reason = f"{reason} (Buildkite would not take it: {error})"
        self.fleet.write([Save(replace(claim, told=True, reason=reason))], self.fence)
