"""Policy rules as they travel, and whether a job meets them.

A rule is a line of conditions that must hold together, `key=value[,value…] …`. The facts are
Buildkite's; the pipeline's own environment is not asked.
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
    """What Buildkite says of the job, by key of a condition; what it does not say is left out."""
    seen = {key: environment[name] for key, name in _FACTS.items() if environment.get(name)}
    pull_request = environment.get("BUILDKITE_PULL_REQUEST")
    if pull_request == "false":
        seen["fork"] = "no"
    elif pull_request:
        origin = environment.get("BUILDKITE_PULL_REQUEST_REPO", "")
        seen["fork"] = "no" if same_repository(origin, seen.get("repository", "")) else "yes"
    return seen


def line(conditions: Iterable[tuple[str, Iterable[str]]]) -> str:
    """The conditions of a rule as the line that `parse` reads."""
    return " ".join(f"{key}={','.join(values)}" for key, values in conditions)


def parse(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """The conditions of a line. A word that is no condition becomes one that no job meets."""
    words = (word.partition("=") for word in text.split())
    return [(key, tuple(values.split(",")) if values else ()) for key, _, values in words]


def hold(text: str, seen: Mapping[str, str]) -> bool:
    """Whether a job meets every condition of a line; none meets a line without one."""
    conditions = parse(text)
    return bool(conditions) and not failing(conditions, seen)


def failing(
    conditions: Iterable[tuple[str, Iterable[str]]], seen: Mapping[str, str]
) -> tuple[str, ...]:
    """Keys of the conditions that the job does not meet. A fact that is absent meets none."""
    return tuple(
        key
        for key, values in conditions
        if key not in seen or not any(_meets(key, value, seen[key]) for value in values)
    )


def _meets(key: str, value: str, fact: str) -> bool:
    if key == "repository":
        return covers(value, fact)
    if key == "branch":
        # Like GitHub's branch protection, so that a rule lets in no branch that the same pattern
        # leaves unprotected there.
        return bool(re.fullmatch("[^/]*".join(map(re.escape, value.split("*"))), fact))
    return value == fact
