"""The claims of an OIDC token (buildkite/docs pages/agent/cli/reference/oidc.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from buildkite_emulator.memory.records import Agent, Build, Job
from buildkite_emulator.memory.settings import Settings
from buildkite_emulator.serving.refusals import unprocessable

TAGS_CLAIM = "https://aws.amazon.com/tags"
_AGENT_TAG = "agent_tag:"
_SUBJECTS = (
    "organization_id",
    "pipeline_id",
    "cluster_id",
    "queue_id",
    "build_id",
    "job_id",
    "agent_id",
)
"""Claims with permanent values: only these may replace the subject."""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """The parameters of a token request."""

    audience: str
    """Empty for the default audience."""
    lifetime_seconds: int
    optional: Sequence[str]
    session_tags: Sequence[str]
    """Claims that become AWS session tags."""
    subject: str
    """The claim that replaces the subject; empty for the composed subject."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The requesting job with its settings, build and agent."""

    settings: Settings
    build: Build
    job: Job
    agent: Agent


def claims(request: TokenRequest, holder: Holder, issuer: str, now: datetime) -> dict[str, Any]:
    """All claims of the token.

    Raises:
        RefusedError: 422 for an unknown claim, or one that cannot replace the subject.
    """
    always, optional = _standard_claims(holder), _optional_claims(holder)
    every = {**always, **optional}
    moment = int(now.timestamp())
    token = {
        "iss": issuer,
        "sub": _subject(holder),
        "aud": request.audience or f"https://buildkite.com/{holder.settings.organization}",
        "iat": moment,
        "nbf": moment,
        "exp": moment + request.lifetime_seconds,
        **always,
    }
    if request.subject:
        if request.subject not in _SUBJECTS:
            raise unprocessable(f"{request.subject} can't be used as the subject claim")
        token["sub"] = token[request.subject] = every[request.subject]
    for name in request.optional:
        token[name] = _claim_value(name, optional, holder)
    if request.session_tags:
        # AWS accepts strings only, so null becomes an empty string.
        tags = {name: _claim_value(name, every, holder) for name in request.session_tags}
        texts = {name: ["" if value is None else str(value)] for name, value in tags.items()}
        token[TAGS_CLAIM] = {"principal_tags": texts}
    return token


def _subject(holder: Holder) -> str:
    build = holder.build
    ref = f"refs/tags/{build.tag}" if build.tag else f"refs/heads/{build.branch}"
    return (
        f"organization:{holder.settings.organization}:pipeline:{build.pipeline.slug}"
        f":ref:{ref}:commit:{build.commit}:step:{holder.job.step.key or ''}"
    )


def _standard_claims(holder: Holder) -> dict[str, Any]:
    build, job = holder.build, holder.job
    return {
        "organization_slug": holder.settings.organization,
        "pipeline_slug": build.pipeline.slug,
        "build_number": build.number,
        "build_branch": build.branch,
        **({"build_tag": build.tag} if build.tag else {}),
        "build_commit": build.commit,
        "step_key": job.step.key,
        "job_id": job.id,
        "agent_id": holder.agent.id,
        "build_source": build.source,
        "runner_environment": "self-hosted",
    }


def _optional_claims(holder: Holder) -> dict[str, Any]:
    settings = holder.settings
    queue = next(each for each in settings.queues if each.key == holder.job.step.queue)
    return {
        "organization_id": settings.organization_id,
        "pipeline_id": holder.build.pipeline.id,
        "build_id": holder.build.id,
        "cluster_id": settings.cluster_id,
        "cluster_name": settings.cluster,
        "queue_id": queue.id,
        "queue_key": queue.key,
    }


def _claim_value(name: str, known: dict[str, Any], holder: Holder) -> Any:
    if name.startswith(_AGENT_TAG):
        wanted = name.removeprefix(_AGENT_TAG)
        tags = dict(tag.partition("=")[::2] for tag in holder.agent.tags)
        return tags.get(wanted)
    if name not in known:
        raise unprocessable(f"{name} is not a claim that can be added")
    return known[name]
