"""One instance of the local EC2."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from mayfly_lab.aws.ec2.states import State

# StateReason codes, as DescribeInstances shows them.
BY_USER = "Client.UserInitiatedShutdown"
BY_ITSELF = "Client.InstanceInitiatedShutdown"
BY_SPOT = "Server.SpotInstanceTermination"
BY_EC2 = "Server.InternalError"


class Bus(Protocol):
    """Where AWS services put their events."""

    def emit(self, source: str, detail_type: str, detail: Mapping[str, Any]) -> None:
        """Publish one event on the default bus; returns at once."""


@dataclass(slots=True)
class Instance:
    """What an instance is made of is moto's, how it lives is ours."""

    moto: Any
    user_data: bytes
    reservation: str
    visible_at: float
    """Before this moment Describe calls do not show it."""
    state: State = State.PENDING
    boots: int = 0
    powered: bool = False
    reason: str = ""
    terminated_at: float | None = None
    interrupted_at: datetime | None = None
    skew: float = 0.0
    """By how many seconds its clock is fast."""
    power: threading.Lock = field(default_factory=threading.Lock)
    """Held while the machine is switched on or off, so that the two never overlap."""

    @property
    def instance_id(self) -> str:
        """Its id."""
        return str(self.moto.id)

    @property
    def instance_type(self) -> str:
        """Its type."""
        return str(self.moto.instance_type)

    @property
    def spot(self) -> bool:
        """Whether it is a spot instance."""
        return bool(self.moto.lifecycle == "spot")
