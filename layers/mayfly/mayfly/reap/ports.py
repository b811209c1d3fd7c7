"""The ports of `reap`."""

from __future__ import annotations

from dataclasses import dataclass

from mayfly.ports import Fleet, LastWords, Machines, Mailbox, Nudges


@dataclass(frozen=True, slots=True)
class ReapPorts:
    """The ports of `reap`."""

    fleet: Fleet
    mailbox: Mailbox
    machines: Machines
    nudges: Nudges
    words: LastWords
