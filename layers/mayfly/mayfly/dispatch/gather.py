"""What one tick of `dispatch` looks at: Buildkite's lists, and the records of its queues."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from mayfly.answers import Listing
from mayfly.config.in_force import in_force
from mayfly.config.queue import QueueConfig
from mayfly.dispatch import policy
from mayfly.dispatch.decide import OPEN_AT_ONCE, DispatchView, candidates
from mayfly.errors import FAILURES, NotFound
from mayfly.ports import Buildkite, Fleet, Nudges, Parameters
from mayfly.records.model import Claim, Instance, QueueRecord, SlotKey
from mayfly.records.states import ClaimState, InstanceState
from mayfly.tick.outcome import Outcome

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
    ready: Mapping[str, bool] = field(default_factory=dict)
    """Whether a queue had instances that are ready for a job, when its records were last read."""
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
class _Found:
    """A queue's records."""

    claims: tuple[Claim, ...]
    bound: Mapping[SlotKey, Instance]
    """The instances of assigned claims."""
    ready: tuple[Instance, ...]
    former: Mapping[str, Claim | None]
    """By job, for those of which it was asked: its former claim, or None without one."""


def gather(
    ports: DispatchPorts, turn: Turn, outcome: Outcome
) -> Iterator[tuple[QueueConfig, DispatchView]]:
    """Each queue's view: jobs and records side by side, then states in one question for all."""
    configs = _configs(turn, outcome)
    with ThreadPoolExecutor(max_workers=_SIDE_BY_SIDE) as pool:
        lists = {
            queue: pool.submit(_listing, ports.buildkite, queue, outcome)
            for queue in configs
            if queue in turn.listed
        }
        hoped: dict[str, list[str]] = {}
        if turn.glance:
            hoped = {queue: _hoped(answer.result()) for queue, answer in lists.items()}
            if not any(hoped.values()):
                return
        reads = {
            queue: _reading(pool, ports.fleet, queue, turn, hoped.get(queue, ()))
            for queue in configs
        }
        found: dict[str, _Found] = {}
        for queue, read in reads.items():
            with outcome.noting(f"records of queue {queue}"):
                found[queue] = read()
        every = [claim for each in found.values() for claim in each.claims]
        states = _states(ports.buildkite, every, outcome) if turn.asks else {}
        listings = {queue: answer.result() for queue, answer in lists.items()}
        if not turn.asks:
            states = _states(ports.buildkite, _overtaken(found, listings), outcome)
    for record in turn.queues:
        queue = record.queue
        if queue not in found:
            continue
        view = _view(record, found[queue], states, turn, ports)
        listing = listings.get(queue)
        if listing is not None:
            view = replace(view, paused=listing.paused)
        with outcome.noting(f"new jobs of queue {queue}"):
            listed = replace(view, listing=listing)
            view = _with_candidates(listed, configs[queue], found[queue].former, ports, outcome)
        yield configs[queue], view


def _configs(turn: Turn, outcome: Outcome) -> Mapping[str, QueueConfig]:
    """What is in force, by queue; without it nothing is done about a queue."""
    configs = {}
    for record in turn.queues:
        with outcome.noting(f"queue {record.queue}"):
            if (config := in_force(record)) is not None:
                configs[record.queue] = config
    return configs


def _reading(
    pool: Executor, fleet: Fleet, queue: str, turn: Turn, hoped: Collection[str]
) -> Callable[[], _Found]:
    """Begins to read a queue's records, side by side. What it returns waits for them."""
    claims = pool.submit(_claims, fleet, queue, turn)
    ready = pool.submit(fleet.instances, queue, {InstanceState.READY})
    former = pool.submit(_former, fleet, hoped)
    return lambda: _Found(*claims.result(), tuple(ready.result()), former.result())


def _claims(
    fleet: Fleet, queue: str, turn: Turn
) -> tuple[tuple[Claim, ...], Mapping[SlotKey, Instance]]:
    """Claims, and the instances of those that are assigned."""
    wanted = WATCHED | {ClaimState.RUNNING} if turn.wide else WATCHED
    claims = tuple(fleet.claims(queue, wanted))
    slots = [c.slot for c in claims if c.slot is not None and c.state is ClaimState.ASSIGNED]
    # Consistent reads: whether an attempt is over must not be judged by an index that lags.
    return claims, {each.key: each for each in (fleet.slots(slots) if slots else ())}


def _hoped(listing: Listing | None) -> list[str]:
    """Jobs that will likely be opened now; it is too early to know which of them have a claim."""
    return [job.id for job in listing.jobs[:OPEN_AT_ONCE]] if listing is not None else []


def _former(fleet: Fleet, jobs: Collection[str]) -> Mapping[str, Claim | None]:
    """By job: its former claim."""
    found = {claim.job: claim for claim in (fleet.claims_of(jobs) if jobs else ())}
    return {job: found.get(job) for job in jobs}


def _listing(buildkite: Buildkite, queue: str, outcome: Outcome) -> Listing | None:
    try:
        return buildkite.jobs(queue)
    except NotFound:
        outcome.problems.append(f"Buildkite does not know queue {queue} in this token's cluster")
    except FAILURES as error:
        outcome.failed(f"jobs of queue {queue}", error)
    return None


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
        except FAILURES as error:
            outcome.failed("states of jobs", error)
    return states


def _view(
    record: QueueRecord,
    found: _Found,
    states: Mapping[str, str],
    turn: Turn,
    ports: DispatchPorts,
) -> DispatchView:
    """The view before anything was listed, with what earlier ticks left."""
    return DispatchView(
        listing=None,
        paused=turn.known.paused.get(record.queue),
        claims=found.claims,
        running=0 if turn.wide else turn.known.running.get(record.queue, 0),
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
    view: DispatchView,
    config: QueueConfig,
    former: Mapping[str, Claim | None],
    ports: DispatchPorts,
    outcome: Outcome,
) -> DispatchView:
    """The view with what is needed to open new jobs: former claims, and what policy asks for."""
    jobs = [job.id for job, _ in candidates(view, config)]
    if not jobs:
        return view
    former = {**former, **_former(ports.fleet, [job for job in jobs if job not in former])}
    view = replace(view, closed={job: claim for job, claim in former.items() if claim is not None})
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
        except FAILURES as error:
            outcome.failed(f"environment of job {job}", error)
