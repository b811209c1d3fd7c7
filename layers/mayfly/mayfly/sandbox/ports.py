"""The ports of `sandbox`."""

from __future__ import annotations

from dataclasses import dataclass

from mayfly.ports import Fleet, Machines, Mailbox, Nudges


@dataclass(frozen=True, slots=True)
class SandboxPorts:
    """The ports of `sandbox`."""

    fleet: Fleet
    mailbox: Mailbox
    machines: Machines
    nudges: Nudges
    reap_nudges: Nudges
