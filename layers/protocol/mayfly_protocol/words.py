"""Values of the parameters `imds` and `job/root`, in queues, assignments and on hosts."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Imds(str, Enum):
    """Users that can reach the instance metadata service (IMDS) while the job runs."""

    OFF = "off"
    """No user, root included."""
    SUPERVISOR = "supervisor"
    """Root only."""
    JOB = "job"
    """All users, the job included."""

    def __str__(self) -> str:
        """The value. Without this method, f-strings differ between Python 3.9 and 3.12."""
        return str(self.value)


ROOT: Mapping[str, bool] = {"no": False, "yes": True}
"""Whether the job runs as root, by value of `job/root`."""
