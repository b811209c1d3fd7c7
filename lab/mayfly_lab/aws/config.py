"""Configuration of a local AWS: names and stated delays."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

ACCOUNT = "123456789012"
"""moto's account for access keys unknown to moto."""


@dataclass(frozen=True, slots=True)
class Delays:
    """Delays of AWS, in seconds; shorter than in the real AWS."""

    pending: float = 1.0
    """From the launch to `running`, when the machine gets its power."""
    stopping: float = 1.0
    shutting_down: float = 0.5
    association: float = 0.3
    """From `associating` to `associated`."""
    imds_swap: float = 0.7
    """From a replaced association until IMDS serves the new profile."""
    imds_linger: float = 3.0
    """From then until IMDS no longer serves the old role's credentials by name."""
    describe: float = 0.3
    """From a launch until Describe calls show the instance."""
    events: float = 0.1
    """From a change to the start of an EventBridge rule's target."""
    trail: float = 5.0
    """From a call to CloudTrail's event of it, about five minutes in AWS."""
    stream: float = 0.2
    """From a write to the start of the table stream's function."""
    queue: float = 0.05
    """From a message to the start of the queue's function."""
    minute: float = 60.0
    """Length of a schedule's minute; tests shorten it."""
    first_tick: float = 0.0
    """From the start of the triggers to the first firing of every schedule."""
    spot_warning: float = 120.0
    """From a spot interruption warning to the interruption."""
    terminated_shown: float = 3600.0
    """From its termination until Describe calls omit an instance."""


@dataclass(frozen=True, slots=True)
class LabConfig:
    """Settings of a local AWS."""

    home: Path
    """Directory for the logs and the journal; kept at the end."""
    region: str = "us-east-1"
    delays: Delays = field(default_factory=Delays)
    credentials_lifetime: timedelta = timedelta(hours=6)
    throttling: bool = True
    """Whether AWS's own request limits apply to functions and instances."""
    port: int = 0
    """Port on loopback; 0 for any free port."""
    latency: float = 0.0
    """Seconds added to every call for the network round trip."""
    traces: bool = False
    """Whether calls are kept word for word (see `Traffic`), in memory that grows until the end."""
    concurrency: int = 10
    """Most invocations of all functions together at once (a new account's quota)."""
