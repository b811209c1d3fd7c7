"""What the emulator remembers: frozen records, replaced whole, never changed in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from .retry import ManualRetry, RetryRule, SoftFail
from .states import JobState


@dataclass(frozen=True, slots=True)
class Dependency:
    """One entry of `depends_on`."""

    key: str
    allow_failure: bool = False


@dataclass(frozen=True, slots=True)
class WaitStep:
    """A `wait` of a pipeline."""

    id: str
    key: str | None
    depends_on: tuple[Dependency, ...] | None
    """None: not given, so the step depends on every step before it."""
    continue_on_failure: bool


@dataclass(frozen=True, slots=True)
class CommandStep:
    """A command step of a pipeline, as its jobs need it."""

    id: str
    key: str | None
    label: str
    command: str
    agents: tuple[str, ...]
    """Agent query rules as `key=value`, the queue's among them when the step names one."""
    queue: str
    env: Mapping[str, str]
    priority: int
    timeout_minutes: int | None
    parallelism: int | None
    skip: bool
    depends_on: tuple[Dependency, ...] | None
    allow_dependency_failure: bool
    automatic_retry: tuple[RetryRule, ...]
    manual_retry: ManualRetry
    soft_fail: SoftFail


Step = CommandStep | WaitStep


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline as its settings page has it."""

    id: str
    slug: str
    name: str
    configuration: str
    """The steps, as YAML."""
    repository: str
    default_branch: str
    provider: str


@dataclass(frozen=True, slots=True)
class PullRequest:
    """What a build of a pull request knows of it."""

    number: int
    repository: str
    base_branch: str


@dataclass(frozen=True, slots=True)
class Person:
    """Who created a build."""

    name: str
    email: str


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
    canceled: bool = False


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
    parallel_index: int | None = None
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
