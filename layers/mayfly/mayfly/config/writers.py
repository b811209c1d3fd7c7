"""Which policy for people lets a parameter be written and deleted, by the parameter's name."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

OPERATORS, SECURITY_OWNERS = "OperatorsPolicy", "SecurityOwnersPolicy"
"""Logical ids of the policies in template.yaml; outputs of the stack have the same names."""
OF_OPERATORS = (
    *("queues/*/debug/*", "queues/*/job/attempts", "queues/*/job/max-minutes"),
    *("queues/*/launch/*", "queues/*/limits/*", "queues/*/paused", "queues/*/pool/*"),
    "queues/*/tags",
)
OF_SECURITY_OWNERS = (
    *("queues/*/agent/*", "queues/*/bootstrap/*", "queues/*/imds", "queues/*/job/root"),
    *("queues/*/policy/*", "queues/*/role/*", "queues/*/secrets/*", "queues/*/ssh/*"),
)
"""Patterns of names below the stack's path, as the policies have them: `*` matches slashes, too.

A test holds that template.yaml says the same.
"""
_NAME = re.compile("/mayfly/[^/]+/(.+)", re.DOTALL)


def writer(name: str) -> str:
    """The policy that lets the parameter of this whole name be written; empty for none.

    Operators are denied what security owners may, so these come first.
    """
    found = _NAME.fullmatch(name)
    below = found[1] if found is not None else ""
    for policy, patterns in ((SECURITY_OWNERS, OF_SECURITY_OWNERS), (OPERATORS, OF_OPERATORS)):
        if any(fnmatchcase(below, pattern) for pattern in patterns):
            return policy
    return ""


def removal(name: str) -> str:
    """The command that deletes a parameter which no queue reads, for those who may."""
    if writer(name):
        return f"mayfly unset {name}"
    return f"aws ssm delete-parameter --name {name}"
