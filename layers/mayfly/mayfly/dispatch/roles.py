"""Which AWS role a job gets by the queue's role lines. Pure.

A job with two lines is refused rather than given one of them: whoever wrote the second line did not
know of the first one, and the order of names would decide in silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mayfly.config.queue import QueueConfig
from mayfly.config.roles import ROLES, RoleLine
from mayfly_protocol import rules
from mayfly_protocol.grants import Role
from mayfly_protocol.job_facts import JobFacts
from mayfly_protocol.session_tags import session_tags, tags_refusal


@dataclass(frozen=True, slots=True)
class Choice:
    """The role of a job; one of the three fields is set, or none where the queue has no roles."""

    role: Role | None = None
    no_role: str = ""
    """Why the job has no role, in one line for its log."""
    refused: str = ""
    """Why the job may not run, in a few words for its page."""


def choose(config: QueueConfig, facts: JobFacts) -> Choice:
    """The role for a job with these facts."""
    if not config.roles:
        return Choice()
    seen = facts.conditions()
    failing = [(rules.failing(line.rule.pairs(), seen), line) for line in config.roles]
    mine = [line for keys, line in failing if not keys]
    if len(mine) > 1:
        return Choice(refused=_two_lines(mine))
    if not mine:
        text = f"this job has no credentials for AWS: {_closest(failing)}"
        if config.grants_unread:
            text += f". The present {ROLES}/* cannot be read, so the last ones hold"
        return Choice(no_role=text)
    (line,) = mine
    if why := tags_refusal(session_tags(facts, config.queue)):
        return Choice(refused=f"{line.parameter} gives it a role, and {why}")
    return Choice(role=Role(line.arn, line.minutes * 60))


def _two_lines(mine: Sequence[RoleLine]) -> str:
    names = list(dict.fromkeys(line.parameter for line in mine))
    if len(names) == 1:
        return f"{len(mine)} lines of {names[0]} give it a role"
    return f"{' and '.join(names[:2])} both give it a role"


def _closest(failing: Sequence[tuple[tuple[str, ...], RoleLine]]) -> str:
    """Why the closest line is not for the job. Values are not shown: they are for their owners."""
    near = [each for each in failing if not {"pipeline", "repository"} & set(each[0])]
    if not near:
        return f"no line of {ROLES}/* is for its pipeline and repository"
    keys, line = min(near, key=lambda each: (len(each[0]), each[0], each[1].parameter))
    lacking = " and ".join("origin" if key == "fork" else key for key in keys)
    return f"a line of {line.parameter} that is for its pipeline asks for another {lacking}"
