"""What CloudFormation says of the deployed stacks, and the answers with which they were made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mayfly.config.queue import QueueConfig
from mayfly_cli.account import Account
from mayfly_cli.findings import Finding, Unknown, ok, unknown, warning, wrong
from mayfly_cli.preflight.answers import Answers

_CONTROL = ("TokenParameter", "TokenKmsKey", "InstanceSizes", "DispatchSubnets")
_NETWORK = ("VpcId", "Subnets", "AssignPublicIp")
_QUEUE = (
    *("AgentVersion", "AgentSha256Amd64", "AgentSha256Arm64", "AgentArchiveUrl"),
    *("AmazonLinuxX8664", "AmazonLinuxArm64", "OwnImageX8664", "OwnImageArm64"),
    *("RootDeviceName", "RootVolumeKey", "SandboxRoleName"),
)
_IMAGES = {"OwnImageX8664": "AmazonLinuxX8664", "OwnImageArm64": "AmazonLinuxArm64"}
"""An own image, and the parameter that names the image where there is no own one."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack as DescribeStacks shows it."""

    name: str
    status: str
    parameters: Mapping[str, str]
    """Values, with defaults; of a parameter that names an SSM parameter, the value found there."""


def described(account: Account, name: str) -> Stack | Unknown | None:
    """The stack with this name or ARN; None if CloudFormation has no such stack."""
    # CloudFormation answers ValidationError for a stack that does not exist.
    found = account.ask("cloudformation", "describe_stacks", ("ValidationError",), StackName=name)
    if found is None or isinstance(found, Unknown):
        return found
    shown = found["Stacks"][0]
    values = {
        str(each["ParameterKey"]): str(each.get("ResolvedValue") or each.get("ParameterValue", ""))
        for each in shown.get("Parameters", ())
    }
    return Stack(str(shown["StackName"]), str(shown["StackStatus"]), values)


def state(subject: str, stack: Stack | Unknown | None, region: str) -> Finding:
    """The finding about a stack's own state."""
    match stack:
        case Unknown(reason):
            return unknown(subject, reason)
        case None:
            return wrong(subject, "CloudFormation has no such stack: what it made is left over")
        case Stack(name, status) if status in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
            return ok(subject, f"{name} is {status}")
        case Stack(name, status) if status == "UPDATE_ROLLBACK_FAILED":
            command = "aws cloudformation continue-update-rollback"
            return wrong(subject, f"{name} is {status}", f"{command} {_of(name, region)}")
        case Stack(name, status) if status.endswith("_FAILED") or status == "ROLLBACK_COMPLETE":
            return wrong(subject, f"{name} is {status}", _events(name, region))
        case Stack(name, "UPDATE_ROLLBACK_COMPLETE"):
            detail = f"the latest update of {name} failed, and the version before it is deployed"
            return warning(subject, detail, _events(name, region))
        case Stack(name, status):
            return warning(subject, f"{name} is {status}")


def answers_of(
    control: Stack, queue: str, stack: Stack, config: QueueConfig, name: str
) -> Answers | Unknown:
    """The answers with which a queue was deployed; Unknown for stacks of another version.

    `name` is that of the control plane's stack.
    """
    for shown, needed in ((control, _CONTROL), (stack, (*_NETWORK, *_QUEUE))):
        if missing := [each for each in needed if each not in shown.parameters]:
            return Unknown(
                f"{shown.name} is of another version than this tool: "
                f"it has no parameter {missing[0]}"
            )
    given = dict(stack.parameters)
    # The image that instances have, and not the one that Amazon's parameter names by now.
    given |= {own: given[own] or given[public] for own, public in _IMAGES.items()}
    network = {each: given[each] for each in _NETWORK}
    return Answers(name, {**control.parameters, **network, "QueueKey": queue}, given, config)


def _of(name: str, region: str) -> str:
    return f"--region {region} --stack-name {name}"


def _events(name: str, region: str) -> str:
    return f"aws cloudformation describe-stack-events {_of(name, region)}"
