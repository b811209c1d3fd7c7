"""The steps of a pipeline after reading: frozen, with every default applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from buildkite_emulator.jobs.retry import ManualRetry, RetryRule, SoftFail


@dataclass(frozen=True, slots=True)
class Dependency:
    """One entry of `depends_on`."""

    key: str
    allow_failure: bool = False


class Broken(StrEnum):
    """The reason for omitting a step from a build, in the words of Buildkite's `broken_reason`."""

    CONDITION = "conditional_failed"
    BRANCH = "branch_mismatch"


@dataclass(frozen=True, slots=True)
class Group:
    """A `group` step: its steps share dependencies, and other steps may depend on the group."""

    id: str
    key: str | None
    label: str
    depends_on: tuple[Dependency, ...] | None
    allow_dependency_failure: bool
    position: int = 0
    """Position among the groups of the upload; identifies groups without a label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseStep:
    """The attributes of every step."""

    id: str
    key: str | None = None
    depends_on: tuple[Dependency, ...] | None = None
    """None: not given, so waits and blocks before the step hold it."""
    allow_dependency_failure: bool = False
    group: Group | None = None
    broken: Broken | None = None
    """Set if `if` or `branches` omits the step; dependent steps do not wait for it."""
    uploaded_by: str | None = None
    """The id of the step with the job that uploaded this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitStep(BaseStep):
    """A `wait`: holds all following steps until all preceding steps have passed."""

    job_id: str
    """The id of the step in the REST API's list of jobs."""
    continue_on_failure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerStep(BaseStep):
    """A `trigger`: no build is triggered, and the step passes once its dependencies have passed."""

    job_id: str
    """The id of the step in the REST API's list of jobs."""
    label: str
    slug: str
    """The pipeline to trigger."""
    number: int = 1
    """Number of builds to trigger (`parallelism`)."""


@dataclass(frozen=True, slots=True)
class FormField:
    """One field of an unblock form."""

    key: str
    label: str
    required: bool
    options: tuple[str, ...] | None
    """The allowed values; None for free text."""
    multiple: bool = False
    default: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockStep(BaseStep):
    """A `block` or `input`: dependent steps wait until a person unblocks it."""

    job_id: str
    label: str
    holds: bool
    """True for a block, which holds all following steps like a wait. False for an input, which
    holds only steps that name it."""
    prompt: str | None = None
    fields: tuple[FormField, ...] = ()
    blocked_state: str = "passed"
    allowed_teams: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Concurrency:
    """A concurrency group of the organisation, and the limit of jobs that run at a time."""

    group: str
    limit: int
    eager: bool = False
    """True: any job may take a free place, not only the oldest."""


@dataclass(frozen=True, slots=True)
class Permutation:
    """One combination of matrix values, by dimension; an unnamed dimension has an empty name."""

    values: Mapping[str, str]
    skip: str | None = None
    """An adjustment's reason for skipping the combination; None for one that runs."""
    soft_fail: SoftFail | None = None
    """An adjustment's override of the step's `soft_fail`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandStep(BaseStep):
    """A command step."""

    label: str
    command: str
    agents: tuple[str, ...]
    """Agent query rules as `key=value`; includes the queue's rule if the step names a queue."""
    queue: str
    env: Mapping[str, str] = field(default_factory=dict)
    priority: int = 0
    timeout_minutes: int | None = None
    parallelism: int | None = None
    skip: str | None = None
    """The reason for skipping the step; None for a step that runs."""
    automatic_retry: tuple[RetryRule, ...] = ()
    manual_retry: ManualRetry = field(default_factory=ManualRetry)
    soft_fail: SoftFail = field(default_factory=SoftFail)
    artifact_paths: str = ""
    plugins: Sequence[Mapping[str, Any]] = ()
    matrix: tuple[Permutation, ...] | None = None
    concurrency: Concurrency | None = None
    secrets: Any = None
    """The step's own notation: a list of names, or a mapping of variables to names."""
    cache: Mapping[str, Any] | None = None
    """Paths, and name and size if given, of a cache volume."""
    image: str | None = None
    cancel_on_build_failing: bool = False


Step = CommandStep | WaitStep | BlockStep | TriggerStep
