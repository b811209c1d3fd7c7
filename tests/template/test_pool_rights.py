"""Who may stop and start instances, and write the orders for their boots: `provision` alone."""

from __future__ import annotations

from typing import Any

import pytest

from mayfly.iam.evaluation import Request, decide
from tests.template.function_requests import (
    ASSIGNMENT,
    BOOTSTRAP,
    IAM,
    INSTANCE,
    MAILBOX,
    NOTICE,
    OURS,
    RETURNED,
    SANDBOX,
    SWAP,
    SWAP_ACTION,
    without,
)
from tests.template.test_function_rights import Resources, statements

OURS_OF_LINUX = {"aws:ResourceTag/mayfly-stack": "acme", "aws:ResourceTag/mayfly-queue": "linux"}
SANDBOXED = {**OURS_OF_LINUX, "ec2:InstanceProfile": f"{SANDBOX}/linux/P"}
ORDER = {
    "dynamodb:LeadingKeys": ["start/AROA1:i-1"],
    "dynamodb:Attributes": ["key", "order", "expires"],
}
CASES = [
    # provision neither ends an instance, nor gives it a profile, nor reads its rows
    ("provision", False, "ec2:TerminateInstances", INSTANCE, OURS),
    ("provision", False, SWAP_ACTION, INSTANCE, SWAP),
    ("provision", False, "dynamodb:GetItem", MAILBOX, {}),
    # provision: stops and starts what holds the sandbox profile of its own queue
    *(
        ("provision", allowed, f"ec2:{verb}Instances", INSTANCE, context)
        for verb in ("Start", "Stop")
        for allowed, context in (
            (True, SANDBOXED),
            (False, SANDBOXED | {"ec2:InstanceProfile": f"{BOOTSTRAP}/linux/P"}),
            (False, SANDBOXED | {"ec2:InstanceProfile": f"{SANDBOX}/other/P"}),
            (False, SANDBOXED | {"ec2:InstanceProfile": f"{IAM}:instance-profile/admin"}),
            (False, SANDBOXED | {"aws:ResourceTag/mayfly-stack": "other"}),
            (False, SANDBOXED | {"aws:ResourceTag/mayfly-queue": "*"}),
            (False, without(SANDBOXED, "aws:ResourceTag/mayfly-queue")),
            (False, OURS_OF_LINUX),
        )
    ),
    ("provision", True, "dynamodb:UpdateItem", MAILBOX, ORDER),
    ("provision", False, "dynamodb:UpdateItem", MAILBOX, ORDER | RETURNED),
    ("provision", False, "dynamodb:UpdateItem", MAILBOX, NOTICE),
    ("provision", False, "dynamodb:UpdateItem", MAILBOX, ASSIGNMENT),
    *(
        ("provision", False, "dynamodb:UpdateItem", MAILBOX, ORDER | {"dynamodb:LeadingKeys": keys})
        for keys in (["AROA1:i-1"], ["start/AROA1:i-1", "AROA1:i-1"], ["Start/AROA1:i-1"], [])
    ),
    *(
        (
            *("provision", False, "dynamodb:UpdateItem", MAILBOX),
            ORDER | {"dynamodb:Attributes": ["key", "order", "expires", name]},
        )
        for name in ("report", "assignment", "notice", "Order")
    ),
    ("reap", False, "dynamodb:UpdateItem", MAILBOX, ORDER),
    ("reap", False, "ec2:StartInstances", INSTANCE, SANDBOXED),
    ("sandbox", False, "ec2:StartInstances", INSTANCE, SANDBOXED),
]


@pytest.mark.parametrize(("function", "allowed", "action", "resource", "context"), CASES)
def test_only_provision_stops_and_starts_and_only_sandboxed_instances(
    control: Resources,
    function: str,
    allowed: bool,
    action: str,
    resource: str,
    context: dict[str, Any],
) -> None:
    request = Request(action, resource, context)
    assert decide(request, statements(control, function)).allowed is allowed
