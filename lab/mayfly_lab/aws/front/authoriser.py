"""Decides whether a principal may make a call; the interface, so that tests can replace it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from mayfly_lab.aws.front.call import Call, Kind, Principal


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a call is allowed, and the reason of a denial."""

    allowed: bool
    reason: str = ""
    message: str = ""
    """AWS's message for the client; empty for a message with the reason."""


ALLOWED = Verdict(allowed=True)


def denied(reason: str, message: str = "") -> Verdict:
    """A verdict that denies the call."""
    return Verdict(False, reason, message)


class Authoriser(Protocol):
    """Decides before a call is carried out. A decision has no effects."""

    def decide(self, principal: Principal, call: Call) -> Verdict:
        """Whether `principal` may make `call`."""


class ByPrincipal:
    """One authoriser for each kind of principal; kinds without an authoriser have no rights.

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
    """Allows every call. For the account's administrator."""

    def decide(self, principal: Principal, call: Call) -> Verdict:  # noqa: ARG002 - the interface
        """`ALLOWED` for every call."""
        return ALLOWED
