"""The emulator's records: frozen, and replaced whole instead of changed in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypedDict

from buildkite_emulator.jobs.states import JobState
from buildkite_emulator.pipelines.steps import CommandStep, Step


class PipelineSettings(TypedDict, total=False):
    """The optional settings of a pipeline; see `Pipeline`."""

    default_branch: str
    provider: str
    as_uploaded: bool
    branch_pattern: str


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline with its settings."""

    id: str
    slug: str
    name: str
    configuration: str
    """The steps, as YAML."""
    repository: str
    default_branch: str = "main"
    provider: str = "git"
    as_uploaded: bool = False
    """True: `$VARIABLES` are interpolated from the whole environment, as in a file that the build's
    first job uploads. False: from the few variables of steps saved at Buildkite. `$$` yields a
    plain `$`."""
    branch_pattern: str = ""
    """The branches that the pipeline builds; empty for all."""


@dataclass(frozen=True, slots=True)
class PullRequest:
    """The pull request of a build."""

    number: int
    repository: str
    base_branch: str
    labels: tuple[str, ...] = ()
    draft: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """The creator, author or unblocker of a build."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Unblocking:
    """The unblocking of a block or input step by a person."""

    at: datetime
    by: Person
    answers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Upload:
    """The outcome of one `pipeline upload`."""

    job_id: str
    state: str
    """`applied` or `rejected`."""
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The build that a rebuild repeats."""

    id: str
    number: int


@dataclass(frozen=True, slots=True)
class BuildNotice:
    """A part of a build's pipeline that the emulator does not carry out, or that needs a person."""

    words: str
    place: str
    """The step, such as `step 2`; `pipeline` for the file itself."""
    line: int | None
    """None for uploads, which have no lines."""
    uploaded_by: str | None
    """The id of the job with the upload; None for the pipeline's own steps."""
    answer: str = ""
    """The key of the field that a person has to answer; empty for any other notice."""


@dataclass(frozen=True, slots=True)
class Build:
    """One build of a pipeline. `builds.state` derives its state from its jobs."""

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
    """Variables that the build's files set for all steps, later uploaded steps included."""
    author: Person | None = None
    clean_checkout: bool = False
    canceled: bool = False
    unblocked: Mapping[str, Unblocking] = field(default_factory=dict)
    """The unblocking of each unblocked step, by step id."""
    failing_at: datetime | None = None
    uploads: Mapping[str, Upload] = field(default_factory=dict)
    """The pipeline uploads into the build, by uuid."""
    rebuilt_from: Rebuilt | None = None
    notices: tuple[BuildNotice, ...] = ()
    """What the emulator does not carry out of the build's files, and what needs a person."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """A stack's reservation of a job."""

    stack_key: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Timeline:
    """Times of the points of a job's life, by the emulator's clock; None: not reached."""

    created: datetime
    runnable: datetime | None = None
    reserved: datetime | None = None
    """The first reservation; later reservations and extensions do not change it."""
    accepted: datetime | None = None
    """An agent acquired or accepted the job."""
    started: datetime | None = None
    first_output: datetime | None = None
    """Receipt of the first log chunk. Agents send each second and at the end, so this time lags."""
    finished: datetime | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """A stack's notification on a job's page."""

    at: datetime
    detail: str


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt at one command step."""

    id: str
    serial: int
    """Position among all jobs, in creation order."""
    build_id: str
    step: CommandStep
    state: JobState
    timeline: Timeline
    queued_at: datetime | None = None
    """Creation of the job's build or upload: orders the jobs of a concurrency group."""
    parallel_index: int | None = None
    matrix: Mapping[str, str] | None = None
    """The job's combination of matrix values."""
    reservation: Reservation | None = None
    agent_id: str | None = None
    token: str | None = None
    exit_status: int | None = None
    signal: str | None = None
    signal_reason: str | None = None
    detail: str | None = None
    """The stack's reason for finishing the job."""
    notices: tuple[Notice, ...] = ()
    retry_type: str | None = None
    """`automatic`, `manual`, or None for the first attempt."""
    retry_of: str | None = None
    retried_in: str | None = None
    retries_by_rule: Mapping[int, int] = field(default_factory=dict)
    """Number of uses of each rule of `retry.automatic` before this attempt."""
    retry_count: int = 0


class AgentState(StrEnum):
    """The connection state of an agent."""

    REGISTERED = "never_connected"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause of an agent: no job offers until its end."""

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
    """The one job that this session may acquire; set by a job acquisition token."""
    token: str
    state: AgentState
    registered: datetime
    last_heard: datetime
    stopping: bool = False
    """A user or job requested the agent's stop."""
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
    """A job acquisition token: registers an agent for one reserved job."""

    job_id: str
    stack_key: str
    issued_by: str
    """The agent token of the issuing call; its revocation revokes the acquisition token too."""
    expires: datetime
