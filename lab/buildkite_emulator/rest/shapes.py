"""The REST API's JSON of builds, jobs and agents.

Source: buildkite/docs pages/apis/rest_api/{builds,jobs}.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from buildkite_emulator import builds
from buildkite_emulator.builds import blocks
from buildkite_emulator.builds.conclusion import blocking
from buildkite_emulator.builds.progress import graph_of
from buildkite_emulator.jobs.environment import build_url
from buildkite_emulator.jobs.graph import Result
from buildkite_emulator.jobs.jobs import outcome
from buildkite_emulator.jobs.states import JobState
from buildkite_emulator.memory.records import Agent, Build, Job
from buildkite_emulator.memory.store import Store
from buildkite_emulator.pipelines.steps import BlockStep, CommandStep, TriggerStep, WaitStep
from buildkite_emulator.serving.wire_time import iso, iso_or_none


def build_shape(store: Store, build: Build, *, with_retried: bool) -> Mapping[str, Any]:
    """The JSON of a build with its jobs; retried attempts only if `with_retried`."""
    pipeline, rebuilt = build.pipeline, build.rebuilt_from
    state = builds.state(store, build)
    blocked_by = blocking(store, build) if state == "blocked" else None
    return {
        "id": build.id,
        "url": _url(store, build),
        "web_url": build_url(store.settings, build),
        "number": build.number,
        "state": blocked_by.blocked_state if blocked_by else state,
        "blocked": blocked_by is not None,
        "cancel_reason": None,
        "message": build.message,
        "commit": build.commit,
        "branch": build.branch,
        "tag": build.tag or None,
        "env": dict(build.env),
        "source": build.source,
        "creator": {"name": build.creator.name, "email": build.creator.email},
        "author": {"name": build.author.name, "email": build.author.email}
        if build.author
        else None,
        **_times(store, build),
        "rebuilt_from": {"id": rebuilt.id, "number": rebuilt.number} if rebuilt else None,
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
        "jobs": all_jobs(store, build, with_retried=with_retried),
    }


def _times(store: Store, build: Build) -> Mapping[str, str | None]:
    every = [job.timeline for job in store.jobs_of(build)]
    starts = [times.started for times in every if times.started]
    ends = [times.finished for times in every if times.finished]
    is_over = builds.state(store, build) in {"passed", "failed", "canceled", "not_run", "blocked"}
    return {
        "created_at": iso(build.created_at),
        "scheduled_at": iso(build.created_at),
        "started_at": iso_or_none(min(starts, default=None)),
        "failing_at": iso_or_none(build.failing_at),
        "finished_at": iso_or_none(max(ends, default=None)) if is_over else None,
    }


def all_jobs(store: Store, build: Build, *, with_retried: bool) -> list[Mapping[str, Any]]:
    """The JSON of the build's jobs in step order, including wait and block steps."""
    shown: list[Mapping[str, Any]] = []
    graph = graph_of(store, build)
    every = [job for job in store.jobs_of(build) if with_retried or job.retried_in is None]
    for step in build.steps:
        if isinstance(step, CommandStep):
            shown += [job_shape(store, job) for job in every if job.step.id == step.id]
        elif isinstance(step, BlockStep):
            shown.append(block_shape(store, build, step))
        elif isinstance(step, TriggerStep):
            shown.append(trigger_shape(step, graph.result(step)))
        else:
            shown.append(waiter_shape(step, graph.result(step)))
    return shown


_WAITER_STATES = {Result.OPEN: "waiting", Result.PASSED: "finished"}


def waiter_shape(step: WaitStep, result: Result) -> Mapping[str, Any]:
    """The JSON of a wait step in a list of jobs."""
    state = _WAITER_STATES.get(result, "waiting_failed")
    return {
        "id": step.job_id,
        "type": "waiter",
        "step_key": step.key,
        "step": {"id": step.id, "signature": None},
        "state": "broken" if step.broken else state,
        "web_url": None,
    }


