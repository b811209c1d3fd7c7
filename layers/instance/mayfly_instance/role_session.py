"""A session of the job's role: its name and tags, and the wire format of sts:AssumeRole.

Source: API reference of STS, AssumeRole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from mayfly_instance.sigv4 import Credentials
from mayfly_protocol.assignment import Assignment
from mayfly_protocol.grants import Grants, Role
from mayfly_protocol.moments import read_moment
from mayfly_protocol.session_tags import session_tags

_LONGEST_NAME = 64
_LONGEST_BUILD = 12
_REFUSED = re.compile(r"[^A-Za-z0-9_+=,.@-]")
_ANSWERED = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")


@dataclass(frozen=True)
class RoleSession:
    """What STS is asked for. All tags are transitive: a role that the job assumes has them, too."""

    arn: str
    name: str
    seconds: int
    tags: Mapping[str, str]


def session_of(assignment: Assignment, grants: Grants, role: Role) -> RoleSession:
    """The session of the assignment's job with its role."""
    facts = grants.facts
    return RoleSession(
        arn=role.arn,
        name=session_name(facts.pipeline, facts.build, assignment.job),
        seconds=role.seconds,
        tags=session_tags(facts, assignment.queue),
    )


def session_name(pipeline: str, build: str, job: str) -> str:
    """`<pipeline>-<build>-<job>`, the name in CloudTrail: the job's id whole, the pipeline cut."""
    end = _REFUSED.sub("-", f"-{build[:_LONGEST_BUILD]}-{job}")
    room = max(0, _LONGEST_NAME - len(end))
    return (_REFUSED.sub("-", pipeline)[:room] + end)[:_LONGEST_NAME]


def question(session: RoleSession) -> bytes:
    """The body of the request, in the query protocol."""
    given = {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": session.arn,
        "RoleSessionName": session.name,
        "DurationSeconds": str(session.seconds),
    }
    for number, (key, value) in enumerate(session.tags.items(), 1):
        given[f"Tags.member.{number}.Key"] = key
        given[f"Tags.member.{number}.Value"] = value
        given[f"TransitiveTagKeys.member.{number}"] = key
    return urlencode(given).encode()


def credentials_in(answer: str) -> Credentials:
    """The credentials in the answer. Raises ValueError for any other answer."""
    found = {}
    for name in _ANSWERED:
        # Base64 and moments have no character that XML escapes.
        value = re.search(f"<{name}>([^<&]+)</{name}>", answer)
        if value is None:
            raise ValueError(f"the answer has no {name}")
        found[name] = value[1]
    return Credentials(
        access_key=found["AccessKeyId"],
        secret_key=found["SecretAccessKey"],
        token=found["SessionToken"],
        expires=read_moment(found["Expiration"]),
    )
