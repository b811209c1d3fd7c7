"""Artifact search by path, for `buildkite-agent artifact download|search|shasum`.

Source: buildkite/docs agent/cli/reference/artifact.md (pattern syntax) and
pipelines/configure/artifacts.md (retried jobs, ambiguous names, parallel steps). The two pages
disagree about parallel steps; the emulator follows the second, which is newer.
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
    """One search."""

    pattern: str
    """A path; `*` matches any text, slashes included."""
    scope: str
    """A step's key or label, or a job's id; empty for the whole build."""
    state: str
    with_retried: bool
    with_duplicates: bool


def find(query: Query, artifacts: Iterable[Artifact], jobs: Mapping[str, Job]) -> list[Artifact]:
    """The artifacts that match the query, in announcement order.

    Without a scope, one path yields its latest artifact; with a scope, one path yields the latest
    of each job. `with_duplicates` yields all.

    Raises:
        RefusedError: 400 for a plain path that matches artifacts of several steps.
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
