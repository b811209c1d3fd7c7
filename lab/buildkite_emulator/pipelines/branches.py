"""Branch patterns of steps and pipelines.

Source: buildkite/docs pipelines/configure/workflows/branch_configuration.md.
"""

from __future__ import annotations

import re


def matches(pattern: str, branch: str) -> bool:
    """Whether a branch passes: any positive part must match, and no negative one may."""
    parts = pattern.split()
    positive = [part for part in parts if not part.startswith("!")]
    negative = [part[1:] for part in parts if part.startswith("!")]
    if any(_glob(part, branch) for part in negative):
        return False
    return not positive or any(_glob(part, branch) for part in positive)


def _glob(pattern: str, branch: str) -> bool:
    # `*` is the only wildcard, and it also takes slashes.
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(expression, branch, re.DOTALL) is not None
