"""Settings of a room's machines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RoomConfig:
    """Settings of all machines."""

    environment: Mapping[str, str]
    """Variables added to the environment of user data, such as AWS_ENDPOINT_URL."""
    account: str
    boot_seconds: float = 1.0
    """From power-on to the start of user data: the time of a kernel and systemd. Whole machines
    take their own time."""
    stop_seconds: float = 2.0
    """Most time for processes to end when the machine shuts down. Whole machines take their own."""
    off_seconds: float = 10.0
    """Most time from the power button to the cut of a machine that EC2 stops, terminates or
    reboots. EC2 User Guide, "Methods for terminating an instance": by default EC2 attempts a
    graceful shutdown of the operating system; it gives it minutes."""
    decoys: bool = True
    """Whether the image has a service that uses the role's credentials."""
    consoles: Path | None = None
    """A folder that gets a file for each power-on: the whole console, each line after the seconds
    since power-on."""
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    """Clock of the metadata services; returns aware times."""
