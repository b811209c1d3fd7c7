"""One tick of `dispatch`: Buildkite's jobs against claims and ready instances."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime

from mayfly import policy
from mayfly.agent_rules import Mismatch
from mayfly.config.queue import QueueConfig
from mayfly.decide.dispatch import DispatchView, candidates, decide, left_alone
from mayfly.errors import MayflyError, NotFound
from mayfly.model import Claim, Instance, QueueRecord, SlotKey
from mayfly.ports import Buildkite, Fleet, Listing, Nudges, Parameters
from mayfly.states import ClaimState, InstanceState
from mayfly.ticks.dispatch_apply import Applier
from mayfly.ticks.force import in_force
from mayfly.ticks.outcome import Outcome

log = logging.getLogger("mayfly")

WATCHED = frozenset({ClaimState.WAITING, ClaimState.ASSIGNED, ClaimState.FAILED})
_STATES_AT_ONCE = 1000
_SIDE_BY_SIDE = 8


@dataclass(frozen=True, slots=True)
class DispatchPorts:
    """What `dispatch` may touch."""

    fleet: Fleet
    buildkite: Buildkite
    parameters: Parameters
    nudges: Nudges
    agent_endpoint: str = ""
    """Where agents shall call, if not at Buildkite's own address."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a tick leaves to the next, which does not look at everything again."""

    paused: Mapping[str, bool] = field(default_factory=dict)
    """Whether a queue is paused at Buildkite, by its last listing."""
    running: Mapping[str, int] = field(default_factory=dict)
    """How many claims of a queue are running; those that have ended since are counted too."""
    alone: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Jobs by queue of which it was told that they are left alone, by its last listing."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one tick looks at."""

    queues: tuple[QueueRecord, ...]
    listed: frozenset[str]
    """Queues whose jobs are listed this time: Buildkite allows so many lists a second."""
    fence: int
    wide: bool
    """Whether running claims are read too; they need no look at every tick."""
    asks: bool
    """Whether Buildkite is asked how the jobs stand: that answer takes longer than all the rest."""
    glance: bool = False
    """Whether it ends with the lists if they are empty: there was nothing to do a moment ago."""
    known: Known = field(default_factory=Known)


@dataclass(frozen=True, slots=True)
class Ticked:
    """What a tick came to, and whether there is reason to tick fast."""

    outcome: Outcome
    jobs: bool
    """There are some, listed or claimed."""
    ready: bool
    """There are instances that are ready for one."""
    waits: bool
    """A job waits for its instance."""
    known: Known


def tick(ports: DispatchPorts, turn: Turn, now: datetime) -> Ticked:
    """Gather, decide and apply, queue by queue; one that fails does not hold up the others."""
    outcome = Outcome()
    jobs = ready = waits = False
    paused, running = dict(turn.known.paused), dict(turn.known.running)
    alone = dict(turn.known.alone)
    for config, view in gather(ports, turn, outcome):
        jobs = jobs or bool(view.claims) or _has_jobs(view.listing)
        ready = ready or bool(view.ready)
        waits = waits or any(claim.state is ClaimState.WAITING for claim in view.claims)
        if view.listing is not None:
            told = alone.get(config.queue, frozenset())
            alone[config.queue] = _tell_of(left_alone(view, config), told, outcome)
        applier = Applier(ports.fleet, ports.buildkite, ports.nudges, turn.fence, now)
        actions = decide(view, config, now)
        applier.perform(actions, outcome)
        if view.paused is not None:
            paused[config.queue] = view.paused
        seen = sum(claim.state is ClaimState.RUNNING for claim in view.claims)
        running[config.queue] = view.running + seen + applier.accepted
    return Ticked(outcome, jobs, ready, waits, Known(paused, running, alone))


def _tell_of(
    found: Mapping[str, Mismatch], told: Collection[str], outcome: Outcome
) -> frozenset[str]:
    """Say of each job, once, by which of its rules it is left alone; all those jobs."""
    for job in sorted(found.keys() - set(told)):
        outcome.left["NoMatch"] += 1
        rule = found[job].rule or "(none)"
        log.warning("job %s is left alone for its rule %s: %s", job, rule, found[job].reason)
    return frozenset(found)


