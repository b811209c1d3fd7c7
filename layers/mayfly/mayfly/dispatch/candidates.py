"""Reads the facts about candidates: former claims, environments, required repositories."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mayfly.config.queue import QueueConfig
from mayfly.dispatch import policy
from mayfly.dispatch.environments import Environments
from mayfly.dispatch.ports import DispatchPorts
from mayfly.dispatch.view import QueueView, Turn
from mayfly.errors import FAILURES
from mayfly.ports import Fleet
from mayfly.records.about import fields
from mayfly.records.found import Found
from mayfly.records.model import Claim
from mayfly.tick.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Reads:
    """What all reads of one tick share."""

    ports: DispatchPorts
    turn: Turn
    outcome: Outcome
    environments: Environments


def with_facts(
    views: Mapping[str, QueueView],
    configs: Mapping[str, QueueConfig],
    early: Mapping[str, Collection[str]],
    reads: Reads,
) -> Iterator[tuple[QueueConfig, QueueView]]:
    """Yield the complete views: first of queues that read no environments, which wait for none."""
    readers = [queue for queue in views if configs[queue].reads_environments]
    reads.environments.start(each.job.id for queue in readers for each in views[queue].candidates)
    for queue in sorted(views, key=lambda queue: queue in readers):
        if readers and queue == readers[0]:
            reads.environments.wait()
        asked = early.get(queue, ())
        yield configs[queue], _with_candidate_facts(views[queue], configs[queue], asked, reads)


def _with_candidate_facts(
    view: QueueView, config: QueueConfig, asked: Collection[str], reads: Reads
) -> QueueView:
    """The view with former claims, environments and repositories of its candidates.

    Candidates are dropped when a read fails; the failure goes into the outcome. The view already
    holds the former claims of the jobs in `asked`.
    """
    jobs = [candidate.job.id for candidate in view.candidates]
    if not jobs:
        return view
    try:
        rest = former_claims(reads.ports.fleet, [job for job in jobs if job not in asked])
        former = {**view.former, **{claim.job: claim for claim in rest}}
        view = replace(view, former=former, unreadable=view.unreadable | rest.unreadable)
        if config.reads_environments:
            view = _with_environments(view, config, jobs, reads)
    except FAILURES as error:
        about = fields(queues=[config.queue])
        reads.outcome.failed(f"new jobs of queue {config.queue}", error, about)
        return replace(view, candidates=())
    return view


def _with_environments(
    view: QueueView, config: QueueConfig, jobs: Sequence[str], reads: Reads
) -> QueueView:
    """The view with the environments of these candidates, and the repositories that they need."""
    environments = dict(reads.environments.take(jobs, reads.outcome))
    awaited = reads.environments.begun(jobs) - environments.keys()
    named = {
        job: name
        for job, environment in environments.items()
        if (name := policy.repository_parameter(config, environment))
    }
    values: Mapping[str, str | None] = {}
    if named:
        with reads.outcome.noting(f"repositories of queue {config.queue}", fields(jobs=named)):
            values = reads.ports.parameters.values(set(named.values()))
    read = {name: value.strip() if value else value for name, value in values.items()}
    required = {
        job: read[name]
        for job, name in named.items()
        if name in read and policy.is_repository(read[name])
    }
    return replace(
        view,
        environments=environments,
        awaited=awaited,
        repositories=required,
        unread={job: name for job, name in named.items() if job not in required},
    )


def former_claims(fleet: Fleet, jobs: Collection[str]) -> Found[Claim]:
    """Claims of these jobs; jobs without a claim are omitted."""
    return fleet.claims_of(jobs) if jobs else Found()
