"""Steps that a job adds to its own build.

Source: buildkite/docs agent/cli/reference/pipeline.md and pipelines/configure/dynamic_pipelines.md;
the limits: platform/limits.md. The message for too many jobs is from ray-project/ray pull request
62736; the messages for the other two limits follow its pattern.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from buildkite_emulator.jobs import jobs
from buildkite_emulator.jobs.states import ENDED, HELD, JobState
from buildkite_emulator.memory.records import Build, BuildNotice, Job, Upload
from buildkite_emulator.memory.store import Store
from buildkite_emulator.pipelines.definition import (
    Context,
    Definition,
    check_order,
    jobs_of,
    parse_upload,
)
from buildkite_emulator.pipelines.sections import PipelineError
from buildkite_emulator.pipelines.steps import CommandStep, Step

from . import variables
from .creation import MAX_JOBS_PER_BUILD, MAX_JOBS_PER_UPLOAD, add_jobs, limit_error
from .progress import advance

MAX_UPLOADS_PER_BUILD = 500
_PENDING = HELD | {JobState.SCHEDULED, JobState.RESERVED, JobState.ASSIGNED}


@dataclass(frozen=True, slots=True)
class Change:
    """The content of one `pipeline upload`."""

    uuid: str
    pipeline: Any
    replace: bool = False
    """True: the uploaded steps replace all steps that have not begun."""


def upload(store: Store, job: Job, change: Change, now: datetime) -> Upload:
    """Insert the steps right after the uploading job's step. Returns the outcome.

    A repeat of a uuid returns the first outcome. A rejected upload changes nothing and is stored
    with its reason.
    """
    known = store.builds[job.build_id].uploads.get(change.uuid)
    if known is not None:
        return known
    try:
        _apply(store, job, change, now)
        done = Upload(job.id, "applied")
    except PipelineError as error:
        done = Upload(job.id, "rejected", error.words)
    build = store.builds[job.build_id]
    store.builds[build.id] = replace(build, uploads={**build.uploads, change.uuid: done})
    return done


def _apply(store: Store, job: Job, change: Change, now: datetime) -> None:
    build = store.builds[job.build_id]
    if build.canceled or job.state in ENDED:
        raise PipelineError("You can only change the pipeline of a running build")
    leaving = _steps_to_replace(store, build) if change.replace else frozenset()
    definition = parse_upload(
        change.pipeline,
        Context(
            default_queue=store.settings.default_queue,
            branch=build.branch,
            facts=variables.facts(store.settings, build),
            env=build.env_of_steps,
            uploaded_by=job.step.id,
            taken_keys=_keys_in_use(build, leaving),
        ),
    )
    _check_limits(store, build, definition)
    kept = [step for step in build.steps if step.id not in leaving]
    place = 1 + next(p for p, step in enumerate(kept) if step.id == job.step.id)
    steps = (*kept[:place], *definition.steps, *kept[place:])
    check_order(steps)
    _cancel(store, build, leaving, now)
    told = tuple(
        BuildNotice(n.words, n.place, n.line, job.id, n.answer) for n in definition.notices
    )
    build = replace(
        build,
        steps=steps,
        env_of_steps=definition.env,
        notices=(*build.notices, *told),
    )
    store.builds[build.id] = build
    add_jobs(store, build, definition.steps, now)
    advance(store, build, now)


def _check_limits(store: Store, build: Build, definition: Definition) -> None:
    groups = {step.group.id for step in definition.steps if step.group is not None}
    added = len(groups) + sum(map(jobs_of, definition.steps))
    if added > MAX_JOBS_PER_UPLOAD:
        raise limit_error("jobs in this upload", MAX_JOBS_PER_UPLOAD)
    if sum(1 for _ in store.jobs_of(build)) + added > MAX_JOBS_PER_BUILD:
        raise limit_error("jobs in this build", MAX_JOBS_PER_BUILD)
    if len(build.uploads) >= MAX_UPLOADS_PER_BUILD:
        raise limit_error("uploads in this build", MAX_UPLOADS_PER_BUILD)


def _keys_in_use(build: Build, leaving: frozenset[str]) -> frozenset[str]:
    steps = [step for step in build.steps if step.id not in leaving]
    groups = [step.group for step in steps if step.group is not None]
    return frozenset(owner.key for owner in (*steps, *groups) if owner.key is not None)


def _steps_to_replace(store: Store, build: Build) -> frozenset[str]:
    """Ids of the steps to remove: no job of them has begun. Running and ended steps stay."""
    begun = {job.step.id for job in store.jobs_of(build) if job.state not in _PENDING}
    return frozenset(step.id for step in build.steps if _is_pending(build, step, begun))


def _is_pending(build: Build, step: Step, begun: set[str]) -> bool:
    if isinstance(step, CommandStep):
        return step.id not in begun
    return step.id not in build.unblocked


def _cancel(store: Store, build: Build, leaving: frozenset[str], now: datetime) -> None:
    for job in list(store.jobs_of(build)):
        if job.step.id in leaving and job.state in _PENDING:
            # A stack with a reservation sees the cancel; the build no longer counts the job.
            store.put_job(jobs.cancel(job, now), now)
            store.detach_job(job)
