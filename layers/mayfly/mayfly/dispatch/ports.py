"""The ports of `dispatch`."""

from __future__ import annotations

from dataclasses import dataclass

from mayfly.ports import Buildkite, Fleet, Nudges, Parameters


@dataclass(frozen=True, slots=True)
class DispatchPorts:
    """The ports of `dispatch`, and the endpoint for agents."""

    fleet: Fleet
    buildkite: Buildkite
    parameters: Parameters
    nudges: Nudges
    reap_nudges: Nudges
    agent_endpoint: str = ""
    """URL that agents call; empty for Buildkite's own address."""
