"""Gathers the views of one `dispatch` tick: Buildkite's lists and the records of its queues."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from mayfly.answers import Listing
from mayfly.config.queue import QueueConfig, in_force
from mayfly.config.stalled import stalled_shapes
from mayfly.dispatch.candidates import Reads, former_claims, with_facts
from mayfly.dispatch.job_states import beside_new_jobs
from mayfly.dispatch.long_reads import LongReads
from mayfly.dispatch.notes import is_due
from mayfly.dispatch.opened import first_listed, sort_listing
from mayfly.dispatch.ports import DispatchPorts
from mayfly.dispatch.reasons import unlisted
from mayfly.dispatch.view import LastTick, Prospects, QueueView, Stalled, Turn
from mayfly.errors import FAILURES, Failure, NotFound
from mayfly.ports import Buildkite
from mayfly.records.about import fields
from mayfly.records.model import Claim, Instance, QueueRecord, Shape, SlotKey
from mayfly.records.standing import PROVISION
from mayfly.records.states import Supply, Watch, claim_states, instance_states
from mayfly.tick.outcome import Outcome

WATCHED = claim_states(lambda claim: claim.watch is Watch.ALWAYS)
WATCHED_WIDE = claim_states(lambda claim: claim.watch is not Watch.NEVER)
READY = instance_states(lambda instance: instance.supply is Supply.READY)
COMING = instance_states(lambda instance: instance.supply is Supply.COMING)
READ_LEDGER = timedelta(seconds=5)
"""How often the ledger is read while listed jobs find no place."""
_SIDE_BY_SIDE = 8


def gather(
    ports: DispatchPorts, turn: Turn, outcome: Outcome, now: datetime, long: LongReads
) -> Iterator[tuple[QueueConfig, QueueView]]:
    """Yield each queue's configuration and view.

    Lists and records are read in parallel, then the states of all queues' jobs together, or the
    late states of an earlier tick's read are taken. A queue with unreadable records is omitted. Any
    other failed read only leaves its part of the view empty. Failures go into the outcome.
    """
    configs = _configs(turn, outcome)
    reads = Reads(ports, turn, outcome, long.environments, long.parameters, now)
    with ThreadPoolExecutor(max_workers=_SIDE_BY_SIDE) as pool:
        lists = {
            queue: pool.submit(_listing, ports.buildkite, queue, outcome)
            for queue in configs
            if queue in turn.listed
        }
        early: dict[str, list[str]] = {}
        if turn.lists_first:
            early = {queue: first_listed(answer.result()) for queue, answer in lists.items()}
            if not any(early.values()):
                return
        records = {
            record: _reading(pool, reads, record, early.get(record.queue, ()))
            for record in turn.queues
            if record.queue in configs
        }
        views: dict[str, QueueView] = {}
        for record, read in records.items():
            with outcome.noting(f"records of queue {record.queue}", fields(queues=[record.queue])):
                views[record.queue] = read()
        every = [claim for view in views.values() for claim in view.claims]
        read_states = partial(long.states.states, outcome=outcome, now=now, wide=turn.wide)
        asks = turn.reads_states or long.states.kept
        states = read_states(every, tuple(views.values())) if asks else {}
        for queue, answer in lists.items():
            if queue not in views:
                continue
            listing = answer.result()
            if isinstance(listing, Listing):
                listed = replace(views[queue], listing=listing, paused=listing.paused)
                views[queue] = replace(listed, unlisted=None)
            else:
                views[queue] = replace(views[queue], unlisted=unlisted(queue, listing, now))
        if not asks:
            states = read_states(beside_new_jobs(views.values()), tuple(views.values()))
    sorted_views: dict[str, QueueView] = {}
    for queue, view in views.items():
        full = sort_listing(replace(view, states=states), configs[queue])
        # Also where stalled shapes make room: they may get instances again since the last read.
        if full.left_out or (full.candidates and full.stalled.shapes):
            full = _with_stalled(full, configs[queue], ports, outcome, now)
        sorted_views[queue] = full
    yield from with_facts(sorted_views, configs, early, reads)


def _configs(turn: Turn, outcome: Outcome) -> Mapping[str, QueueConfig]:
    """Configurations in force, by queue; queues without a good configuration are omitted."""
    configs = {}
    for record in turn.queues:
        with outcome.noting(f"queue {record.queue}", fields(queues=[record.queue])):
            if (config := in_force(record)) is not None:
                configs[record.queue] = config
    return configs


def _reading(
    pool: Executor, reads: Reads, record: QueueRecord, early: Collection[str]
) -> Callable[[], QueueView]:
    """Start the reads of a queue's records in parallel. Returns a function that awaits the view."""
    queue, fleet, turn = record.queue, reads.ports.fleet, reads.turn
    seen = turn.seen.get(queue, LastTick())
    claims = pool.submit(_claims, reads, queue)
    ready = pool.submit(fleet.instances, queue, READY)
    former = pool.submit(former_claims, fleet, early)

    def view() -> QueueView:
        found, instances, prospects = claims.result()
        return QueueView(
            spec=record.spec,
            claims=found,
            instances=instances,
            ready=tuple(ready.result()),
            running={} if turn.wide else seen.running,
            lately=seen.lately,
            paused=seen.paused,
            unlisted=seen.unlisted or turn.unheard,
            active=record.active,
            former={claim.job: claim for claim in former.result()},
            unreadable=former.result().unreadable,
            stalled=seen.stalled,
            refused=seen.refused,
            prospects=prospects,
            agent_endpoint=reads.ports.agent_endpoint,
        )

    return view


