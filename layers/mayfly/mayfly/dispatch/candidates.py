"""Reads the facts about candidates: former claims, environments, parameters that judge them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from mayfly.config.queue import QueueConfig
from mayfly.dispatch import grants, policy
from mayfly.dispatch.environments import Environments
from mayfly.dispatch.parameter_reads import ParameterReads
from mayfly.dispatch.ports import DispatchPorts
from mayfly.dispatch.view import QueueView, Turn
from mayfly.errors import FAILURES
from mayfly.ports import Fleet
from mayfly.records.about import fields
from mayfly.records.found import Found
from mayfly.records.model import Claim
from mayfly.tick.outcome import Outcome
from mayfly_protocol.job_facts import JobFacts


@dataclass(frozen=True, slots=True)
class Reads:
    """What all reads of one tick share."""

    ports: DispatchPorts
    turn: Turn
    outcome: Outcome
    environments: Environments
    parameters: ParameterReads
    now: datetime


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
    """The view with the environments of these candidates, and the parameters that judge them."""
    environments = dict(reads.environments.take(jobs, reads.outcome))
    awaited = reads.environments.begun(jobs) - environments.keys()
    named = {
        job: name
        for job, environment in environments.items()
        if (name := policy.repository_parameter(config, environment))
    }
    lists = {
        job: grants.list_names(config, JobFacts.of(environment))
        for job, environment in environments.items()
    }
    asked = {job: (*_some(named.get(job)), *lists[job]) for job in environments}
    read = reads.parameters.read(
        (name for names in asked.values() for name in names),
        reads.now,
        reads.outcome,
        f"parameters that judge new jobs of queue {config.queue}",
        fields(queues=[config.queue], jobs=[job for job in asked if asked[job]]),
    )
    late = frozenset(job for job, names in asked.items() if not read.late.isdisjoint(names))
    known = {name: policy.repository_of(value) for name, value in read.values.items()}
    required = {
        job: known[name]
        for job, name in named.items()
        if name in known and policy.is_repository(known[name])
    }
    return replace(
        view,
        environments={job: each for job, each in environments.items() if job not in late},
        awaited=awaited | late,
        repositories=required,
        unread={job: name for job, name in named.items() if job not in required},
        lists={job: grants.lists_of(names, read.values) for job, names in lists.items()},
    )


def _some(name: str | None) -> tuple[str, ...]:
    return () if name is None else (name,)


def former_claims(fleet: Fleet, jobs: Collection[str]) -> Found[Claim]:
    """Claims of these jobs; jobs without a claim are omitted."""
    return fleet.claims_of(jobs) if jobs else Found()
