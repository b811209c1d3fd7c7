"""May this principal make this call? One interface, so that what decides can be exchanged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from mayfly_lab.aws.front.call import Call, Kind, Principal


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a call may go on, and why not."""

    allowed: bool
    reason: str = ""


ALLOWED = Verdict(allowed=True)


def denied(reason: str) -> Verdict:
    """A verdict against the call."""
    return Verdict(allowed=False, reason=reason)


class Authoriser(Protocol):
    """Decides before anything is done; it has no effect of its own."""

    def decide(self, principal: Principal, call: Call) -> Verdict:
        """Whether `principal` may make `call`."""


class ByPrincipal:
    """Decides by what the principal is: each kind has one authoriser; kinds without have no right.

    GetCallerIdentity needs no permission, as in AWS.
    """

    def __init__(self, authorisers: Iterable[tuple[Kind, Authoriser]]) -> None:
        self._by_kind = dict(authorisers)

    def decide(self, principal: Principal, call: Call) -> Verdict:
        """The verdict of the authoriser for the principal's kind."""
        if call.action == "sts:GetCallerIdentity":
            return ALLOWED
        authoriser = self._by_kind.get(principal.kind)
        if authoriser is None:
            return denied(f"a {principal.kind} has no rights")
        return authoriser.decide(principal, call)


class Everything:
    """Allows every call: the operators of the account."""

    def decide(self, principal: Principal, call: Call) -> Verdict:  # noqa: ARG002 - the interface
        """Always allowed."""
        return ALLOWED
