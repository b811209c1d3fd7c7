"""Policy rules as text lines, and their check against a job's facts.

A rule is a line of conditions, `key=value[,value…] …`; a job must meet all of them. The facts come
from Buildkite, never from the pipeline's own environment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from mayfly_protocol.repository import covers, same_repository

_FACTS = {
    "pipeline": "BUILDKITE_PIPELINE_SLUG",
    "repository": "BUILDKITE_REPO",
    "branch": "BUILDKITE_BRANCH",
    "source": "BUILDKITE_SOURCE",
}


def facts(environment: Mapping[str, str]) -> dict[str, str]:
    """Facts about the job by condition key, from Buildkite's variables. Unknown facts: omitted."""
    seen = {key: environment[name] for key, name in _FACTS.items() if environment.get(name)}
    pull_request = environment.get("BUILDKITE_PULL_REQUEST")
    if pull_request == "false":
        seen["fork"] = "no"
    elif pull_request:
        origin = environment.get("BUILDKITE_PULL_REQUEST_REPO", "")
        seen["fork"] = "no" if same_repository(origin, seen.get("repository", "")) else "yes"
    return seen


def line(conditions: Iterable[tuple[str, Iterable[str]]]) -> str:
    """The rule as a line, which `parse` reads."""
    return " ".join(f"{key}={','.join(values)}" for key, values in conditions)


def parse(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """The conditions of a line. A word without `=` becomes a condition that no job meets."""
    words = (word.partition("=") for word in text.split())
    return [(key, tuple(values.split(",")) if values else ()) for key, _, values in words]


def matches(text: str, seen: Mapping[str, str]) -> bool:
    """Whether a job meets every condition of the line. False for a line without conditions."""
    conditions = parse(text)
    return bool(conditions) and not failing(conditions, seen)


def failing(
    conditions: Iterable[tuple[str, Iterable[str]]], seen: Mapping[str, str]
) -> tuple[str, ...]:
    """Keys of the conditions that the job does not meet, unknown facts included."""
    return tuple(
        key
        for key, values in conditions
        if key not in seen or not any(_meets(key, value, seen[key]) for value in values)
    )


def _meets(key: str, value: str, fact: str) -> bool:
    if key == "repository":
        return covers(value, fact)
    if key == "branch":
        # `*` stops at `/`, as in GitHub's branch protection: a rule must not allow a branch that
        # the same pattern leaves unprotected on GitHub.
        return bool(re.fullmatch("[^/]*".join(map(re.escape, value.split("*"))), fact))
    return value == fact
