"""Read-only views of the emulator's records, for the lab."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from buildkite_emulator.jobs.jobs import outcome
from buildkite_emulator.jobs.states import JobState

from .records import Agent, Build, BuildNotice, Job, Notice, Timeline


@dataclass(frozen=True, slots=True)
class JobView:
    """One job at one moment, in Buildkite's words."""

    id: str
    build_id: str
    build_number: int
    pipeline: str
    step_key: str | None
    label: str
    command: str
    queue: str
    agent_query_rules: tuple[str, ...]
    plugins: tuple[str, ...]
    """Full source of each plugin, in order."""
    state: JobState
    outcome: str | None
    """passed, failed, soft_failed, timed_out, canceled, expired, skipped or waiting_failed; None
    while the job is open."""
    exit_status: int | None
    signal: str | None
    signal_reason: str | None
    detail: str | None
    """The stack's reason for finishing the job."""
    notices: tuple[Notice, ...]
    retry_of: str | None
    retried_in: str | None
    retry_count: int
    agent_name: str | None
    agent_version: str | None
    agent_registered: datetime | None
    """Registration time of the job's present or last agent."""
    timeline: Timeline
    missing: tuple[str, ...]
    """Keys of the job's dependencies that no step of the build has."""

    @property
    def name(self) -> str:
        """The job's label, else the first line of its command, else its step key, else its id."""
        return self.label or self.command.strip().partition("\n")[0] or self.step_key or self.id


@dataclass(frozen=True, slots=True)
class JobEvent:
    """The creation of a job (`before` is None), or a change of its state."""

    at: datetime
    before: JobState | None
    job: JobView


@dataclass(frozen=True, slots=True)
class BuildView:
    """One build at one moment."""

    id: str
    number: int
    pipeline: str
    state: str
    jobs: tuple[JobView, ...]
    notices: tuple[BuildNotice, ...]
    """What the emulator does not carry out of the build's files, in order."""


@dataclass(frozen=True, slots=True)
class ArtifactView:
    """One artifact."""

    id: str
    job_id: str
    path: str
    size: int
    sha1: str
    state: str
    """new, finished or error."""
    content: bytes | None
    """None without an upload to Buildkite's storage."""


@dataclass(frozen=True, slots=True)
class AnnotationView:
    """One annotation of a build or a job."""

    context: str
    style: str | None
    priority: int
    scope: str
    """`build` or `job`."""
    body: str
    """The Markdown source."""


@dataclass(frozen=True, slots=True)
class StackView:
    """One registered stack."""

    key: str
    type: str
    queue_key: str
    metadata: Mapping[str, str]
    last_connected: datetime


def job_view(job: Job, build: Build, agent: Agent | None) -> JobView:
    """The view of a job: everything except its token."""
    return JobView(
        id=job.id,
        build_id=job.build_id,
        build_number=build.number,
        pipeline=build.pipeline.slug,
        step_key=job.step.key,
        label=job.step.label,
        command=job.step.command,
        queue=job.step.queue,
        agent_query_rules=job.step.agents,
        plugins=tuple(source for plugin in job.step.plugins for source in plugin),
        state=job.state,
        outcome=outcome(job),
        exit_status=job.exit_status,
        signal=job.signal,
        signal_reason=job.signal_reason,
        detail=job.detail,
        notices=job.notices,
        retry_of=job.retry_of,
        retried_in=job.retried_in,
        retry_count=job.retry_count,
        agent_name=agent.name if agent else None,
        agent_version=agent.version if agent else None,
        agent_registered=agent.registered if agent else None,
        timeline=job.timeline,
        missing=_missing(job, build),
    )


def _missing(job: Job, build: Build) -> tuple[str, ...]:
    step, group = job.step, job.step.group
    keys = {key for one in build.steps for key in (one.key, one.group and one.group.key)}
    wanted = (*(step.depends_on or ()), *((group and group.depends_on) or ()))
    return tuple(dependency.key for dependency in wanted if dependency.key not in keys)
