"""How the REST API shows builds and jobs (buildkite/docs pages/apis/rest_api/{builds,jobs}.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import builds
from .environment import build_url
from .jobs import outcome
from .records import Agent, Build, Job
from .states import JobState
from .store import Store
from .wire_time import iso, iso_or_none


def build_shape(store: Store, build: Build, *, with_retried: bool) -> Mapping[str, Any]:
    """One build with its jobs; retried attempts only when asked for."""
    pipeline = build.pipeline
    shown = [job for job in store.jobs_of(build) if with_retried or job.retried_in is None]
    return {
        "id": build.id,
        "web_url": build_url(store.settings, build),
        "number": build.number,
        "state": builds.state(store, build),
        "blocked": False,
        "message": build.message,
        "commit": build.commit,
        "branch": build.branch,
        "tag": build.tag or None,
        "env": dict(build.env),
        "source": build.source,
        "creator": {"name": build.creator.name, "email": build.creator.email},
        "created_at": iso(build.created_at),
        "pull_request": _pull_request(build),
        "meta_data": dict(store.meta_data[build.id]),
        "pipeline": {
            "id": pipeline.id,
            "slug": pipeline.slug,
            "name": pipeline.name,
            "repository": pipeline.repository,
            "default_branch": pipeline.default_branch,
            "provider": {"id": pipeline.provider},
        },
        "jobs": [job_shape(store, job) for job in shown],
    }


def job_shape(store: Store, job: Job) -> Mapping[str, Any]:
    """One command job."""
    build = store.builds[job.build_id]
    times = job.timeline
    ended = outcome(job)
    return {
        "id": job.id,
        "type": "script",
        "name": job.step.label or None,
        "step_key": job.step.key,
        "step": {"id": job.step.id, "signature": None},
        "priority": {"number": job.step.priority},
        "agent_query_rules": list(job.step.agents),
        "state": _state(job, ended),
        "web_url": f"{build_url(store.settings, build)}#{job.id}",
        "command": job.step.command,
        "soft_failed": ended == "soft_failed",
        "exit_status": job.exit_status,
        "signal": job.signal,
        "signal_reason": job.signal_reason,
        "agent": _agent(store.agent_of(job)),
        "created_at": iso(times.created),
        "scheduled_at": iso_or_none(times.runnable),
        "runnable_at": iso_or_none(times.runnable),
        "started_at": iso_or_none(times.started),
        "finished_at": iso_or_none(times.finished),
        "expired_at": iso_or_none(times.finished) if job.state is JobState.EXPIRED else None,
        "retried": job.retried_in is not None,
        "retried_in_job_id": job.retried_in,
        "retries_count": job.retry_count,
        "retry_source": _retry_source(job),
        "retry_type": _retry_type(store, job),
        "parallel_group_index": job.parallel_index,
        "parallel_group_total": job.step.parallelism,
        "cluster_id": store.settings.cluster_id,
    }


def _state(job: Job, ended: str | None) -> str:
    # `passed` and `failed` exist only here; a soft failure shows as failed with its own flag.
    if job.state is JobState.FINISHED:
        return "passed" if ended == "passed" else "failed"
    return str(job.state)


def _agent(agent: Agent | None) -> Mapping[str, Any] | None:
    if agent is None:
        return None
    return {
        "id": agent.id,
        "name": agent.name,
        "connection_state": str(agent.state),
        "hostname": agent.hostname,
        "version": agent.version,
        "user_agent": agent.user_agent,
        "meta_data": list(agent.tags),
    }


def _retry_source(job: Job) -> Mapping[str, str] | None:
    if job.retry_of is None or job.retry_type is None:
        return None
    return {"job_id": job.retry_of, "retry_type": job.retry_type}


def _retry_type(store: Store, job: Job) -> str | None:
    return store.jobs[job.retried_in].retry_type if job.retried_in else None


def _pull_request(build: Build) -> Mapping[str, Any]:
    request = build.pull_request
    if request is None:
        return {}
    return {
        "id": str(request.number),
        "base": request.base_branch,
        "repository": request.repository,
    }