def gather(
    ports: DispatchPorts, turn: Turn, outcome: Outcome
) -> Iterator[tuple[QueueConfig, DispatchView]]:
    """Each queue's view: jobs and records side by side, then states in one question for all."""
    configs = {}
    for record in turn.queues:
        with outcome.noting(f"queue {record.queue}"):
            if (config := in_force(record)) is not None:
                configs[record.queue] = config
    with ThreadPoolExecutor(max_workers=_SIDE_BY_SIDE) as pool:
        lists = {
            queue: pool.submit(_listing, ports.buildkite, queue, outcome)
            for queue in configs
            if queue in turn.listed
        }
        if turn.glance and not any(_has_jobs(answer.result()) for answer in lists.values()):
            return
        reads = {queue: pool.submit(_read, ports.fleet, queue, turn) for queue in configs}
        found: dict[str, _Found] = {}
        for queue, read in reads.items():
            with outcome.noting(f"records of queue {queue}"):
                found[queue] = read.result()
        every = [claim for each in found.values() for claim in each.claims]
        states = _states(ports.buildkite, every, outcome) if turn.asks else {}
        listings = {queue: answer.result() for queue, answer in lists.items()}
        if not turn.asks:
            states = _states(ports.buildkite, _overtaken(found, listings), outcome)
    for record in turn.queues:
        queue = record.queue
        if queue not in found:
            continue
        bare = _view(record, found[queue], states, ports)
        listing = listings.get(queue)
        if listing is not None:
            bare = replace(bare, paused=listing.paused)
        view = bare
        with outcome.noting(f"new jobs of queue {queue}"):
            listed = replace(bare, listing=listing)
            view = _with_candidates(listed, configs[queue], ports, outcome)
        yield configs[queue], view


@dataclass(frozen=True, slots=True)
class _Found:
    claims: tuple[Claim, ...]
    ready: tuple[Instance, ...]
    bound: Mapping[SlotKey, Instance]
    paused: bool | None
    running: int


def _read(fleet: Fleet, queue: str, turn: Turn) -> _Found:
    """A queue's records, and what earlier ticks left."""
    wanted = WATCHED | {ClaimState.RUNNING} if turn.wide else WATCHED
    claims = tuple(fleet.claims(queue, wanted))
    ready = tuple(fleet.instances(queue, {InstanceState.READY}))
    slots = [c.slot for c in claims if c.slot is not None and c.state is ClaimState.ASSIGNED]
    # Consistent reads: whether an attempt is over must not be judged by an index that lags.
    bound = {instance.key: instance for instance in (fleet.slots(slots) if slots else ())}
    running = 0 if turn.wide else turn.known.running.get(queue, 0)
    return _Found(claims, ready, bound, turn.known.paused.get(queue), running)


def _listing(buildkite: Buildkite, queue: str, outcome: Outcome) -> Listing | None:
    try:
        return buildkite.jobs(queue)
    except NotFound:
        outcome.problems.append(f"Buildkite does not know queue {queue} in this token's cluster")
    except MayflyError as error:
        outcome.failed(f"jobs of queue {queue}", error)
    return None


def _has_jobs(listing: Listing | None) -> bool:
    return listing is not None and bool(listing.jobs)


def _overtaken(
    found: Mapping[str, _Found], listings: Mapping[str, Listing | None]
) -> Iterator[Claim]:
    """Claims that wait when new jobs come: a push often cancels the jobs of the one before.

    An instance that was launched for those can serve these; unasked, another would be launched.
    """
    for queue, each in found.items():
        listing = listings.get(queue)
        known = {claim.job for claim in each.claims}
        if listing is not None and any(job.id not in known for job in listing.jobs):
            yield from (claim for claim in each.claims if claim.state is ClaimState.WAITING)


def _states(buildkite: Buildkite, claims: Iterable[Claim], outcome: Outcome) -> dict[str, str]:
    jobs = [claim.job for claim in claims]
    states: dict[str, str] = {}
    for start in range(0, len(jobs), _STATES_AT_ONCE):
        try:
            states.update(buildkite.states(jobs[start : start + _STATES_AT_ONCE]))
        except MayflyError as error:
            outcome.failed("states of jobs", error)
    return states


def _view(
    record: QueueRecord,
    found: _Found,
    states: Mapping[str, str],
    ports: DispatchPorts,
) -> DispatchView:
    """The view before anything was listed."""
    return DispatchView(
        listing=None,
        paused=found.paused,
        claims=found.claims,
        running=found.running,
        closed={},
        ready=found.ready,
        instances=found.bound,
        states=states,
        environments={},
        repositories={},
        spec=record.spec,
        agent_endpoint=ports.agent_endpoint,
    )


def _with_candidates(
    view: DispatchView, config: QueueConfig, ports: DispatchPorts, outcome: Outcome
) -> DispatchView:
    """The view with what is needed to open new jobs: former claims, and what policy asks for."""
    jobs = [job.id for job, _ in candidates(view, config)]
    if not jobs:
        return view
    view = replace(view, closed={claim.job: claim for claim in ports.fleet.claims_of(jobs)})
    if not config.restricted:
        return view
    environments = dict(_environments(ports.buildkite, jobs, outcome))
    named = (policy.repository_parameter(config, env) for env in environments.values())
    names = {name for name in named if name}
    repositories = ports.parameters.values(names) if names else {}
    return replace(view, environments=environments, repositories=repositories)


def _environments(
    buildkite: Buildkite, jobs: Iterable[str], outcome: Outcome
) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Environments by job. A job whose environment cannot be had is not opened: unknown is no."""
    for job in jobs:
        try:
            yield job, buildkite.environment(job)
        except NotFound:
            continue
        except MayflyError as error:
            outcome.failed(f"environment of job {job}", error)
