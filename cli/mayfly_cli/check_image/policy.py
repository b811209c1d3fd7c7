"""The rights that `mayfly check-image` needs: on its own instance alone, known by a tag."""

from __future__ import annotations

from typing import Any

TAG = "mayfly-check-image"
_OURS = {"StringEquals": {f"aws:ResourceTag/{TAG}": "1"}}
_LAUNCH = ("image", "network-interface", "security-group", "subnet", "volume")


def policy(partition: str = "aws") -> dict[str, Any]:
    """The policy document. Descriptions and DryRun know no resource."""
    ec2 = f"arn:{partition}:ec2:*:*"
    images = f"arn:{partition}:ec2:*::image/*"
    parameters = f"arn:{partition}:ssm:*::parameter/aws/service/ami-amazon-linux-latest/*"
    launched = [images if kind == "image" else f"{ec2}:{kind}/*" for kind in _LAUNCH]
    tagged = {"StringEquals": {f"aws:RequestTag/{TAG}": "1"}}
    return {
        "Version": "2012-10-17",
        "Statement": [
            _allow(["ssm:GetParameter"], [parameters]),
            _allow(["ec2:RunInstances"], launched),
            _allow(["ec2:RunInstances"], [f"{ec2}:instance/*"], tagged),
            _allow(
                ["ec2:CreateTags"],
                [f"{ec2}:instance/*", f"{ec2}:volume/*"],
                {"StringEquals": {"ec2:CreateAction": "RunInstances"}},
            ),
            _allow(["ec2:DescribeInstances"], ["*"]),
            _allow(
                [
                    "ec2:GetConsoleOutput",
                    "ec2:StartInstances",
                    "ec2:StopInstances",
                    "ec2:TerminateInstances",
                ],
                [f"{ec2}:instance/*"],
                _OURS,
            ),
        ],
    }


def _allow(
    actions: list[str], resources: list[str], condition: dict[str, Any] | None = None
) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Action": actions, "Resource": resources}
    return {**statement, "Condition": condition} if condition else statement
