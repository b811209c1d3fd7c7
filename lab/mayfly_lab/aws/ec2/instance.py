"""One instance of the local EC2."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from mayfly_lab.aws.ec2.states import State

# StateReason codes of DescribeInstances.
BY_USER = "Client.UserInitiatedShutdown"
BY_ITSELF = "Client.InstanceInitiatedShutdown"
BY_SPOT = "Server.SpotInstanceTermination"
BY_EC2 = "Server.InternalError"


class Bus(Protocol):
    """The event bus, to which AWS services publish."""

    def emit(self, source: str, detail_type: str, detail: Mapping[str, Any]) -> None:
        """Publish one event on the default bus, and return at once."""


@dataclass(slots=True)
class Instance:
    """An instance: moto's object holds its properties, the other fields its life in the lab."""

    moto: Any
    user_data: bytes
    reservation: str
    visible_at: float
    """Describe calls omit the instance before this time, in seconds since the epoch."""
    state: State = State.PENDING
    boots: int = 0
    powered: bool = False
    reason: str = ""
    terminated_at: float | None = None
    interrupted_at: datetime | None = None
    skew: float = 0.0
    """Seconds by which the instance's clock is fast."""
    power: threading.Lock = field(default_factory=threading.Lock)
    """Held while the machine is switched on or off, so that the two never overlap."""

    @property
    def instance_id(self) -> str:
        """The EC2 instance id."""
        return str(self.moto.id)

    @property
    def instance_type(self) -> str:
        """The instance type, such as `m7i.large`."""
        return str(self.moto.instance_type)

    @property
    def spot(self) -> bool:
        """Whether the instance is a spot instance."""
        return bool(self.moto.lifecycle == "spot")