def trigger_shape(step: TriggerStep, result: Result) -> Mapping[str, Any]:
    """The JSON of a trigger step in a list of jobs; there is no triggered build."""
    state = _WAITER_STATES.get(result, "waiting_failed")
    return {
        "id": step.job_id,
        "type": "trigger",
        "name": step.label or None,
        "step_key": step.key,
        "step": {"id": step.id, "signature": None},
        "state": "broken" if step.broken else state,
        "web_url": None,
        "triggered_build": None,
    }


def block_shape(store: Store, build: Build, step: BlockStep) -> Mapping[str, Any]:
    """The JSON of a block or input step in a list of jobs."""
    state = blocks.state(store, build, step)
    done = build.unblocked.get(step.id)
    url = f"{build_url(store.settings, build)}#{step.job_id}"
    return {
        "id": step.job_id,
        "type": "manual",
        "label": step.label,
        "step_key": step.key,
        "step": {"id": step.id, "signature": None},
        "state": state,
        "web_url": None,
        "unblocked_by": {"name": done.by.name, "email": done.by.email} if done else None,
        "unblocked_at": iso(done.at) if done else None,
        "unblockable": state in {"waiting", "blocked"},
        "unblock_url": url,
    }


def job_shape(store: Store, job: Job) -> Mapping[str, Any]:
    """The JSON of a command job."""
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
        "group_key": job.step.group.key if job.step.group else None,
        "broken_reason": str(job.step.broken) if job.step.broken else None,
        "state": _state(job, ended),
        "web_url": f"{build_url(store.settings, build)}#{job.id}",
        "build_url": _url(store, build),
        "log_url": f"{_url(store, build)}/jobs/{job.id}/log",
        "raw_log_url": f"{_url(store, build)}/jobs/{job.id}/log.txt",
        "artifacts_url": f"{_url(store, build)}/jobs/{job.id}/artifacts",
        "command": job.step.command,
        "artifact_paths": job.step.artifact_paths or None,
        "soft_failed": ended == "soft_failed",
        "exit_status": job.exit_status,
        "signal": job.signal,
        "signal_reason": job.signal_reason,
        "agent": _agent(store.agent_of(job)),
        "created_at": iso(times.created),
        "scheduled_at": iso(times.created),
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
        "matrix": _matrix(job),
        "cluster_id": store.settings.cluster_id,
        "cluster_queue_id": _queue_id(store, job.step.queue),
    }


def _state(job: Job, ended: str | None) -> str:
    # `passed` and `failed` exist only in the REST API; a soft failure is `failed` with a flag.
    if job.state is JobState.FINISHED:
        return "passed" if ended == "passed" else "failed"
    # A limited job is listed as scheduled, for old clients (defining_steps.md); the REST API's
    # lists of states have no `reserved`.
    hidden = {JobState.LIMITED, JobState.RESERVED}
    return "scheduled" if job.state in hidden else str(job.state)


def _url(store: Store, build: Build) -> str:
    organization = f"{store.issuer.url}/v2/organizations/{store.settings.organization}"
    return f"{organization}/pipelines/{build.pipeline.slug}/builds/{build.number}"


def _matrix(job: Job) -> Mapping[str, str] | str | None:
    # A matrix without named dimensions is shown as its plain value.
    if job.matrix is None:
        return None
    return job.matrix[""] if "" in job.matrix else dict(job.matrix)


def _queue_id(store: Store, key: str) -> str | None:
    return next((queue.id for queue in store.settings.queues if queue.key == key), None)


def agent_shape(store: Store, agent: Agent) -> Mapping[str, Any]:
    """The JSON of an agent, with its job."""
    running = [job for job in store.open_jobs() if job.agent_id == agent.id]
    return {
        **(_agent(agent) or {}),
        "ip_address": "127.0.0.1",
        "job": job_shape(store, running[0]) if running else None,
        "priority": None,
    }


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
        "labels": list(request.labels),
    }