def _claims(
    reads: Reads, queue: str
) -> tuple[tuple[Claim, ...], Mapping[SlotKey, Instance], Prospects | None]:
    """Watched claims of a queue, the instances of its assigned claims by slot, and prospects.

    A claim with an unreadable instance is omitted: without its record the attempt would look over.
    """
    fleet, wanted = reads.ports.fleet, WATCHED_WIDE if reads.turn.wide else WATCHED
    claims = tuple(fleet.claims(queue, wanted))
    prospects = _prospects(reads, queue, claims)
    slots = [c.slot for c in claims if c.slot is not None and c.state.traits.bound]
    # Consistent reads: the lagging index must not decide whether an attempt is over.
    if not slots:
        return claims, {}, prospects
    instances = fleet.slots(slots)
    known = tuple(c for c in claims if c.slot is None or str(c.slot) not in instances.unreadable)
    return known, {each.key: each for each in instances}, prospects


def _prospects(reads: Reads, queue: str, claims: Iterable[Claim]) -> Prospects | None:
    """What `provision` said and the coming instances; None, without a read, where no claim is due.

    None too where a read fails: a missing reason must not hold up a binding.
    """
    fleet, since = reads.ports.fleet, reads.turn.explains
    if since is None or not any(is_due(claim, since) for claim in claims):
        return None
    try:
        said = fleet.standing(PROVISION, queue)
        return Prospects(said, tuple(fleet.instances(queue, COMING)))
    except FAILURES as error:
        what = f"what jobs of queue {queue} wait for"
        reads.outcome.failed(what, error, fields(queues=[queue]))
        return None


def _listing(buildkite: Buildkite, queue: str, outcome: Outcome) -> Listing | Failure:
    """The list, or why there is none, which is in the outcome then."""
    try:
        return buildkite.jobs(queue)
    except NotFound as error:
        unknown = f"Buildkite does not know queue {queue} in this token's cluster"
        outcome.problem(unknown, fields(queues=[queue]))
        return error
    except FAILURES as error:
        outcome.failed(f"jobs of queue {queue}", error, fields(queues=[queue]))
        return error


def _with_stalled(
    view: QueueView, config: QueueConfig, ports: DispatchPorts, outcome: Outcome, now: datetime
) -> QueueView:
    """The view sorted anew by the queue's ledger, which is read at most every `READ_LEDGER`."""
    read_at, waiting = view.stalled.read_at, [c for c in view.claims if c.state.traits.waits]
    if not waiting or (read_at is not None and now - read_at < READ_LEDGER):
        return view
    stalled = replace(view.stalled, read_at=now)
    with outcome.noting(f"ledger of queue {config.queue}", fields(queues=[config.queue])):
        ledger = ports.fleet.ledger(config.queue)
        shapes = {claim.shape for claim in waiting}
        found = frozenset[Shape]()
        if ledger is not None:
            found = stalled_shapes(shapes, ledger, view.spec, config, now)
        stalled = Stalled(found, now)
    return sort_listing(replace(view, stalled=stalled), config)
