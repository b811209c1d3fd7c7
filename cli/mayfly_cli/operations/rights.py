"""Which of the stack's managed policies for people gives a right, and on what. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from mayfly.config.writers import OPERATORS, SECURITY_OWNERS, removal, writer

VIEWERS = "ViewersPolicy"
SECRETS = "SecretsOwnersPolicy"
"""Logical id of the policy in stacks/queue.yaml, and name of an output of the queue's stack."""
_BOTH: Mapping[str, str] = {
    "cloudformation": "DescribeStacks",
    "cloudwatch": "DescribeAlarmHistory DescribeAlarms GetDashboard GetMetricData"
    " GetMetricStatistics ListDashboards ListMetrics",
    "dynamodb": "BatchGetItem GetItem ListTables Query",
    "ec2": "DescribeImages DescribeInstances DescribeInstanceTypeOfferings DescribeInstanceTypes"
    " DescribeNatGateways DescribeRouteTables DescribeSubnets GetConsoleOutput",
    "iam": "GetRole",
    "lambda": "GetAccountSettings",
    "logs": "DescribeLogGroups DescribeLogStreams FilterLogEvents GetLogEvents GetLogRecord"
    " GetQueryResults StartQuery StopQuery",
    "servicequotas": "GetServiceQuota",
}
"""By service: the actions that viewers and operators may."""
_EVERYBODY = (
    *("cloudformation:DescribeStacks", "cloudwatch:DescribeAlarms"),
    *("dynamodb:GetItem", "dynamodb:ListTables", "dynamodb:Query"),
)
"""Those of them that security owners may, too: DescribeStacks only of the control plane's stack."""
_OPERATORS_ALONE = ("dynamodb:DescribeTable", "dynamodb:Scan", "ec2:TerminateInstances")
_PARAMETERS = (
    *("ssm:DescribeParameters", "ssm:GetParameter", "ssm:GetParameterHistory"),
    *("ssm:GetParameters", "ssm:GetParametersByPath"),
)
GRANTS: Mapping[str, Sequence[str]] = {
    **{
        f"{service}:{name}": (VIEWERS, OPERATORS)
        for service, names in _BOTH.items()
        for name in names.split()
    },
    **dict.fromkeys(_OPERATORS_ALONE, (OPERATORS,)),
    **dict.fromkeys((*_EVERYBODY, *_PARAMETERS), (VIEWERS, OPERATORS, SECURITY_OWNERS)),
}
"""The policies that give a right which does not depend on the parameter's name. The template is not
installed with the tool, so a test holds that this table says the same."""
WRITES = ("ssm:DeleteParameter", "ssm:DeleteParameters", "ssm:PutParameter")
_OF_OTHERS = re.compile(r":parameter/(?!mayfly/|mayfly-infra/)")
"""Parameters that are not the control plane's, as secrets of jobs."""
_PUBLISHED = re.compile(r":parameter/mayfly-infra/[^/]+/queues/")
"""What a queue's stack publishes, which of people only secrets owners read: the secrets' key."""
_RESOURCE = re.compile(r"on resource: \"?([^\s\"]+)")
"""S3 puts the ARN between quotation marks, as its users report; the other services do not."""
_DENIED_BY = re.compile(r"with an explicit deny in an? ([a-z -]+[a-z])")
_KINDS: Mapping[str, str] = {"log-group": "log group", "instance": "instance"}


def policies_for(action: str, resource: str, stack: str) -> Sequence[str]:
    """The policies that give this right; none where no policy for people does.

    `resource` is an ARN, or empty where AWS did not name one.
    """
    if action in WRITES:
        if not resource:
            return (OPERATORS, SECURITY_OWNERS)
        policy = writer(resource.rpartition(":parameter")[2])
        return (policy,) if policy else ()
    if action == "cloudformation:DescribeStacks" and f":stack/{stack}/" not in resource:
        return (VIEWERS, OPERATORS)
    return GRANTS.get(action, ())


def how_to_get(action: str, message: str, stack: str) -> str:
    """What was refused, by whom, and which policy gives it, from AWS's message."""
    found = _RESOURCE.search(message)
    resource = found[1].rstrip(".,") if found is not None and found[1] != "*" else ""
    what = f"you may not {action}{_named(resource)}"
    denied = _DENIED_BY.search(message)
    if denied is not None:
        what += f", which your {denied[1]} denies"
    if _of_secrets(action, resource):
        return f"{what}: for a queue's secrets, {SECRETS} allows it (output of the queue's stack)"
    giving = policies_for(action, resource, stack)
    if not giving:
        return (
            f"{what}: none of the stack's policies for people allows it{_instead(action, resource)}"
        )
    return f"{what}: {either(giving)} allows it (output of the stack {stack})"


def _of_secrets(action: str, resource: str) -> bool:
    """Whether the right is one of secrets owners alone."""
    reads = action not in WRITES and _PUBLISHED.search(resource) is not None
    return action.startswith("kms:") or reads or _OF_OTHERS.search(resource) is not None


def _instead(action: str, resource: str) -> str:
    """What an administrator runs to remove a parameter that people may not."""
    if action != "ssm:DeleteParameter" or ":parameter/" not in resource:
        return ""
    return f"; an administrator runs: {removal(resource.rpartition(':parameter')[2])}"


def _named(resource: str) -> str:
    """` on table ci-fleet/index/open`; empty without a resource."""
    if not resource:
        return ""
    last = resource.split(":", 5)[-1]
    if last.startswith("parameter/"):
        return f" on {last.removeprefix('parameter')}"
    kind, _, name = last.partition("/" if "/" in last.split(":")[0] else ":")
    return f" on {_KINDS.get(kind, kind)} {name.removesuffix(':*')}" if name else f" on {last}"


def either(names: Sequence[str]) -> str:
    """`A, B or C`."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last
