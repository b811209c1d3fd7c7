"""What EC2's words of stops and starts mean: those that Mayfly commanded, and those it did not."""

from __future__ import annotations

from collections.abc import Mapping

from mayfly.answers import Ec2Instance
from mayfly.records.model import Instance
from mayfly.records.states import Running, Stop

_CONDEMNING_STOPS: Mapping[Stop, frozenset[str]] = {
    Stop.EXPECTED: frozenset(),
    Stop.COMPLETES: frozenset(),
    Stop.CONDEMNS_AT_END: frozenset({"stopped"}),
    Stop.CONDEMNS: frozenset({"stopping", "stopped"}),
}
_RUNS = frozenset({"pending", "running"})


def from_outside(instance: Instance, seen: Ec2Instance | None) -> str:
    """Who stopped or started an instance that may not be; empty where nobody did.

    Only a start that Mayfly commanded has an order for its boot. Any other boot may hold a profile
    that was given to the instance while it was stopped.
    """
    traits = instance.state.traits
    if seen is None:
        return ""
    if seen.state in _CONDEMNING_STOPS[traits.stop]:
        return "the instance was stopped from outside"
    if seen.state in _RUNS and traits.running is Running.CONDEMNS:
        return "the stopped instance was started from outside"
    return ""


def has_stopped(instance: Instance, seen: Ec2Instance | None) -> bool:
    """Whether the stop that Mayfly commanded has come to its end."""
    stops = instance.state.traits.stop is Stop.COMPLETES
    return stops and seen is not None and seen.state == "stopped"
