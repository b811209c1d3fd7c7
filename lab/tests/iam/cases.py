"""One question to both evaluators."""

from __future__ import annotations

from dataclasses import dataclass

from mayfly.iam.evaluation import Caller, Policies, Request


@dataclass(frozen=True, slots=True)
class Case:
    """A request of one caller, with all policies that decide about the request."""

    title: str
    request: Request
    caller: Caller
    policies: Policies
