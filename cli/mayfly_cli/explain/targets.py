"""What a person may name: a job by UUID, URL or build, an instance, a queue. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from mayfly_cli.parameter_types import QUEUE_KEY

_UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
# Source: Buildkite's REST API reference, `web_url` of builds and jobs.
_URL = re.compile(
    r"(https?://)?(www\.|api\.)?[a-z0-9.-]+\.[a-z]+(:[0-9]+)?/([A-Za-z0-9_-]+/)+?"
    r"(?P<pipeline>[A-Za-z0-9_-]+)/builds/(?P<build>[0-9]{1,9})(?P<rest>([/?#].*)?)"
)
_JOB = re.compile(rf"(#|/jobs/)(?P<job>{_UUID})")
"""The job in the rest of a URL: the anchor of a build's page, or the path of the REST API."""
_SLUG = "[A-Za-z0-9][A-Za-z0-9_-]*"
_BUILD = re.compile(rf"({_SLUG}/)?(?P<pipeline>{_SLUG})[/#](?P<build>[0-9]{{1,9}})", re.ASCII)


@dataclass(frozen=True, slots=True)
class JobId:
    """A job by its UUID."""

    job: str


@dataclass(frozen=True, slots=True)
class Build:
    """All jobs of a build."""

    pipeline: str
    number: int

    def __str__(self) -> str:
        """As a person types it."""
        return f"{self.pipeline}/{self.number}"


@dataclass(frozen=True, slots=True)
class InstanceId:
    """An instance of EC2."""

    id: str


@dataclass(frozen=True, slots=True)
class QueueKey:
    """A queue."""

    queue: str


Target: TypeAlias = JobId | Build | InstanceId | QueueKey


def target(text: str) -> Target | None:
    """What the text names; None for a text of no known form. Blanks around are no part of it."""
    text = text.strip()
    if re.fullmatch(_UUID, text):
        return JobId(text.lower())
    if re.fullmatch(r"i-[0-9a-f]{8,17}", text, re.IGNORECASE | re.ASCII):
        return InstanceId(text.lower())
    if found := _URL.fullmatch(text):
        if job := _JOB.search(found["rest"]):
            return JobId(job["job"].lower())
        return _build(found)
    if found := _BUILD.fullmatch(text):
        return _build(found)
    return QueueKey(text) if QUEUE_KEY.allows(text) else None


def _build(found: re.Match[str]) -> Build:
    # Buildkite's slugs are in small letters.
    return Build(found["pipeline"].lower(), int(found["build"]))
