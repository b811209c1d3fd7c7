"""One tick of `dispatch`: decides each queue's questions in order and applies the actions."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import by_configuration
from mayfly.dispatch.actions import FailJob, NotifyBuilds
from mayfly.dispatch.apply import Applier
from mayfly.dispatch.bound import (
    bind,
    nudges,
    reservations_due,
    reservations_to_save,
    with_reservations,
)
from mayfly.dispatch.gather import gather
from mayfly.dispatch.held import held
from mayfly.dispatch.long_reads import LongReads
from mayfly.dispatch.measures import measure
from mayfly.dispatch.notes import left_alone, merged, new_notes
from mayfly.dispatch.opened import held_jobs, open_claims, unjudged_jobs
from mayfly.dispatch.pauses import new_pause
from mayfly.dispatch.ports import DispatchPorts
from mayfly.dispatch.settled import claims_after, failures_to_tell, reap_nudges, settle
from mayfly.dispatch.view import LastTick, Lately, QueueView, Turn, is_paused, without_mismatches
from mayfly.records.about import fields
from mayfly.records.model import Claim
from mayfly.records.states import Agent
from mayfly.tick.outcome import Outcome, Told

log = logging.getLogger("mayfly")

SHOWN_WITHIN = timedelta(seconds=5)
"""Time after which the index shows a write. DynamoDB's guide on global secondary indexes says "a
fraction of a second, under normal conditions"."""


def tick(
    ports: DispatchPorts,
    turn: Turn,
    now: datetime,
    long: LongReads,
    told: Told | None = None,
) -> tuple[Outcome, Mapping[str, LastTick]]:
    """Serve the queues of a turn one by one; a queue that fails does not hold up the others.

    `told` is what the invocation has logged. Returns the outcome, and by queue what this tick
    leaves to the next one.
    """
    outcome = Outcome(told=set() if told is None else told)
    notes: list[NotifyBuilds] = []
    failures: list[FailJob] = []
    seen = {queue: replace(last, jobs=False, waits=False) for queue, last in turn.seen.items()}
    records = {record.queue: record for record in turn.queues}
    for config, view in gather(ports, turn, outcome, now, long):
        last = turn.seen.get(config.queue, LastTick())
        applier = Applier(ports, turn.fence, now, outcome)
        record = records[config.queue]
        pause = new_pause(record, view, last)
        if pause is not None and applier.note_pause(pause, view):
            last = replace(last, pause_written=record.version)
        _log_unmatched(view, config.queue, last, outcome)
        for cause, line in held(view, config):
            outcome.hold(config.queue, cause, line)
        _log_held(held_jobs(view, config), config.queue, last)
        view = replace(view, is_new=_is_new(turn, now))  # noqa: PLW2901 - the same view
        claims, bound, renewed = serve(view, config, applier)
        outcome.of_queues.add(measure(view, claims, bound, config, now))
        failures.extend(failures_to_tell(claims, now))
        rest = tuple(claim for claim in claims if claim.job not in bound)
        notes.append(new_notes(replace(view, claims=rest), config, turn, now, renewed))
        refused = applier.refused | (view.refused - renewed)
        lately = bound_lately(view, claims, bound, config, now)
        seen[config.queue] = replace(_last_tick(view, claims, last, config, refused), lately=lately)
    # Last of all: Buildkite may be slow to fail jobs and take notes, which must hold up no binding.
    last_of_all = Applier(ports, turn.fence, now, outcome)
    last_of_all.fail(failures)
    # While the token is refused no note is sent, and no claim may be saved as told.
    if outcome.refusal is None:
        last_of_all.tell(merged(notes))
    return outcome, seen


def serve(
    view: QueueView, config: QueueConfig, applier: Applier
) -> tuple[tuple[Claim, ...], set[str], set[str]]:
    """Settle, open, reserve and bind claims, nudge other functions: in this order.

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
    due = tuple(reservations_due(matched, now, paused=is_paused(view, config)))
    ours = applier.reserve(due, view.refused)
    claims = with_reservations(claims, ours, now)
    matched = without_mismatches(claims, view)
    binds = list(bind(replace(view, claims=matched), config, now, unsaved=ours))
    applier.keep(reservations_to_save(claims, binds, unsaved=ours))
    applier.bind(binds)
    bound = {bind.claim.job for bind in binds}
    applier.nudge(nudges(view, claims, bound, config))
    applier.nudge_reap(reap_nudges(done))
    return claims, bound, ours


def _is_new(turn: Turn, now: datetime) -> bool:
    """Whether bindings of the invocation before may not show in the index yet."""
    return turn.handed_over is not None and now - turn.handed_over < SHOWN_WITHIN


def bound_lately(
    view: QueueView,
    claims: Iterable[Claim],
    bound: Collection[str],
    config: QueueConfig,
    now: datetime,
) -> Mapping[str, Lately]:
    """The bindings of the last seconds, where a limit depends on them.

    A binding that failed counts too: its write may have been made without an answer.
    """
    if config.per_pipeline is None:
        return {}
    kept = {job: each for job, each in view.lately.items() if now - each.at < SHOWN_WITHIN}
    return kept | {c.job: Lately(c.pipeline, now) for c in claims if c.job in bound}


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
    view: QueueView,
    claims: tuple[Claim, ...],
    last: LastTick,
    config: QueueConfig,
    refused: Collection[str],
) -> LastTick:
    """What this tick leaves to the next tick about a queue."""
    runs = (c for c in (*view.claims, *claims) if c.state.traits.agent is Agent.RUNS)
    running = Counter({claim.job: claim.pipeline for claim in runs}.values())
    # An environment that could not be read is no news: else each gap would bring a note again.
    unjudged = unjudged_jobs(view, config)
    alone = left_alone(view, config) | (last.alone & unjudged)
    on_hold = held_jobs(view, config).keys() | (last.held & unjudged)
    listed = {job.id for job in view.listing.jobs} if view.listing is not None else set(refused)
    return LastTick(
        paused=view.paused,
        pause_written=last.pause_written,
        running=Counter(view.running) + running,
        ready=bool(view.ready),
        unmatched=frozenset(view.unmatched) | (last.unmatched if view.listing is None else set()),
        alone=last.alone if view.listing is None else alone,
        held=last.held if view.listing is None else frozenset(on_hold),
        jobs=bool(view.claims) or (view.listing is not None and bool(view.listing.jobs)),
        waits=any(claim.state.traits.waits for claim in view.claims),
        stalled=view.stalled,
        refused=frozenset(refused) & (listed | {claim.job for claim in claims}),
    )
