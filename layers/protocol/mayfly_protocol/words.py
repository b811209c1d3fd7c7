"""Words of the parameters `imds` and `job/root`, as queues, assignments and hosts use them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Imds(str, Enum):
    """Who reaches the instance metadata service while the job runs."""

    OFF = "off"
    """Nobody."""
    SUPERVISOR = "supervisor"
    """Root alone."""
    JOB = "job"
    """Everybody."""

    def __str__(self) -> str:
        """The word. Without this, f-strings of Python 3.12 and 3.9 differ."""
        return str(self.value)


ROOT: Mapping[str, bool] = {"no": False, "yes": True}
"""By word of `job/root`: whether the job runs as root."""
