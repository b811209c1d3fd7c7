"""Principals, calls and refusals, as all of the front door uses them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """The kind of a principal."""

    ADMINISTRATOR = "administrator"
    """The account's owner, who deploys the stacks, and the lab itself."""
    PERSON = "person"
    """A person with a policy of the control plane's stack, such as an operator."""
    FUNCTION = "function"
    BOOTSTRAP = "bootstrap"
    SANDBOX = "sandbox"
    INSTANCE = "instance"
    """An instance with a profile that is neither a bootstrap nor a sandbox profile."""


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

    @property
    def account(self) -> str:
        """The account id in the principal's ARN."""
        return self.arn.split(":")[4]


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
