"""What `dispatch` may touch."""

from __future__ import annotations

from dataclasses import dataclass

from mayfly.ports import Buildkite, Fleet, Nudges, Parameters


@dataclass(frozen=True, slots=True)
class DispatchPorts:
    """The ports of dispatch, and where its agents shall call."""

    fleet: Fleet
    buildkite: Buildkite
    parameters: Parameters
    nudges: Nudges
    agent_endpoint: str = ""
    """Empty: Buildkite's own address."""
