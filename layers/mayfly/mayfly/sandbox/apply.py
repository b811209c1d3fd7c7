"""Applies the actions of `sandbox`: writes records, then replaces profiles side by side."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from threading import Event
from typing import assert_never

from mayfly.errors import Transient
from mayfly.sandbox.actions import ReplaceProfile, SandboxAction
from mayfly.sandbox.ports import SandboxPorts
from mayfly.tick.actions import NudgeProvision, NudgeReap, WriteRecords
from mayfly.tick.edge import Edge
from mayfly.tick.outcome import Outcome
from mayfly.tick.side_by_side import Calls

AT_ONCE = 8
"""Replacements side by side. botocore keeps ten connections open."""
MOST_REPLACED = 48
"""Replacements begun in one tick. EC2 allows an account 50 changes at once, and 5 more a second."""
REPLACE_SECONDS = 2.0
"""Longest wait of a tick for EC2's answer to a replacement."""


def carry_out(
    actions: Sequence[SandboxAction], ports: SandboxPorts, outcome: Outcome, edge: Edge
) -> None:
    """Apply the actions in their order; profiles are replaced side by side.

    A replacement that hangs or is throttled holds up no write, and the next tick tries it again.
    """
    replacements = Replacements(ports, outcome, edge)
    late = 0
    for action in actions:
        if edge.clock() >= edge.stop_at:
            late += 1
            continue
        with outcome.attempt(action):
            match action:
                case ReplaceProfile():
                    replacements.begin(action)
                case _:
                    _apply(action, ports)
                    outcome.succeeded(action)
    replacements.finish()
    if late:
        text = Transient("no time is left in this tick")
        outcome.failed(f"{late} actions about instances", text)


class Replacements:
    """Replaces profiles side by side, until EC2 throttles one or a tick has begun enough."""

    def __init__(self, ports: SandboxPorts, outcome: Outcome, edge: Edge) -> None:
        self._ports = ports
        self._outcome = outcome
        self._calls: Calls[int, None] = Calls(edge, AT_ONCE, REPLACE_SECONDS)
        self._begun: list[ReplaceProfile] = []
        self._throttled = Event()

    def begin(self, action: ReplaceProfile) -> None:
        """Write what precedes a replacement, then begin its call.

        Raises Transient when this tick begins none any more, and what the records raise.
        """
        if len(self._begun) == MOST_REPLACED:
            raise Transient(f"a tick begins {MOST_REPLACED} replacements")
        self._check_throttle()
        if action.first:
            self._ports.fleet.write(action.first)
        self._calls.begin(len(self._begun), partial(self._replace, action))
        self._begun.append(action)

    def finish(self) -> None:
        """Take EC2's answers as they come."""
        for number, failure in self._calls.answers():
            action = self._begun[number]
            with self._outcome.attempt(action):
                if failure is not None:
                    raise failure
                self._outcome.succeeded(action)

    def _replace(self, action: ReplaceProfile) -> None:
        self._check_throttle()
        profile = action.instance.pinned.sandbox_profile
        try:
            self._ports.machines.replace_profile(action.association, profile)
        except Transient:
            self._throttled.set()
            raise

    def _check_throttle(self) -> None:
        """Raise Transient after a throttled call: further ones would be throttled too."""
        if self._throttled.is_set():
            raise Transient("not begun, because EC2 throttles")


def _apply(action: WriteRecords | NudgeProvision | NudgeReap, ports: SandboxPorts) -> None:
    """Apply one action. Raises what the ports raise."""
    match action:
        case WriteRecords():
            ports.fleet.write(action.changes)
        case NudgeProvision():
            ports.nudges.send(action.reason)
        case NudgeReap():
            ports.reap_nudges.send(action.reason)
        case _:
            assert_never(action)
