"""Variables of a build that its steps may use before any job runs.

Source: buildkite/docs pages/pipelines/configure/environment_variables.md, "Variable interpolation".
Steps saved at Buildkite are interpolated before the build exists, from a stated list of variables;
uploaded steps, from the environment of the uploading job. Assumed: the build's own environment
belongs to that list.
"""

from __future__ import annotations

from collections.abc import Mapping

from buildkite_emulator.jobs import environment
from buildkite_emulator.memory.records import Build
from buildkite_emulator.memory.settings import Settings
from buildkite_emulator.pipelines.conditions import Facts, Value

_SAVED_STEPS = (
    *("BRANCH", "TAG", "MESSAGE", "COMMIT", "PIPELINE_SLUG", "PIPELINE_NAME", "PIPELINE_ID"),
    *("ORGANIZATION_SLUG", "TRIGGERED_FROM_BUILD_PIPELINE_SLUG", "REPO", "PULL_REQUEST"),
    *("PULL_REQUEST_BASE_BRANCH", "PULL_REQUEST_REPO"),
)
_CONDITIONS = (
    *_SAVED_STEPS,
    *("TRIGGERED_FROM_BUILD_ID", "TRIGGERED_FROM_BUILD_NUMBER"),
    *("REBUILT_FROM_BUILD_ID", "REBUILT_FROM_BUILD_NUMBER"),
)


def of_saved_steps(settings: Settings, build: Build) -> dict[str, str]:
    """The variables for steps that are saved at Buildkite: those without a build number."""
    return {**build.env, **_select(environment.of_build(settings, build), _SAVED_STEPS)}


def of_upload(settings: Settings, build: Build) -> dict[str, str]:
    """The variables for steps that are read as if the build's first job had uploaded them."""
    return {**build.env, **environment.of_build(settings, build)}


def facts(settings: Settings, build: Build) -> Facts:
    """The variables for `if` (buildkite/docs pages/pipelines/configure/conditionals.md)."""
    pipeline, request = build.pipeline, build.pull_request
    person = build.author or build.creator
    variables: dict[str, Value] = {
        "build.author.email": person.email,
        "build.author.id": None,
        "build.author.name": person.name,
        "build.author.teams": (),
        "build.branch": build.branch,
        "build.commit": build.commit,
        "build.creator.email": build.creator.email,
        "build.creator.id": None,
        "build.creator.name": build.creator.name,
        "build.creator.teams": (),
        "build.id": build.id,
        "build.message": build.message or None,
        "build.number": build.number,
        "build.pull_request.base_branch": request.base_branch if request else None,
        "build.pull_request.draft": request.draft if request else None,
        "build.pull_request.id": str(request.number) if request else None,
        "build.pull_request.labels": request.labels if request else (),
        "build.pull_request.repository": request.repository if request else None,
        "build.pull_request.repository.fork": (
            request.repository not in {"", pipeline.repository} if request else None
        ),
        "build.source": build.source,
        "build.state": "started",
        "build.tag": build.tag or None,
        "organization.id": settings.organization_id,
        "organization.slug": settings.organization,
        "pipeline.default_branch": pipeline.default_branch,
        "pipeline.id": pipeline.id,
        "pipeline.repository": pipeline.repository,
        "pipeline.slug": pipeline.slug,
    }
    known = _select(environment.of_build(settings, build), _CONDITIONS)
    return Facts(variables, {**build.env, **build.env_of_steps, **known})


def _select(every: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    wanted = {f"BUILDKITE_{name}" for name in names}
    return {name: value for name, value in every.items() if name in wanted}
