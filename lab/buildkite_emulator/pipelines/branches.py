"""Branch patterns of steps and pipelines.

Source: buildkite/docs pipelines/configure/workflows/branch_configuration.md.
"""

from __future__ import annotations


def matches(pattern: str, branch: str) -> bool:
    """True if a branch matches at least one positive part of the pattern and no negative part.

    A pattern without positive parts matches every branch that no negative part matches.
    """
    parts = pattern.split()
    positive = [part for part in parts if not part.startswith("!")]
    negative = [part[1:] for part in parts if part.startswith("!")]
    if any(_glob(part, branch) for part in negative):
        return False
    return not positive or any(_glob(part, branch) for part in positive)


def _glob(pattern: str, branch: str) -> bool:
    # `*` is the only wildcard; it also matches slashes. Part by part: a regular expression of many
    # wildcards takes time without end.
    first, *parts = pattern.split("*")
    if not parts:
        return pattern == branch
    if not branch.startswith(first):
        return False
    at = len(first)
    for part in parts[:-1]:
        at = branch.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return branch.endswith(parts[-1]) and len(branch) - len(parts[-1]) >= at
