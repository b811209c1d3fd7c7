"""The steps of a pipeline once they are read: frozen, with every default worked in."""

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
    """Why a step is left out of a build, in the words of Buildkite's `broken_reason`."""

    CONDITION = "conditional_failed"
    BRANCH = "branch_mismatch"


@dataclass(frozen=True, slots=True)
class Group:
    """A `group` step: its steps wait and are waited for together."""

    id: str
    key: str | None
    label: str
    depends_on: tuple[Dependency, ...] | None
    allow_dependency_failure: bool
    position: int = 0
    """Its place among the groups of its upload, for those without a label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseStep:
    """What every step has."""

    id: str
    key: str | None = None
    depends_on: tuple[Dependency, ...] | None = None
    """None: not given, so that waits and blocks before the step hold it."""
    allow_dependency_failure: bool = False
    group: Group | None = None
    broken: Broken | None = None
    """Set: `if` or `branches` leave the step out, and who waits for it need not."""
    uploaded_by: str | None = None
    """The id of the step whose job uploaded this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitStep(BaseStep):
    """A `wait`: holds all that follows until all before it has passed."""

    job_id: str
    """The id under which the REST API shows it among the jobs."""
    continue_on_failure: bool = False


@dataclass(frozen=True, slots=True)
class FormField:
    """One thing that a person fills in before they unblock."""

    key: str
    label: str
    required: bool
    options: tuple[str, ...] | None
    """The values to choose from; None for free text."""
    multiple: bool = False
    default: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockStep(BaseStep):
    """A `block` or `input`: a person must act before what depends on it goes on."""

    job_id: str
    label: str
    holds: bool
    """A block holds all that follows, as a wait does; an input only what names it."""
    prompt: str | None = None
    fields: tuple[FormField, ...] = ()
    blocked_state: str = "passed"
    allowed_teams: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Concurrency:
    """How many jobs of a group may run at a time, in the whole organisation."""

    group: str
    limit: int
    eager: bool = False
    """Any job may take a free place, not only the oldest."""


@dataclass(frozen=True, slots=True)
class Permutation:
    """One combination of a matrix; the anonymous dimension's name is empty."""

    values: Mapping[str, str]
    skip: str | None = None
    """Why an adjustment takes it out; None when it runs."""
    soft_fail: SoftFail | None = None
    """What an adjustment says in place of the step's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandStep(BaseStep):
    """A command step, as its jobs need it."""

    label: str
    command: str
    agents: tuple[str, ...]
    """Agent query rules as `key=value`, the queue's among them when the step names one."""
    queue: str
    env: Mapping[str, str] = field(default_factory=dict)
    priority: int = 0
    timeout_minutes: int | None = None
    parallelism: int | None = None
    skip: str | None = None
    """Why the step is left out; None when it runs."""
    automatic_retry: tuple[RetryRule, ...] = ()
    manual_retry: ManualRetry = field(default_factory=ManualRetry)
    soft_fail: SoftFail = field(default_factory=SoftFail)
    artifact_paths: str = ""
    plugins: Sequence[Mapping[str, Any]] = ()
    matrix: tuple[Permutation, ...] | None = None
    concurrency: Concurrency | None = None
    secrets: Any = None
    """As it was given: a list of names, or a mapping of variables to names."""
    image: str | None = None
    cancel_on_build_failing: bool = False


Step = CommandStep | WaitStep | BlockStep
