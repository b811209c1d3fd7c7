"""One tick of `dispatch`: Buildkite's jobs against claims and ready instances."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from mayfly.config.shapes import Mismatch
from mayfly.dispatch.apply import Applier
from mayfly.dispatch.decide import decide, left_alone
from mayfly.dispatch.gather import DispatchPorts, Known, Turn, gather
from mayfly.records.states import ClaimState
from mayfly.tick.outcome import Outcome

log = logging.getLogger("mayfly")


@dataclass(frozen=True, slots=True)
class Ticked:
    """What a tick came to, and whether there is reason to tick fast."""

    outcome: Outcome
    jobs: bool
    """There are some, listed or claimed."""
    waits: bool
    """A job waits for its instance."""
    known: Known


def tick(ports: DispatchPorts, turn: Turn, now: datetime) -> Ticked:
    """Gather, decide and apply, queue by queue; one that fails does not hold up the others."""
    outcome = Outcome()
    jobs = waits = False
    paused, running = dict(turn.known.paused), dict(turn.known.running)
    ready, alone = dict(turn.known.ready), dict(turn.known.alone)
    for config, view in gather(ports, turn, outcome):
        jobs = jobs or bool(view.claims)
        ready[config.queue] = bool(view.ready)
        waits = waits or any(claim.state is ClaimState.WAITING for claim in view.claims)
        if view.listing is not None:
            jobs = jobs or bool(view.listing.jobs)
            told = alone.get(config.queue, frozenset())
            alone[config.queue] = _tell_of(config.queue, left_alone(view, config), told, outcome)
        applier = Applier(ports.fleet, ports.buildkite, ports.nudges, turn.fence, now)
        actions = decide(view, config, now)
        applier.perform(actions, outcome)
        if view.paused is not None:
            paused[config.queue] = view.paused
        seen = sum(claim.state is ClaimState.RUNNING for claim in view.claims)
        running[config.queue] = view.running + seen + applier.accepted
    return Ticked(outcome, jobs, waits, Known(paused, running, ready, alone))


def _tell_of(
    queue: str, found: Mapping[str, Mismatch], told: Collection[str], outcome: Outcome
) -> frozenset[str]:
    """Log each new mismatch once, with the rule that failed. Returns all jobs that do not match."""
    for job in sorted(found.keys() - set(told)):
        outcome.unmatched += 1
        rule = found[job].rule or "(none)"
        reason = found[job].reason
        log.warning("job %s does not match queue `%s`: rule %s, %s", job, queue, rule, reason)
    return frozenset(found)
