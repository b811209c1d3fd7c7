"""What the stacks of the run's queues have published: roles, profiles, launch templates."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

STACK = "ci"
_ACCOUNT = "123456789012"


class Profiles:
    """Names of roles and profiles, by queue."""

    def __init__(self, queues: Sequence[str]) -> None:
        self.queues = tuple(queues)

    def arn(self, kind: str, side: str, queue: str) -> str:
        """The ARN of a queue's role or profile; `side` is `bootstrap` or `sandbox`."""
        return f"arn:aws:iam::{_ACCOUNT}:{kind}/mayfly/{STACK}/{side}/{queue}/mayfly-{side}"

    def role_id(self, side: str, queue: str) -> str:
        """The unique id of a queue's role."""
        return f"AROA{side.upper()}{queue.upper().replace('-', '')}".ljust(21, "A")[:21]

    def bootstrap_row(self, queue: str, instance_id: str) -> str:
        """The mailbox row of an instance with its bootstrap profile."""
        return f"{self.role_id('bootstrap', queue)}:{instance_id}"

    def sandbox_row(self, queue: str, instance_id: str) -> str:
        """The mailbox row of an instance with its sandbox profile."""
        return f"{self.role_id('sandbox', queue)}:{instance_id}"

    def sandbox_profile(self, queue: str) -> str:
        """The ARN of a queue's sandbox profile."""
        return self.arn("instance-profile", "sandbox", queue)

    def templates(self) -> Mapping[str, str]:
        """By id of each launch template: the profile that it gives."""
        return {
            template["id"]: self.arn("instance-profile", "bootstrap", queue)
            for queue in self.queues
            for template in self._templates(queue).values()
        }

    def publication(self, queue: str) -> str:
        """The JSON that the queue's stack publishes."""
        sides = {
            f"{side}_{what}": self.arn(kind, side, queue)
            for side in ("bootstrap", "sandbox")
            for what, kind in (("profile", "instance-profile"), ("role", "role"))
        }
        ids = {f"{side}_role_id": self.role_id(side, queue) for side in ("bootstrap", "sandbox")}
        return json.dumps(
            {
                "protocol": 1,
                "queue": queue,
                "templates": self._templates(queue),
                **sides,
                **ids,
                "subnets": ["subnet-0a", "subnet-0b"],
                "script_prefix": "scripts/mayfly/",
            }
        )

    def _templates(self, queue: str) -> Mapping[str, Mapping[str, str]]:
        place = self.queues.index(queue)
        return {
            kind: {"id": f"lt-{place:08x}{number:09x}", "version": "1"}
            for number, kind in enumerate(("x86_64", "arm64"))
        }
