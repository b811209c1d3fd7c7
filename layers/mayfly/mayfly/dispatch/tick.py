"""One tick of `dispatch`: decides each queue's questions in order and applies the actions."""

from __future__ import annotations

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
from mayfly.dispatch.long_reads import LongReads
from mayfly.dispatch.measures import measure
from mayfly.dispatch.notes import merged, new_notes
from mayfly.dispatch.opened import open_claims, unjudged_jobs
from mayfly.dispatch.pauses import new_pause
from mayfly.dispatch.ports import DispatchPorts
from mayfly.dispatch.reasons import (
    LOGGED_AS_ERRORS,
    Reasons,
    found_reasons,
    left_alone,
    standing,
)
from mayfly.dispatch.settled import claims_after, failures_to_tell, reap_nudges, settle
from mayfly.dispatch.view import LastTick, Lately, QueueView, Turn, is_paused, without_mismatches
from mayfly.metrics import Metric
from mayfly.records.model import Claim
from mayfly.records.standing import DISPATCH
from mayfly.records.states import Agent
from mayfly.records.why import UNDER_WAY, Code
from mayfly.tick.outcome import Held, Outcome, Told
from mayfly.tick.standings import Standings

SAID_SOONEST = timedelta(seconds=5)
"""Shortest time between two writes of a queue's standing: ticks come several times a second."""

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
    standings = long.standings or Standings(ports.fleet, DISPATCH)
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
        outcome.unmatched += len(view.unmatched.keys() - last.unmatched)
        reasons = _reasons(view, config, standings, outcome, now)
        _hold(reasons, outcome)
        view = replace(view, is_new=_is_new(turn, now))  # noqa: PLW2901 - the same view
        claims, bound, renewed = serve(view, config, applier)
        outcome.of_queues.add(measure(view, claims, bound, config, now))
        failures.extend(failures_to_tell(claims, now))
        rest = replace(view, claims=tuple(c for c in claims if c.job not in bound))
        notes.append(new_notes(rest, config, turn, reasons, renewed))
        if view.listing is not None or view.unlisted is not None or not view.active:
            standings.say(reasons.said, outcome, turn.fence, SAID_SOONEST)
        refused = applier.refused | (view.refused - renewed)
        lately = bound_lately(view, claims, bound, config, now)
        left_over = _last_tick(view, claims, last, reasons, refused)
        seen[config.queue] = replace(left_over, lately=lately)
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


def _reasons(
    view: QueueView, config: QueueConfig, standings: Standings, outcome: Outcome, now: datetime
) -> Reasons:
    left = left_alone(view, config, now)
    found = found_reasons(view, config, left, now)
    said = standings.after(standing(view, found, left, config.queue, now), outcome)
    unjudged = unjudged_jobs(view, config)
    return Reasons(found, left, said, unjudged)


def _unread(held: Held) -> str:
    """The alarm's line: the same in all ticks of an invocation, however many jobs wait."""
    return replace(held, jobs=()).line


def _hold(reasons: Reasons, outcome: Outcome) -> None:
    """Note what holds jobs back, for log and metric, with the times of the standing."""
    jobs = {each.why.key: each.jobs for each in reasons.found}
    for reason in reasons.said.reasons:
        waiting = jobs.get(reason.key, ())
        is_error = reason.code in LOGGED_AS_ERRORS
        if reason.code not in UNDER_WAY and (waiting or is_error):
            held = Held(reasons.said.queue, reason, waiting, is_logged=not is_error)
            outcome.hold(held)
            if reason.code is Code.POLICY_UNREADABLE and reason.subject:
                # A pipeline's repository; of the queue's own policy `provision` raises the alarm.
                outcome.alarms.append((Metric.UNREADABLE_POLICY, _unread(held)))
                outcome.queue_problem(held.about)


def _last_tick(
    view: QueueView,
    claims: tuple[Claim, ...],
    last: LastTick,
    reasons: Reasons,
    refused: Collection[str],
) -> LastTick:
    """What this tick leaves to the next tick about a queue."""
    runs = (c for c in (*view.claims, *claims) if c.state.traits.agent is Agent.RUNS)
    running = Counter({claim.job: claim.pipeline for claim in runs}.values())
    # An environment that could not be read is no news: else each gap would bring a note again.
    alone = reasons.left.keys() | (last.alone & reasons.unjudged)
    listed = {job.id for job in view.listing.jobs} if view.listing is not None else set(refused)
    return LastTick(
        paused=view.paused,
        listed_at=last.listed_at if view.listing is None else reasons.said.at,
        unlisted=view.unlisted,
        pause_written=last.pause_written,
        running=Counter(view.running) + running,
        ready=bool(view.ready),
        unmatched=frozenset(view.unmatched) | (last.unmatched if view.listing is None else set()),
        alone=last.alone if view.listing is None else frozenset(alone),
        jobs=bool(view.claims) or (view.listing is not None and bool(view.listing.jobs)),
        waits=any(claim.state.traits.waits for claim in view.claims),
        stalled=view.stalled,
        refused=frozenset(refused) & (listed | {claim.job for claim in claims}),
    )
