"""What the check before each job is told (see hooks/policy.py), by a file that belongs to root."""

from __future__ import annotations

from mayfly_instance.giving import Given
from mayfly_protocol.assignment import Assignment


def policy(assignment: Assignment, given: Given) -> dict[str, object]:
    """The policy of the job as plain values."""
    facts = assignment.grants and assignment.grants.facts
    return {
        "job": assignment.job,
        "rules": assignment.rules,
        "repository": assignment.repository,
        "refused": given.refusal,
        "facts": facts.compared() if facts else {},
        "has_key": given.has_key,
    }
