"""Decides whether a principal may make a call; the interface, so that tests can replace it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mayfly_lab.aws.front.call import Call, Principal


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
