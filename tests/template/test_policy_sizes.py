"""Every policy of the control plane fits, even with the longest names."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mayfly_cli.templates.resolution import REGION, Deployment

Resources = dict[str, dict[str, Any]]

STACK = "s" * 51
"""The longest name that a queue's stack accepts for its control plane's."""
PARAMETERS = {
    "DispatchSubnets": "subnet-0a",
    "DispatchSecurityGroups": "sg-0a",
    # The longest name that SSM takes is 1,011 characters, with the ARN in front of it.
    "TokenParameter": "/" + "t" * 900,
    "TokenKmsKey": f"arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/{'k' * 40}",
}
ROLES = [f"{name}FunctionRole" for name in ("Dispatch", "Provision", "Sandbox", "Reap")]


@pytest.fixture(scope="module")
def longest(control_template: dict[str, Any]) -> Resources:
    return Deployment(control_template, STACK, PARAMETERS).resources


def size(document: Any, separators: tuple[str, str]) -> int:
    """Characters of the document in the region and partition with the longest names."""
    text = json.dumps(document, separators=separators)
    return len(text.replace(REGION, "r" * 14).replace("arn:aws:", "arn:aws-us-gov:"))


@pytest.mark.parametrize("role", ROLES)
def test_the_inline_policies_of_a_role_fit(longest: Resources, role: str) -> None:
    """IAM allows 10,240 characters for all of them, without white space."""
    documents = [each["PolicyDocument"] for each in longest[role]["Properties"]["Policies"]]
    assert sum(size(each, (",", ":")) for each in documents) <= 10_240


@pytest.mark.parametrize("table", ["FleetTable", "MailboxTable"])
def test_the_policy_of_a_table_fits(longest: Resources, table: str) -> None:
    """DynamoDB allows 20 KB and counts white space. Source: rbac-considerations.html."""
    document = longest[table]["Properties"]["ResourcePolicy"]["PolicyDocument"]
    assert size(document, (", ", ": ")) <= 20 * 1024
