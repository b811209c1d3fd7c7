"""Finding artifacts by path, as `buildkite-agent artifact download|search|shasum` ask for them.

Source: buildkite/docs agent/cli/reference/artifact.md (pattern syntax) and
pipelines/configure/artifacts.md (retried jobs, ambiguous names, parallel steps). Where the two
pages disagree about parallel steps, the second one is newer and is followed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from buildkite_emulator.memory.records import Job
from buildkite_emulator.serving.refusals import RefusedError

from .records import Artifact


@dataclass(frozen=True, slots=True)
class Query:
    """What an agent looks for."""

    pattern: str
    """A path in which `*` stands for any text, slashes too."""
    scope: str
    """A step's key or label, or a job's id; empty for the whole build."""
    state: str
    with_retried: bool
    with_duplicates: bool


def find(query: Query, artifacts: Iterable[Artifact], jobs: Mapping[str, Job]) -> list[Artifact]:
    """The artifacts that match, in the order in which they were announced.

    Of several with one path the latest is given, and of those of a scope the latest of each job.

    Raises:
        RefusedError: 400 when a plain path names artifacts of several steps.
    """
    wanted = re.compile(".*".join(map(re.escape, query.pattern.split("*"))), re.DOTALL)
    found = [
        artifact
        for artifact in artifacts
        if wanted.fullmatch(artifact.path)
        and query.state in {"", str(artifact.state)}
        and _is_in_scope(jobs[artifact.job_id], query)
    ]
    if query.with_duplicates:
        return found
    steps = {jobs[artifact.job_id].step.id for artifact in found}
    if "*" not in query.pattern and len(steps) > 1:
        raise RefusedError(
            400,
            f"Multiple artifacts were found for query: `{query.pattern}`."
            " Try scoping by the job ID or name.",
        )
    latest: dict[tuple[str, str], Artifact] = {}
    for artifact in found:
        latest[artifact.job_id if query.scope else "", artifact.path] = artifact
    return sorted(latest.values(), key=lambda artifact: artifact.serial)


def _is_in_scope(job: Job, query: Query) -> bool:
    if job.retried_in is not None and not query.with_retried and query.scope != job.id:
        return False
    return query.scope in {"", job.id, job.step.key, job.step.label}
