"""What the emulator remembers: frozen records, replaced whole, never changed in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypedDict

from buildkite_emulator.jobs.states import JobState
from buildkite_emulator.pipelines.steps import CommandStep, Step


class PipelineSettings(TypedDict, total=False):
    """What a pipeline may have besides its steps and repository; see `Pipeline`."""

    default_branch: str
    provider: str
    as_uploaded: bool
    branch_pattern: str


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline as its settings page has it."""

    id: str
    slug: str
    name: str
    configuration: str
    """The steps, as YAML."""
    repository: str
    default_branch: str = "main"
    provider: str = "git"
    as_uploaded: bool = False
    """Its `$VARIABLES` are filled in as in a file that the first job of a build uploads, from all
    that the build has; else from the few of steps that are saved at Buildkite. `$$` leaves one."""
    branch_pattern: str = ""
    """Which branches it builds; empty: all."""


@dataclass(frozen=True, slots=True)
class PullRequest:
    """What a build of a pull request knows of it."""

    number: int
    repository: str
    base_branch: str
    labels: tuple[str, ...] = ()
    draft: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """Who created a build."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Unblocking:
    """A person let a block or input step go."""

    at: datetime
    by: Person
    answers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Upload:
    """What became of one `pipeline upload`."""

    job_id: str
    state: str
    """`applied` or `rejected`."""
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The build that another one repeats."""

    id: str
    number: int


@dataclass(frozen=True, slots=True)
class Build:
    """One build of a pipeline. Its state follows from its jobs (`builds.state`)."""

    id: str
    number: int
    pipeline: Pipeline
    steps: tuple[Step, ...]
    branch: str
    commit: str
    message: str
    tag: str
    source: str
    creator: Person
    env: Mapping[str, str]
    pull_request: PullRequest | None
    created_at: datetime
    env_of_steps: Mapping[str, str] = field(default_factory=dict)
    """What the files of the build set for all steps, and for those that are uploaded later."""
    author: Person | None = None
    clean_checkout: bool = False
    canceled: bool = False
    unblocked: Mapping[str, Unblocking] = field(default_factory=dict)
    """Who let which block or input step go, by the step's id."""
    failing_at: datetime | None = None
    uploads: Mapping[str, Upload] = field(default_factory=dict)
    """The pipeline uploads into the build, by job and uuid."""
    rebuilt_from: Rebuilt | None = None


@dataclass(frozen=True, slots=True)
class Reservation:
    """A stack's hold on a job."""

    stack_key: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Timeline:
    """When a job came to each point of its life, by the emulator's clock; None: not (yet) there."""

    created: datetime
    runnable: datetime | None = None
    reserved: datetime | None = None
    """The first reservation; extensions and later ones do not move it."""
    accepted: datetime | None = None
    """An agent acquired or accepted it."""
    started: datetime | None = None
    first_output: datetime | None = None
    """The first log chunk was received. An agent sends each second and at the end, so this lags."""
    finished: datetime | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """What a stack had to say on a job's page."""

    at: datetime
    detail: str


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt at one command step."""

    id: str
    serial: int
    """Its place among all jobs, in the order in which they were made."""
    build_id: str
    step: CommandStep
    state: JobState
    timeline: Timeline
    queued_at: datetime | None = None
    """When the build or upload was made that it came with: its place in a concurrency group."""
    parallel_index: int | None = None
    matrix: Mapping[str, str] | None = None
    """The combination of a matrix that the job is for."""
    reservation: Reservation | None = None
    agent_id: str | None = None
    token: str | None = None
    exit_status: int | None = None
    signal: str | None = None
    signal_reason: str | None = None
    detail: str | None = None
    """Why a stack finished the job."""
    notices: tuple[Notice, ...] = ()
    retry_type: str | None = None
    """How this job came to be: `automatic`, `manual`, or None for the first attempt."""
    retry_of: str | None = None
    retried_in: str | None = None
    retries_by_rule: Mapping[int, int] = field(default_factory=dict)
    """How often each rule of `retry.automatic` has already been used up to this attempt."""
    retry_count: int = 0


class AgentState(StrEnum):
    """Whether Buildkite still hears an agent."""

    REGISTERED = "never_connected"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Pause:
    """An agent is to take no job for a while."""

    until: datetime
    note: str


@dataclass(frozen=True, slots=True)
class Agent:
    """One registration of one agent."""

    id: str
    name: str
    hostname: str
    version: str
    user_agent: str
    tags: tuple[str, ...]
    queue: str
    ignore_in_dispatches: bool
    only_job: str | None
    """The one job that this session may acquire, when it came with a job acquisition token."""
    token: str
    state: AgentState
    registered: datetime
    last_heard: datetime
    stopping: bool = False
    """Somebody asked it to go."""
    pause: Pause | None = None


@dataclass(frozen=True, slots=True)
class Stack:
    """A registered stack key."""

    id: str
    key: str
    type: str
    queue_key: str
    metadata: Mapping[str, str]
    last_connected: datetime


@dataclass(frozen=True, slots=True)
class AcquisitionToken:
    """A credential that registers an agent for one reserved job."""

    job_id: str
    stack_key: str
    issued_by: str
    """The agent token that asked for it; the acquisition token dies with that one."""
    expires: datetime
