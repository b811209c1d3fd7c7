"""Creation of builds and their jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from buildkite_emulator.jobs.states import JobState
from buildkite_emulator.memory.records import (
    Build,
    BuildNotice,
    Job,
    Person,
    Pipeline,
    PullRequest,
    Rebuilt,
    Timeline,
)
from buildkite_emulator.memory.store import Store
from buildkite_emulator.memory.tokens import new_id
from buildkite_emulator.pipelines.branches import matches
from buildkite_emulator.pipelines.definition import Context, Definition, jobs_of, parse
from buildkite_emulator.pipelines.matrix import permuted
from buildkite_emulator.pipelines.parallel import numbered
from buildkite_emulator.pipelines.sections import PipelineError
from buildkite_emulator.pipelines.steps import CommandStep
from buildkite_emulator.serving.refusals import unprocessable

from . import variables
from .progress import advance

MAX_JOBS_PER_BUILD = 4000
MAX_JOBS_PER_UPLOAD = 500
"""Buildkite's defaults (buildkite/docs platform/limits.md)."""


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """The parameters of a new build, from a person or a webhook."""

    branch: str = "main"
    commit: str = "HEAD"
    message: str = ""
    tag: str = ""
    source: str = "api"
    creator: Person = field(default_factory=lambda: Person("Lab", "lab@example.org"))
    author: Person | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    meta_data: Mapping[str, str] = field(default_factory=dict)
    pull_request: PullRequest | None = None
    clean_checkout: bool = False
    ignore_branch_pattern: bool = False
    """Build even if the pipeline's branch pattern excludes the branch."""
    rebuilt_from: Rebuilt | None = None


def create(store: Store, pipeline: Pipeline, request: BuildRequest, now: datetime) -> Build:
    """Create a build with a job for each command step, and schedule the jobs that need not wait.

    Raises:
        PipelineError: the pipeline's configuration is invalid.
        RefusedError: 422 for a branch that the pipeline does not build.
    """
    builds_branch = request.ignore_branch_pattern or request.pull_request is not None
    if not builds_branch and not matches(pipeline.branch_pattern, request.branch):
        raise unprocessable(f"Branches have been disabled for this pipeline: {request.branch}")
    number = 1 + sum(build.pipeline.slug == pipeline.slug for build in store.builds.values())
    blank = Build(
        id=new_id(),
        number=number,
        pipeline=pipeline,
        steps=(),
        branch=request.branch,
        commit=request.commit,
        message=request.message,
        tag=request.tag,
        source=request.source,
        creator=request.creator,
        author=request.author,
        env=dict(request.env),
        pull_request=request.pull_request,
        created_at=now,
        clean_checkout=request.clean_checkout,
        rebuilt_from=request.rebuilt_from,
    )
    definition = _definition(store, blank)
    build = replace(
        blank,
        steps=definition.steps,
        env_of_steps=definition.env,
        notices=tuple(
            BuildNotice(n.words, n.place, n.line, None, n.answer) for n in definition.notices
        ),
    )
    store.builds[build.id] = build
    store.meta_data[build.id].update(request.meta_data)
    add_jobs(store, build, definition.steps, now)
    advance(store, build, now)
    return store.builds[build.id]


def _definition(store: Store, build: Build) -> Definition:
    """The steps of a build's pipeline for this build. Raises PipelineError."""
    pipeline = build.pipeline
    known = variables.of_upload if pipeline.as_uploaded else variables.of_saved_steps
    definition = parse(
        pipeline.configuration,
        Context(
            default_queue=store.settings.default_queue,
            branch=build.branch,
            facts=variables.facts(store.settings, build),
            variables=known(store.settings, build),
        ),
    )
    _check_number(pipeline, definition)
    return definition


def _check_number(pipeline: Pipeline, definition: Definition) -> None:
    """Refuse too many jobs before they are made."""
    number = sum(map(jobs_of, definition.steps))
    if pipeline.as_uploaded and number > MAX_JOBS_PER_UPLOAD:
        raise limit_error("jobs in this upload", MAX_JOBS_PER_UPLOAD)
    if number > MAX_JOBS_PER_BUILD:
        raise limit_error("jobs in this build", MAX_JOBS_PER_BUILD)


def limit_error(what: str, limit: int) -> PipelineError:
    """The refusal of too many things, in Buildkite's words (ray-project/ray pull request 62736)."""
    return PipelineError(f"The number of {what} exceeds your organization limit of {limit}.")


def rebuild(store: Store, build: Build, now: datetime) -> Build:
    """Create a build with the same commit, branch, message, environment and pull request.

    The new build uses the pipeline's current configuration (buildkite/docs
    apis/rest_api/builds.md).

    Raises:
        PipelineError: the pipeline's configuration is invalid.
    """
    request = BuildRequest(
        branch=build.branch,
        commit=build.commit,
        message=build.message,
        tag=build.tag,
        source="api",
        creator=build.creator,
        author=build.author,
        env=build.env,
        pull_request=build.pull_request,
        ignore_branch_pattern=True,
        rebuilt_from=Rebuilt(build.id, build.number),
    )
    return create(store, store.pipelines[build.pipeline.slug], request, now)


def add_jobs(store: Store, build: Build, steps: tuple[object, ...], now: datetime) -> None:
    """Create the jobs of these command steps; other steps have none."""
    for step in steps:
        if isinstance(step, CommandStep):
            _add_jobs(store, build, step, now)


def _add_jobs(store: Store, build: Build, step: CommandStep, now: datetime) -> None:
    if step.matrix is not None:
        for permutation in step.matrix:
            job = _job(store, build, permuted(step, permutation), now)
            store.put_job(replace(job, matrix=permutation.values), now)
        return
    if step.parallelism is not None:
        for index in range(step.parallelism):
            job = _job(store, build, numbered(step, index, step.parallelism), now)
            store.put_job(replace(job, parallel_index=index), now)
        return
    store.put_job(_job(store, build, step, now), now)


def _job(store: Store, build: Build, step: CommandStep, now: datetime) -> Job:
    initial = JobState.SKIPPED if step.skip else JobState.WAITING
    return Job(
        id=new_id(),
        serial=len(store.jobs),
        build_id=build.id,
        step=step,
        state=JobState.BROKEN if step.broken else initial,
        timeline=Timeline(created=now),
        queued_at=now,
    )
