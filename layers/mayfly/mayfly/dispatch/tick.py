"""One tick of `dispatch`: Buildkite's jobs against claims and ready instances."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from mayfly.config.queue import QueueConfig
from mayfly.dispatch.apply import Applier
from mayfly.dispatch.bound import bind, due, reserved, unbound
from mayfly.dispatch.gather import gather
from mayfly.dispatch.opened import open_claims
from mayfly.dispatch.ports import DispatchPorts
from mayfly.dispatch.settled import after, settle
from mayfly.dispatch.told import nudges, untold
from mayfly.dispatch.view import QueueView, Seen, Turn, is_paused
from mayfly.records.about import fields
from mayfly.records.model import Claim
from mayfly.records.states import Agent
from mayfly.tick.outcome import Outcome

log = logging.getLogger("mayfly")


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
