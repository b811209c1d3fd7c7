"""The ports of `provision`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from mayfly.ports import Fleet, History, Machines, Mailbox, Nudges, Parameters, PriceList, Roles


@dataclass(slots=True)
class Asked:
    """Memory of this process, of no account to any decision: when its last nudge arrives."""

    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class ProvisionPorts:
    """The ports of `provision`, and the name of the control plane's stack."""

    stack: str
    fleet: Fleet
    history: History
    mailbox: Mailbox
    machines: Machines
    parameters: Parameters
    roles: Roles
    prices: PriceList
    reap_nudges: Nudges
    nudges: Nudges
    """Nudges of `provision` itself, for a later tick."""
    region: str
    token_parameter: str
    """Name of the SSM parameter of the agent token, which no role of a queue may read. `provision`
    knows the name alone."""
    asked: Asked = field(default_factory=Asked)
    sizes: frozenset[str] = frozenset({"*"})
    """Instance sizes that the function's role may launch; `*` for every size."""
