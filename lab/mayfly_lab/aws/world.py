"""State that all parts of the local AWS share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mayfly_lab.aws.cloud import Cloud
from mayfly_lab.aws.config import Delays, LabConfig
from mayfly_lab.aws.front.credentials import Credentials
from mayfly_lab.aws.front.journal import Journal
from mayfly_lab.aws.timers import Timers
from mayfly_lab.faults import Faults


@dataclass(frozen=True, slots=True)
class World:
    """One local AWS's configuration, clock, timers, journal, faults and credentials."""

    config: LabConfig
    cloud: Cloud
    journal: Journal
    faults: Faults = field(default_factory=Faults)
    timers: Timers = field(default_factory=Timers)
    credentials: Credentials = field(default_factory=Credentials)
    clock: Callable[[], float] = time.time
    lock: threading.RLock = field(default_factory=threading.RLock)
    """Held during every call into moto, which has no locks where Mayfly depends on atomic calls."""

    @property
    def delays(self) -> Delays:
        """The stated delays."""
        return self.config.delays
