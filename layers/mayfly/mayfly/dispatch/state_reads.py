"""Reads Buildkite's states of claimed jobs; a slow answer holds up no tick, and is used safely.

A tick waits `BUDGET` for the answer. A later answer is taken by the first later tick. Each word of
an answer is as old as the read's start at worst, so a word is used only where that age is harmless:

- The claim's record, as the taking tick reads it, equals the record as read before the read began.
  Each bind, retry and settlement writes the record, and a write needs the record's version. So the
  word was said during the very state that is settled: a word from before a bind settles no claim
  after the bind.
- "scheduled" and "reserved" repeat an assigned claim's attempt only if the attempt was over before
  the read began, by its instance and token as read then. An attempt that is over starts no job any
  more, for an ended instance and an expired token stay so. A job that an agent accepted in time
  thus has another word, as Buildkite says it after the end. Where the attempt was not over yet, the
  agent may have accepted the job after Buildkite's word and before the instance's end: dropped.
- Words of an accepted or ended job cannot be taken back: such a job is never scheduled again. For
  a waiting claim no word starts or repeats a job: the claim is released at most, and a job that
  Buildkite still lists is then opened again.

Instances that the settlement changes are those of the taking tick.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime

from mayfly.dispatch.job_states import job_states
from mayfly.dispatch.settled import BEFORE_AGENT, attempt_is_over
from mayfly.dispatch.view import QueueView
from mayfly.ports import Buildkite
from mayfly.records.model import Claim
from mayfly.records.states import ClaimState, Watch
from mayfly.tick.outcome import Outcome

BUDGET = 0.5
"""Seconds that one tick waits for states: bindings of all queues wait for the tick."""


@dataclass(frozen=True, slots=True)
class _Read:
    """One read, with the records as they were before the read began."""

    claims: Mapping[str, Claim]
    """By job."""
    in_attempt: frozenset[str]
    """Jobs with an attempt that was not over before the read began."""
    outcome: Outcome
    """Failures of the read."""
    answer: Future[dict[str, str]]

    @property
    def wide(self) -> bool:
        """Whether claims are asked for that only wide ticks read."""
        return any(claim.state.traits.watch is not Watch.ALWAYS for claim in self.claims.values())


class StateReads:
    """The reads of one loop, at most one at a time. See the module."""

    def __init__(self, buildkite: Buildkite) -> None:
        self._buildkite = buildkite
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._read: _Read | None = None

    @property
    def kept(self) -> bool:
        """Whether an earlier tick's read is under way, or has an answer that no tick has taken."""
        return self._read is not None

    @property
    def under_way(self) -> bool:
        """Whether an earlier tick's read has no answer yet."""
        return self._read is not None and not self._read.answer.done()

    @property
    def wide(self) -> bool:
        """Whether only a wide tick can take the kept read's answer."""
        return self._read is not None and self._read.wide

    def states(
        self,
        claims: Iterable[Claim],
        views: Collection[QueueView],
        outcome: Outcome,
        now: datetime,
        *,
        wide: bool,
    ) -> Mapping[str, str]:
        """States by job, of claims in the views: the kept read's, or else a new read's of `claims`.

        Empty while Buildkite has not answered. `now` is from before the views were read, and `wide`
        says whether the views have the claims that only wide ticks read.
        """
        if self._read is None:
            if not (asked := tuple(claims)):
                return {}
            self._read = self._start(asked, views, outcome, now)
            wait([self._read.answer], timeout=BUDGET)
        read = self._read
        if not read.answer.done() or (read.wide and not wide):
            return {}
        self._read = None
        words = read.answer.result()
        outcome.add(read.outcome)
        standing = {
            claim.job for v in views for claim in v.claims if claim == read.claims.get(claim.job)
        }
        return {
            job: word
            for job, word in words.items()
            if job in standing and not (word in BEFORE_AGENT and job in read.in_attempt)
        }

    def close(self) -> None:
        """Give up a read that has no answer. Does not wait."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _start(
        self,
        claims: tuple[Claim, ...],
        views: Collection[QueueView],
        outcome: Outcome,
        now: datetime,
    ) -> _Read:
        instances = {slot: each for view in views for slot, each in view.instances.items()}
        in_attempt = {
            claim.job
            for claim in claims
            if claim.state is ClaimState.ASSIGNED
            and not attempt_is_over(claim, instances.get(claim.slot) if claim.slot else None, now)
        }
        # An outcome of its own: the read may outlast the tick and its outcome.
        failures = Outcome(told=outcome.told)
        answer = self._pool.submit(job_states, self._buildkite, claims, failures)
        return _Read({c.job: c for c in claims}, frozenset(in_attempt), failures, answer)
