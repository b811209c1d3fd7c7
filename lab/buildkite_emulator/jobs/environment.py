"""The BUILDKITE_* environment that the server gives a job.

Source: buildkite/docs data/content/environment_variables.yaml and buildkite/cli local/server.go.
The names that buildkite/agent clicommand/bootstrap.go requires are always present.
"""

from __future__ import annotations

import json
import re

from buildkite_emulator.memory.records import Agent, Build, Job
from buildkite_emulator.memory.settings import Settings
from buildkite_emulator.pipelines.steps import CommandStep


def of_job(settings: Settings, build: Build, job: Job, agent: Agent | None) -> dict[str, str]:
    """The job's whole environment; variables about the agent are omitted without one.

    Later sources win: pipeline and build, step, Buildkite's standard variables.
    """
    return {
        **build.env,
        **job.step.env,
        **of_build(settings, build),
        **_of_people(build),
        **_of_step(job.step),
        **_of_attempt(job),
        **(_of_agent(agent) if agent else {}),
    }


def of_build(settings: Settings, build: Build) -> dict[str, str]:
    """The variables that are the same for every job of the build."""
    return {
        **_of_organization(settings),
        **_of_build(settings, build),
        **_of_pull_request(build),
    }


def _of_organization(settings: Settings) -> dict[str, str]:
    return {
        "CI": "true",
        "BUILDKITE": "true",
        "BUILDKITE_ORGANIZATION_SLUG": settings.organization,
        "BUILDKITE_ORGANIZATION_ID": settings.organization_id,
        "BUILDKITE_CLUSTER_ID": settings.cluster_id,
        "BUILDKITE_CLUSTER_NAME": settings.cluster,
        "BUILDKITE_COMPUTE_TYPE": "self-hosted",
    }


def _of_build(settings: Settings, build: Build) -> dict[str, str]:
    pipeline, rebuilt = build.pipeline, build.rebuilt_from
    author = build.author or build.creator
    return {
        "BUILDKITE_PIPELINE_SLUG": pipeline.slug,
        "BUILDKITE_PIPELINE_ID": pipeline.id,
        "BUILDKITE_PIPELINE_NAME": pipeline.name,
        "BUILDKITE_PIPELINE_PROVIDER": pipeline.provider,
        "BUILDKITE_PIPELINE_DEFAULT_BRANCH": pipeline.default_branch,
        "BUILDKITE_PIPELINE_TEAMS": "",
        "BUILDKITE_REPO": settings.mirrors.get(pipeline.repository, pipeline.repository),
        "BUILDKITE_BUILD_ID": build.id,
        "BUILDKITE_BUILD_NUMBER": str(build.number),
        "BUILDKITE_BUILD_URL": build_url(settings, build),
        "BUILDKITE_BRANCH": build.branch,
        "BUILDKITE_COMMIT": build.commit,
        "BUILDKITE_TAG": build.tag,
        "BUILDKITE_MESSAGE": build.message,
        "BUILDKITE_SOURCE": build.source,
        "BUILDKITE_BUILD_CREATOR": build.creator.name,
        "BUILDKITE_BUILD_CREATOR_EMAIL": build.creator.email,
        "BUILDKITE_BUILD_CREATOR_TEAMS": "",
        "BUILDKITE_BUILD_AUTHOR": author.name,
        "BUILDKITE_BUILD_AUTHOR_EMAIL": author.email,
        "BUILDKITE_REBUILT_FROM_BUILD_ID": rebuilt.id if rebuilt else "",
        "BUILDKITE_REBUILT_FROM_BUILD_NUMBER": str(rebuilt.number) if rebuilt else "",
        "BUILDKITE_TRIGGERED_FROM_BUILD_ID": "",
        "BUILDKITE_TRIGGERED_FROM_BUILD_NUMBER": "",
        "BUILDKITE_TRIGGERED_FROM_BUILD_PIPELINE_SLUG": "",
        **({"BUILDKITE_CLEAN_CHECKOUT": "true"} if build.clean_checkout else {}),
    }


def _of_people(build: Build) -> dict[str, str]:
    if not build.unblocked:
        return {}
    last = max(build.unblocked.values(), key=lambda unblocking: unblocking.at)
    return {
        "BUILDKITE_UNBLOCKER": last.by.name,
        "BUILDKITE_UNBLOCKER_EMAIL": last.by.email,
        "BUILDKITE_UNBLOCKER_TEAMS": "",
    }


def _of_pull_request(build: Build) -> dict[str, str]:
    request = build.pull_request
    return {
        "BUILDKITE_PULL_REQUEST": str(request.number) if request else "false",
        "BUILDKITE_PULL_REQUEST_REPO": request.repository if request else "",
        "BUILDKITE_PULL_REQUEST_BASE_BRANCH": request.base_branch if request else "",
        "BUILDKITE_PULL_REQUEST_LABELS": ",".join(request.labels) if request else "",
    }


def _of_step(step: CommandStep) -> dict[str, str]:
    timeout = step.timeout_minutes
    return {
        "BUILDKITE_STEP_ID": step.id,
        "BUILDKITE_STEP_KEY": step.key or "",
        "BUILDKITE_LABEL": step.label,
        "BUILDKITE_COMMAND": step.command,
        "BUILDKITE_SCRIPT_PATH": step.command,
        "BUILDKITE_TIMEOUT": "false" if timeout is None else str(timeout),
        "BUILDKITE_PLUGINS": json.dumps(list(step.plugins), separators=(",", ":")),
        "BUILDKITE_ARTIFACT_PATHS": step.artifact_paths,
        **({"BUILDKITE_IMAGE": step.image} if step.image else {}),
        **_of_group(step),
    }


def _of_group(step: CommandStep) -> dict[str, str]:
    if step.group is None:
        return {}
    return {
        "BUILDKITE_GROUP_ID": step.group.id,
        "BUILDKITE_GROUP_KEY": step.group.key or "",
        "BUILDKITE_GROUP_LABEL": step.group.label,
    }


def _of_attempt(job: Job) -> dict[str, str]:
    variables = {
        "BUILDKITE_JOB_ID": job.id,
        "BUILDKITE_RETRY_COUNT": str(job.retry_count),
    }
    if job.retry_type:
        variables["BUILDKITE_RETRY_TYPE"] = job.retry_type
    if job.parallel_index is not None:
        variables["BUILDKITE_PARALLEL_JOB"] = str(job.parallel_index)
        variables["BUILDKITE_PARALLEL_JOB_COUNT"] = str(job.step.parallelism)
    return variables


def _of_agent(agent: Agent) -> dict[str, str]:
    # The agent does not set its own name and id; jobs fail at once if the server omits both
    # ("Missing agent", Buildkite's incident of 7 May 2026).
    tags = (tag.partition("=") for tag in agent.tags)
    meta_data = {
        f"BUILDKITE_AGENT_META_DATA_{re.sub('[^A-Z0-9]', '_', key.upper())}": value or "true"
        for key, _, value in tags
    }
    return {
        **meta_data,
        "BUILDKITE_AGENT_META_DATA_QUEUE": agent.queue,
        "BUILDKITE_AGENT_ID": agent.id,
        "BUILDKITE_AGENT_NAME": agent.name,
    }


def build_url(settings: Settings, build: Build) -> str:
    """The URL of the build's web page."""
    slug = f"{settings.organization}/{build.pipeline.slug}"
    return f"https://buildkite.com/{slug}/builds/{build.number}"
