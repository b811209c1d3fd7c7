"""The assignment: the one job of a host, with the settings for the run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mayfly_protocol import GRANTS_PROTOCOL, PROTOCOL, grants
from mayfly_protocol.agent_settings import refusal
from mayfly_protocol.grace import grace_seconds
from mayfly_protocol.grants import Grants
from mayfly_protocol.words import Imds, Root

_JOB = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_SETTING = re.compile(r"[a-z0-9-]+ *=.*")


@dataclass(frozen=True)
class Assignment:
    """The job of one ready instance; dispatch writes it into the instance's sandbox row."""

    job: str
    boot: str
    """Id of the proven boot; a host in another boot refuses the job."""
    queue: str
    name: str
    """Name of the agent."""
    tags: str
    endpoint: str
    """URL of the agent API; empty: the agent's own default."""
    imds: Imds
    root: Root
    max_minutes: int
    rules: tuple[str, ...]
    """The queue's policy, as canonical lines of `mayfly_protocol.rules`."""
    repository: str | None
    """The repository that the job must have; None: any repository."""
    config: str
    """Lines of the agent's configuration file."""
    grants: Grants | None = None
    """What the job is given besides its machine; None: nothing."""
    token: str = field(default="", repr=False)
    """A token that can acquire this job and nothing else. Empty until dispatch mints it."""


def to_row(assignment: Assignment) -> dict[str, object]:
    """The value of the row's `assignment` attribute. Raises ValueError without a token."""
    if not assignment.token:
        raise ValueError("an assignment without its token")
    given = {} if assignment.grants is None else {"grants": assignment.grants.to_row()}
    return {
        # A host that knows no grants would run the job without them: it must refuse the job.
        "protocol": GRANTS_PROTOCOL if given else PROTOCOL,
        "job": assignment.job,
        "token": assignment.token,
        "boot": assignment.boot,
        "queue": assignment.queue,
        "name": assignment.name,
        "tags": assignment.tags,
        "endpoint": assignment.endpoint,
        "imds": str(assignment.imds),
        "root": str(assignment.root),
        "max_minutes": assignment.max_minutes,
        "policy": {"rules": list(assignment.rules), "repository": assignment.repository},
        "config": assignment.config,
        **given,
    }


def parse(found: object, boot: str, queue: str) -> Assignment:
    """The assignment for this boot and queue.

    Raises ValueError for any other value; its message names the fault and holds no secret.
    """
    if not isinstance(found, Mapping):
        raise ValueError("the assignment is not an object")  # noqa: TRY004 - one error for all
    if found.get("protocol") not in (PROTOCOL, GRANTS_PROTOCOL):
        # In another protocol the fields may have other meanings: read none of them.
        raise ValueError(
            f"the assignment has protocol {found.get('protocol')!r}, this host knows {PROTOCOL} "
            f"and {GRANTS_PROTOCOL}"
        )
    if found.get("boot") != boot:
        raise ValueError("the assignment is for another boot than this one")
    if found.get("queue") != queue:
        raise ValueError("the assignment is for another queue")
    rules, repository = _policy(found.get("policy"))
    assignment = Assignment(
        job=_text(found, "job"),
        boot=boot,
        queue=queue,
        name=_text(found, "name"),
        tags=_text(found, "tags"),
        endpoint=_text(found, "endpoint", empty=True),
        imds=_imds(_text(found, "imds")),
        root=_root(_text(found, "root")),
        max_minutes=_minutes(found.get("max_minutes")),
        rules=rules,
        repository=repository,
        config=_text(found, "config", empty=True),
        grants=_grants(found),
        token=_text(found, "token"),
    )
    _check(assignment)
    return assignment


def _grants(found: Mapping[str, Any]) -> Grants | None:
    """What the job is given. Raises ValueError where the protocol says something and has none."""
    if (found["protocol"] == GRANTS_PROTOCOL) != ("grants" in found):
        raise ValueError("the assignment's grants do not agree with its protocol")
    return grants.parse(found["grants"]) if "grants" in found else None


def _check(assignment: Assignment) -> None:
    if not _JOB.fullmatch(assignment.job):
        raise ValueError("the assignment's job is not a UUID")
    reach = assignment.imds is Imds.JOB or assignment.root.in_effect
    given = assignment.grants
    if given is not None and reach and (given.secrets is not None or given.role is not None):
        raise ValueError(
            f"the assignment has secrets or a role, and with imds: {assignment.imds} and root: "
            f"{assignment.root} the job could take those of other jobs"
        )
    if assignment.root.in_effect and assignment.imds is Imds.SUPERVISOR:
        raise ValueError(
            f"the assignment has imds: supervisor and root: {assignment.root}, so that the job "
            "could reach IMDS"
        )
    for line in assignment.config.splitlines():
        name = line.partition("=")[0].strip()
        if not _SETTING.fullmatch(line) or refusal(name):
            raise ValueError(f"the assignment's agent config sets {name!r}, which hosts refuse")
    if grace_seconds(assignment.config) > assignment.max_minutes * 60:
        raise ValueError("the assignment's grace period is longer than its max_minutes")


def _text(found: Mapping[str, Any], name: str, *, empty: bool = False) -> str:
    value = found.get(name, "" if empty else None)
    if not isinstance(value, str) or not (value or empty) or "\0" in value:
        raise ValueError(f"the assignment has no {name}")
    return value


def _imds(word: str) -> Imds:
    try:
        return Imds(word)
    except ValueError as error:
        raise ValueError(f"the assignment's imds is {word!r}, which is unknown here") from error


def _root(word: str) -> Root:
    try:
        return Root(word)
    except ValueError as error:
        raise ValueError(f"the assignment's root is {word!r}, which is unknown here") from error


def _minutes(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("the assignment has no max_minutes")
    return value


def _policy(value: object) -> tuple[tuple[str, ...], str | None]:
    rules = value.get("rules") if isinstance(value, Mapping) else None
    repository = value.get("repository") if isinstance(value, Mapping) else 0
    if not isinstance(rules, list) or not all(isinstance(rule, str) for rule in rules):
        raise ValueError("the assignment has no readable policy")
    if not (repository is None or isinstance(repository, str)):
        raise ValueError("the assignment has no readable policy")
    return tuple(rules), repository
