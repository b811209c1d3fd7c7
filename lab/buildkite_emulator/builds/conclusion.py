"""The state of a build, derived from its jobs and blocks.

Source: buildkite/docs `_build_states.md` and step_types/block_step.md.
"""

from __future__ import annotations

from buildkite_emulator.jobs.graph import Result, is_hard_failure
from buildkite_emulator.jobs.states import ENDED, JobState
from buildkite_emulator.memory.records import Build, Job
from buildkite_emulator.memory.store import Store
from buildkite_emulator.pipelines.steps import BlockStep, TriggerStep

from .progress import graph_of

_OMITTED = frozenset({JobState.SKIPPED, JobState.BROKEN})


def state(store: Store, build: Build) -> str:
    """The build's state in Buildkite's words; `blocked` if only a person can move the build on.

    The REST API shows the `blocked_state` of the block step instead of `blocked`.
    """
    every = list(store.jobs_of(build))
    has_failed = any(is_hard_failure(job) for job in every)
    if any(job.state not in ENDED and job.state is not JobState.BLOCKED for job in every):
        return _open_state(build, every, has_failed)
    if build.canceled:
        return "canceled"
    if blocking(store, build) is not None:
        return "blocked"
    if has_failed:
        return "failed"
    if any(isinstance(step, TriggerStep) and step.broken is None for step in build.steps):
        return "passed"
    return "not_run" if all(job.state in _OMITTED for job in every) else "passed"


def is_open(store: Store, build: Build) -> bool:
    """True if the build can still change, by itself or by a person who unblocks a step."""
    return state(store, build) in {"scheduled", "running", "failing", "canceling", "blocked"}


def blocking(store: Store, build: Build) -> BlockStep | None:
    """The first block or input step that can be unblocked now; None without one."""
    if build.canceled:
        return None
    graph = graph_of(store, build)
    for step in build.steps:
        if isinstance(step, BlockStep) and graph.result(step) is Result.OPEN:
            return step
    return None


def _open_state(build: Build, every: list[Job], has_failed: bool) -> str:
    if build.canceled:
        return "canceling"
    if has_failed:
        return "failing"
    began = any(job.timeline.accepted or job.state in ENDED - _OMITTED for job in every)
    return "running" if began else "scheduled"
