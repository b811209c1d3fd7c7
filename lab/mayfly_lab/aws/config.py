"""What a local AWS is: its names and its stated delays."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

ACCOUNT = "123456789012"
"""moto's account, for every access key that it does not know itself."""


@dataclass(frozen=True, slots=True)
class Delays:
    """How long AWS takes, in seconds: shorter than the real ones, and each of them stated."""

    pending: float = 1.0
    """From the launch to `running`, when the machine gets its power."""
    stopping: float = 1.0
    shutting_down: float = 0.5
    association: float = 0.3
    """From `associating` to `associated`."""
    imds_swap: float = 0.7
    """From a replaced association to the moment when IMDS serves the new profile."""
    imds_linger: float = 3.0
    """How long IMDS still serves the old role's credentials by name after that."""
    describe: float = 0.3
    """How long a new instance does not show in Describe calls."""
    events: float = 0.1
    """From a change to the start of an EventBridge rule's target."""
    stream: float = 0.2
    """From a write to the start of the table stream's function."""
    queue: float = 0.05
    """From a message to the start of the queue's function."""
    minute: float = 60.0
    """How long a minute lasts for schedules: stories do not wait for it."""
    first_tick: float = 0.0
    """From the start of the triggers to the first firing of every schedule."""
    spot_warning: float = 120.0
    """From a spot interruption warning to the interruption."""
    terminated_shown: float = 3600.0
    """How long terminated instances stay listed."""


@dataclass(frozen=True, slots=True)
class LabConfig:
    """Where a local AWS keeps its files, and what it is like."""

    home: Path
    """A directory of its own; logs and the journal stay in it."""
    region: str = "us-east-1"
    delays: Delays = field(default_factory=Delays)
    credentials_lifetime: timedelta = timedelta(hours=6)
    throttling: bool = True
    """Whether AWS's own request limits apply to functions and instances."""
    port: int = 0
    """Where it listens on loopback; 0 for any free port."""
    latency: float = 0.0
    """Seconds that the way to AWS and back takes, for every call."""
    concurrency: int = 10
    """How many invocations of one function run at once (a new account's quota)."""
