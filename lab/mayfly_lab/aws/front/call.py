"""Principals, calls and refusals, as all of the front door uses them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mayfly.iam.evaluation import Caller, Policies


class Kind(StrEnum):
    """The kind of a principal."""

    ADMINISTRATOR = "administrator"
    """The account's owner, who deploys the stacks, and the lab itself."""
    PERSON = "person"
    """A person with a policy of the control plane's stack, such as an operator."""
    LAB = "lab"
    """The lab itself, which deploys the stacks and reads for reports; no principal of the account.
    """
    FUNCTION = "function"
    BOOTSTRAP = "bootstrap"
    SANDBOX = "sandbox"
    INSTANCE = "instance"
    """An instance with a profile that is neither a bootstrap nor a sandbox profile."""
    ROLE = "role"
    """A session of a role by sts:AssumeRole."""


@dataclass(frozen=True, slots=True)
class Principal:
    """The identity that AWS sees behind a request."""

    userid: str
    """`aws:userid`: for a role `<role unique id>:<session name>`."""
    arn: str
    kind: Kind
    name: str
    """The function's short name, the instance id, or the person's name."""
    stack: str = ""
    """The control stack of the principal."""
    queue: str = ""
    session_policies: tuple[str, ...] = ()
    """The policies, as JSON, that the caller of sts:AssumeRole gave for the session."""

    tags: tuple[tuple[str, str], ...] = ()
    """The session tags, by key; they hide the role's own tags of these keys."""
    transitive: frozenset[str] = frozenset()
    """Keys of session tags that a session of another role inherits from this one."""

    @property
    def account(self) -> str:
        """The account id in the principal's ARN."""
        return self.arn.split(":")[4]


@dataclass(frozen=True, slots=True)
class Decided:
    """One of IAM's requests for a call, with what decided it."""

    action: str
    resource: str
    context: Mapping[str, str | Sequence[str]]
    """All condition keys of the request."""
    allowed: bool
    by: str
    """The kind of the policy that decided, in AWS's words; `no mapping` if the lab knows none."""
    sid: str | None
    explicit: bool
    """Whether a statement decided; False where none applied."""
    caller: Caller | None = field(default=None, repr=False)
    policies: Policies | None = field(default=None, repr=False)
    """Who asked, and the policies in force then, for a second opinion; None without a mapping."""

    def shown(self) -> dict[str, Any]:
        """The decision as plain data: action, resource, context, verdict, by, sid."""
        return {
            "action": self.action,
            "resource": self.resource,
            "context": dict(self.context),
            "verdict": "allowed" if self.allowed else "denied",
            "by": self.by,
            "sid": self.sid,
        }


@dataclass(frozen=True, slots=True)
class Call:
    """One operation of one service, with its parameters by their names in the API model.

    The parameters are as the client sent them, with its secrets; the journal gets a call without
    secrets (see `scrub`).
    """

    service: str
    operation: str
    parameters: Mapping[str, Any]
    by: Principal | None = None
    """Who makes the call; None before the caller is known."""
    decided: list[Decided] = field(default_factory=list, compare=False, repr=False)
    """What IAM decided for the call so far."""

    @property
    def action(self) -> str:
        """`service:Operation`, as in policies and faults."""
        return f"{self.service}:{self.operation}"


class Refusal(Exception):
    """AWS refuses a call, with a code, a message and an HTTP status for the client.

    `status` None means the status that the service's protocol has for the code.
    """

    def __init__(self, code: str, message: str, status: int | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
