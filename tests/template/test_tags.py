"""What can carry the stack's tag carries it; what cannot is named here."""

from __future__ import annotations

from typing import Any

from mayfly_cli.templates.resolution import Deployment
from tests.template.test_function_rights import ACTIONS, statements

Resources = dict[str, dict[str, Any]]

UNTAGGED = {
    # CloudFormation gives these types no tags.
    "AWS::IAM::ManagedPolicy",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::LayerVersion",
    "AWS::Lambda::Permission",
    "AWS::SQS::QueuePolicy",
    # SAM makes the mappings, without tags.
    "AWS::Lambda::EventSourceMapping",
    # CloudFormation would give a stack's tags to everything in it, where they are already.
    "AWS::CloudFormation::Stack",
}
BY_SAM = {"Tick", "ParameterChange", "ParameterCall"}
"""Ends of the names of rules that SAM makes, without tags."""


def tags(resource: dict[str, Any]) -> dict[str, str]:
    found = resource["Properties"].get("Tags", {})
    return found if isinstance(found, dict) else {tag["Key"]: tag["Value"] for tag in found}


def test_everything_that_can_carry_a_tag_carries_the_stacks(
    control_template: dict[str, Any],
) -> None:
    given = {"AlarmAddress": "ci@example.org"}
    for name, resource in Deployment(control_template, "acme", given).resources.items():
        by_sam = resource["Type"] == "AWS::Events::Rule" and name.endswith(tuple(BY_SAM))
        if not by_sam and resource["Type"] not in UNTAGGED:
            assert tags(resource).get("mayfly-stack") == "acme", name


def test_a_rule_without_the_tag_has_a_name_by_which_hosts_are_denied_it(
    control_template: dict[str, Any],
) -> None:
    """EventBridge allows 64 characters; CloudFormation cuts the stack's name in longer names."""
    stack = "s" * 51
    for name, resource in Deployment(control_template, stack, {}).resources.items():
        if resource["Type"] == "AWS::Events::Rule" and not tags(resource):
            own = resource["Properties"]["Name"]
            assert own.startswith(f"{stack}-"), name
            assert len(own) <= 64, name


def test_the_tag_widens_no_right_of_a_function(control: Resources) -> None:
    """Rights by this tag are for instances, launch templates and keys, which this stack has not."""
    kinds = {
        resource.rpartition(":")[2].partition("/")[0]
        for function in ACTIONS
        for statement in statements(control, function)
        if "aws:ResourceTag/mayfly-stack" in str(statement.get("Condition"))
        for resource in [statement["Resource"]]
    }
    assert kinds == {"instance", "launch-template", "key"}
