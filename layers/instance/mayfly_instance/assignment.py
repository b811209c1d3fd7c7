"""The assignment: which job this host runs, and how. Everything in it is checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mayfly_instance.failure import HostFailure
from mayfly_instance.firewall import CHOICES, SUPERVISOR
from mayfly_instance.host import PROTOCOL

_JOB = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_SETTING = re.compile(r"[a-z0-9-]+ *=.*")
# Names on which the proof depends and that no environment variable of ours overrules. The control
# plane allows far fewer; this is the last line of defence. The agent drops `export` before a name.
_REFUSED_SETTINGS = re.compile(
    r"(export\s*)?(token|bootstrap-script|hooks-shell|experiment|kubernetes-exec|debug-http"
    r"|job-context-dir|reflect-exit-status|write-job-logs-to-stdout|spawn.*|disconnect-.*"
    r"|acquire-job|queue|tags.*|meta-data.*)"
)


@dataclass(frozen=True)
class Assignment:
    """What dispatch wrote into the sandbox row for this instance."""

    job: str
    token: str = field(repr=False)
    """Good for acquiring this one job, and for nothing else."""
    name: str
    tags: str
    endpoint: str
    """Of the agent API; empty: the agent's own default."""
    imds: str
    root: bool
    max_minutes: int
    policy: Mapping[str, Any]
    """`rules` (canonical lines) and `repository` (the required one, or None)."""
    config: str
    """Lines of the agent's configuration file."""


def parse(found: object, boot: str, queue: str) -> Assignment:
    """The assignment for this boot. Raises HostFailure with what is wrong, without secrets."""
    if not isinstance(found, Mapping):
        raise HostFailure("the assignment is not an object")
    if found.get("protocol") != PROTOCOL:
        # Nothing else in it may be believed: its words may have other meanings.
        raise HostFailure(
            f"the assignment is of protocol {found.get('protocol')!r}, this host knows {PROTOCOL}"
        )
    if found.get("boot") != boot:
        raise HostFailure("the assignment is for another boot than this one")
    if found.get("queue") != queue:
        raise HostFailure("the assignment is for another queue")
    assignment = Assignment(
        job=_text(found, "job"),
        token=_text(found, "token"),
        name=_text(found, "name"),
        tags=_text(found, "tags"),
        endpoint=_text(found, "endpoint", empty=True),
        imds=_text(found, "imds"),
        root=_text(found, "root") == "yes",
        max_minutes=_minutes(found.get("max_minutes")),
        policy=_policy(found.get("policy")),
        config=_text(found, "config", empty=True),
    )
    _check(assignment, str(found["root"]))
    return assignment


def _check(assignment: Assignment, root: str) -> None:
    if not _JOB.fullmatch(assignment.job):
        raise HostFailure("the assignment's job is no UUID")
    if assignment.imds not in CHOICES:
        raise HostFailure(f"the assignment's imds is {assignment.imds!r}, which is no choice")
    if root not in {"no", "yes"}:
        raise HostFailure(f"the assignment's root is {root!r}, which this host cannot do")
    if assignment.root and assignment.imds == SUPERVISOR:
        raise HostFailure("imds: supervisor cannot hold for a job that is root itself")
    for line in assignment.config.splitlines():
        name = line.partition("=")[0].strip()
        if not _SETTING.fullmatch(line) or _REFUSED_SETTINGS.fullmatch(name):
            raise HostFailure(f"the assignment's agent config sets {name!r}, which it must not")


def _text(found: Mapping[str, Any], name: str, *, empty: bool = False) -> str:
    value = found.get(name, "" if empty else None)
    if not isinstance(value, str) or not (value or empty) or "\0" in value:
        raise HostFailure(f"the assignment has no {name}")
    return value


def _minutes(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise HostFailure("the assignment has no max_minutes")
    return value


def _policy(value: object) -> Mapping[str, Any]:
    rules = value.get("rules") if isinstance(value, Mapping) else None
    repository = value.get("repository") if isinstance(value, Mapping) else 0
    readable = isinstance(rules, list) and all(isinstance(rule, str) for rule in rules)
    if not readable or not (repository is None or isinstance(repository, str)):
        raise HostFailure("the assignment has no readable policy")
    return {"rules": rules, "repository": repository}
