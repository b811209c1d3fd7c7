"""AWS's own throttles: token buckets per account and Region, with AWS's numbers.

Source: EC2 developer guide "Request throttling for the EC2 API" (request and resource buckets),
Systems Manager quotas "Parameter Store throughput".
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from mayfly_lab.aws.front.call import Call, Kind, Principal, Refusal


@dataclass(frozen=True, slots=True)
class Limit:
    """A token bucket: the actions that it limits, its size, and its tokens per second."""

    name: str
    actions: tuple[str, ...]
    size: float
    per_second: float


# An action takes its token from the first limit that names the action.
LIMITS = (
    Limit("RunInstances", ("ec2:RunInstances",), 5, 2),
    Limit("StartInstances", ("ec2:StartInstances",), 5, 2),
    Limit("TerminateInstances", ("ec2:TerminateInstances",), 100, 5),
    Limit("associations", ("ec2:AssociateIam*", "ec2:DisassociateIam*"), 100, 5),
    Limit("reads", ("ec2:Describe*", "ec2:Get*"), 100, 20),
    Limit("writes", ("ec2:*",), 50, 5),
    Limit(
        "parameters",
        ("ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"),
        40,
        40,
    ),
    Limit("parameter writes", ("ssm:PutParameter", "ssm:DeleteParameter*"), 3, 3),
)


class Buckets:
    """Counts calls against AWS's limits. Thread-safe.

    Calls of people are not counted: one person of the lab stands for many over many days.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._levels: dict[str, tuple[float, float]] = {}

    def spend(self, principal: Principal, call: Call) -> None:
        """Take a token for the call.

        Raises:
            Refusal: the call's bucket is empty.
        """
        if principal.kind in {Kind.ADMINISTRATOR, Kind.LAB, Kind.PERSON}:
            return
        for limit in LIMITS:
            if any(fnmatchcase(call.action, action) for action in limit.actions):
                if not self._take(limit):
                    raise Refusal("Throttling", f"Request limit exceeded ({limit.name})")
                return

    def _take(self, limit: Limit) -> bool:
        now = self._clock()
        with self._lock:
            level, since = self._levels.get(limit.name, (limit.size, now))
            level = min(limit.size, level + (now - since) * limit.per_second)
            taken = level >= 1
            self._levels[limit.name] = (level - 1 if taken else level, now)
        return taken
