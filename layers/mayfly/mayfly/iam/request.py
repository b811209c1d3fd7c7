"""A request as IAM sees it: who asks for which action on which resource, with condition keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Statement = Mapping[str, Any]
Values = str | Sequence[str]


@dataclass(frozen=True, slots=True)
class Request:
    """One action on one resource; `context` holds the condition keys that AWS would supply."""

    action: str
    resource: str
    context: Mapping[str, Values] = field(default_factory=dict)
    _folded: Mapping[str, list[str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the condition keys by lower-case name: IAM compares names without case."""
        folded = {name.lower(): as_list(value) for name, value in self.context.items()}
        object.__setattr__(self, "_folded", folded)

    def values(self, key: str) -> list[str] | None:
        """The values of a condition key, matched without regard to case; None if it is absent."""
        return self._folded.get(key.lower())


@dataclass(frozen=True, slots=True)
class Caller:
    """The principal of a request, as the element Principal of a resource policy names it."""

    arn: str
    """The ARN of a user, or of a role's session: `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
    """
    role: str = ""
    """For a session: the ARN of its role, with the path."""
    unique_id: str = ""
    """The unique id of the user or role, such as `AROA…`."""
    service: str = ""
    """For a service of AWS that calls by itself: its name, such as `events.amazonaws.com`."""
    provider: str = ""
    """For the bearer of a token, who asks for sts:AssumeRoleWithWebIdentity: the ARN of the
    account's identity provider for the token's issuer."""

    @property
    def account(self) -> str:
        """The account id; empty for a service."""
        return self.arn.split(":")[4] if self.arn.count(":") > 4 else ""


def as_list(value: Any) -> list[Any]:
    """The values as a list; IAM accepts one value in place of a list everywhere."""
    return list(value) if isinstance(value, list | tuple | set | frozenset) else [value]
