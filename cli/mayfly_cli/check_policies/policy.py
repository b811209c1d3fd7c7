"""The rights that `mayfly check-policies` needs: to read a deployment and to ask the simulator."""

from __future__ import annotations

from typing import Any

READS = (
    *("cloudformation:DescribeStacks", "cloudformation:ListStackResources"),
    *("iam:GetPolicy", "iam:GetPolicyVersion"),
    *("iam:SimulateCustomPolicy", "iam:SimulatePrincipalPolicy", "ssm:GetParameter"),
)


def policy(partition: str = "aws", stack: str = "*") -> dict[str, Any]:
    """The policy document, for one stack or for any."""
    here = f"arn:{partition}"
    infra = f"{here}:ssm:*:*:parameter/mayfly-infra/{stack}/queues/*"
    people = f"{here}:iam::*:policy/mayfly/{stack}/people/*"
    return {
        "Version": "2012-10-17",
        "Statement": [
            _allow(READS[0:2], [f"{here}:cloudformation:*:*:stack/{stack}/*"]),
            _allow(READS[2:4], [people, f"{here}:iam::aws:policy/*"]),
            # SimulateCustomPolicy knows no resource.
            _allow(READS[4:5], ["*"]),
            _allow(READS[5:6], [f"{here}:iam::*:role/mayfly/{stack}/*"]),
            _allow(READS[6:7], [infra]),
        ],
    }


def _allow(actions: tuple[str, ...], resources: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resources}
