"""Rights of operators and of security owners; neither may change the other's parameters."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from build.blocks import ROOT
from mayfly.config.writers import OF_OPERATORS, OF_SECURITY_OWNERS, writer
from mayfly.iam.evaluation import Request, Statement, decide
from mayfly_cli.templates.resolution import ACCOUNT, REGION

Resources = dict[str, dict[str, Any]]

TREE = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter"
OPERATORS = (
    "debug/keep-failed-minutes",
    "job/attempts",
    "job/max-minutes",
    "launch/architecture",
    "launch/instance-types",
    "launch/purchase",
    "launch/generation",
    "launch/boot-minutes",
    "limits/max-instances",
    "limits/max-launches-per-minute",
    "limits/per-pipeline",
    "paused",
    "pool/hot",
    "pool/grace-minutes",
    "pool/max-idle-hours",
    "pool/stopped",
    "pool/max-stopped-hours",
    "tags",
)
SECURITY_OWNERS = (
    "agent/config",
    "bootstrap/script",
    "imds",
    "job/root",
    "policy/repository-from",
    "policy/rules/deploy",
    "role/deploy",
    "secrets/path",
    "secrets/shared-ssh-keys",
    "secrets/ssh-during-command",
    "ssh/known-hosts",
    "ssh/over-443",
    # Names that a pattern of the operators' policy would match, because "*" matches slashes.
    "policy/rules/paused",
    "policy/rules/pool/hot",
    "policy/rules/tags",
    "role/paused",
    "role/tags",
)


def statements(control: Resources, who: str) -> list[Statement]:
    found: list[Statement] = control[f"{who}Policy"]["Properties"]["PolicyDocument"]["Statement"]
    return found


@pytest.mark.parametrize("action", ["ssm:PutParameter", "ssm:DeleteParameter"])
@pytest.mark.parametrize("name", OPERATORS + SECURITY_OWNERS)
def test_each_parameter_has_one_kind_of_writer(control: Resources, name: str, action: str) -> None:
    request = Request(action, f"{TREE}/mayfly/acme/queues/linux/{name}")
    assert decide(request, statements(control, "Operators")).allowed is (name in OPERATORS)
    owners = decide(request, statements(control, "SecurityOwners")).allowed
    assert owners is (name in SECURITY_OWNERS)


def test_the_tool_names_the_policy_by_the_patterns_of_the_template(control: Resources) -> None:
    for who, patterns in (("Operators", OF_OPERATORS), ("SecurityOwners", OF_SECURITY_OWNERS)):
        given = {
            resource.removeprefix(f"{TREE}/mayfly/acme/")
            for statement in statements(control, who)
            if statement["Effect"] == "Allow" and "ssm:DeleteParameter" in statement["Action"]
            for resource in statement["Resource"]
        }
        assert given == set(patterns)


@pytest.mark.parametrize(
    "below",
    [
        *(f"queues/nosuch/{name}" for name in OPERATORS + SECURITY_OWNERS),
        *("queues/linux/pool/hots", "queues/linux/hot", "queues/linux", "pool/hot", "nonsense"),
        *("queues/a/b/pool/hot", "queues/linux/policy/rule/x", "queues/paused", "queue/linux/tags"),
    ],
)
def test_whoever_the_tool_names_may_delete_the_parameter(control: Resources, below: str) -> None:
    name = f"/mayfly/acme/{below}"
    request = Request("ssm:DeleteParameter", TREE + name)
    may = {
        f"{who}Policy"
        for who in ("Viewers", "Operators", "SecurityOwners")
        if decide(request, statements(control, who)).allowed
    }
    assert may == ({writer(name)} - {""})


@pytest.mark.parametrize("who", ["Viewers", "Operators", "SecurityOwners"])
@pytest.mark.parametrize(
    "name",
    ["/mayfly-infra/acme/bundle", "/mayfly/other/queues/linux/paused", "/buildkite/token"],
)
def test_people_may_use_no_parameter_outside_the_stacks_own_tree(
    control: Resources, who: str, name: str
) -> None:
    for action in ("ssm:PutParameter", "ssm:GetParameter", "ssm:GetParametersByPath"):
        assert not decide(Request(action, TREE + name), statements(control, who)).allowed


@pytest.mark.parametrize("who", ["Viewers", "Operators", "SecurityOwners"])
def test_people_may_read_the_whole_configuration(control: Resources, who: str) -> None:
    for resource in ("/mayfly/acme", "/mayfly/acme/queues/linux/policy/rules/deploy"):
        request = Request("ssm:GetParametersByPath", TREE + resource)
        assert decide(request, statements(control, who)).allowed


@pytest.mark.parametrize("name", OPERATORS + SECURITY_OWNERS)
def test_viewers_change_nothing(control: Resources, name: str) -> None:
    for action in ("ssm:PutParameter", "ssm:DeleteParameter"):
        request = Request(action, f"{TREE}/mayfly/acme/queues/linux/{name}")
        assert not decide(request, statements(control, "Viewers")).allowed
    changing = ("Put", "Delete", "Update", "Terminate", "Start", "Create")
    for statement in control["ViewersPolicy"]["Properties"]["PolicyDocument"]["Statement"]:
        actions = statement["Action"]
        for each in [actions] if isinstance(actions, str) else actions:
            # Insights' queries are started, and change nothing.
            verb = each.partition(":")[2]
            assert not verb.startswith(changing) or each == "logs:StartQuery"


EC2 = f"arn:aws:ec2:{REGION}:{ACCOUNT}"
LOGS = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group"
TABLE = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table"
STACKS = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack"
OURS = {"aws:ResourceTag/mayfly-stack": "acme"}
DEFAULT_POOL = f"{TREE}/mayfly/acme/queues/default/pool/hot"
# Commands of the pages for operators, as IAM sees them on the stack "acme".
COMMANDS = {
    "cloudwatch describe-alarms": Request("cloudwatch:DescribeAlarms", "*"),
    "dynamodb get-item": Request("dynamodb:GetItem", f"{TABLE}/acme-fleet"),
    "ec2 get-console-output": Request("ec2:GetConsoleOutput", f"{EC2}:instance/i-1", OURS),
    "logs filter-log-events": Request(
        "logs:FilterLogEvents", f"{LOGS}:/aws/lambda/acme-provision:log-stream:"
    ),
    "ssm put-parameter": Request("ssm:PutParameter", DEFAULT_POOL),
}
# Steps of a deployer on the same pages, and of the account that pays.
OF_A_DEPLOYER = {
    "ce update-cost-allocation-tags-status",
    "ec2 describe-instance-type-offerings",
    "ec2 describe-subnets",
    "ec2 describe-vpcs",
    "ssm delete-parameter",
    "cloudformation deploy",
    "iam create-service-linked-role",
    "ssm put-parameter --type SecureString",
    "kms tag-resource",
    "kms create-grant",
    "s3 cp",
    "s3api put-object",
}


def commands(page: str) -> set[str]:
    text = (ROOT / "docs" / page).read_text("utf-8")
    found = re.findall(r"aws ([a-z0-9-]+) ([a-z-]+)( --type SecureString)?", text)
    return {f"{service} {operation}{secure}" for service, operation, secure in found}


# Every call of the operators' tool that asks AWS, as IAM sees it on the stack "acme".
TOOL_READS = [
    Request("dynamodb:ListTables", "*"),
    Request("dynamodb:GetItem", f"{TABLE}/acme-fleet"),
    Request("dynamodb:BatchGetItem", f"{TABLE}/acme-fleet"),
    Request("dynamodb:Query", f"{TABLE}/acme-fleet/index/open"),
    Request("dynamodb:Query", f"{TABLE}/acme-fleet/index/closed"),
    Request("ssm:GetParametersByPath", f"{TREE}/mayfly/acme/queues/default"),
    Request("ssm:GetParameter", DEFAULT_POOL),
    Request("ssm:GetParameterHistory", DEFAULT_POOL),
    Request("logs:FilterLogEvents", f"{LOGS}:/aws/lambda/acme-reap:log-stream:"),
    Request("logs:GetLogEvents", f"{LOGS}:/mayfly/acme/last-words:log-stream:i-1"),
    Request("ec2:GetConsoleOutput", f"{EC2}:instance/i-1", OURS),
    Request("cloudwatch:DescribeAlarms", "*"),
    Request("ssm:DescribeParameters", "*"),
    Request("ec2:DescribeImages", "*"),
    Request("ec2:DescribeInstanceTypeOfferings", "*"),
    Request("ec2:DescribeInstanceTypes", "*"),
    Request("ec2:DescribeNatGateways", "*"),
    Request("ec2:DescribeRouteTables", "*"),
    Request("ec2:DescribeSubnets", "*"),
    Request("lambda:GetAccountSettings", "*"),
    Request("servicequotas:GetServiceQuota", "*"),
    Request("cloudformation:DescribeStacks", f"{STACKS}/acme/1"),
    Request("cloudformation:DescribeStacks", f"{STACKS}/acme-FirstQueue-1A2B/1"),
    Request("cloudformation:DescribeStacks", f"{STACKS}/acme-queue-gpu/1"),
    Request(
        "iam:GetRole",
        f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot",
    ),
]


@pytest.mark.parametrize("request_", TOOL_READS, ids=lambda each: each.action)
@pytest.mark.parametrize("who", ["Viewers", "Operators"])
def test_the_tool_may_read_with_the_policies_for_people(
    control: Resources, who: str, request_: Request
) -> None:
    assert decide(request_, statements(control, who)).allowed


OF_SECURITY_OWNERS_TOO = [
    Request("dynamodb:ListTables", "*"),
    Request("dynamodb:GetItem", f"{TABLE}/acme-fleet"),
    Request("dynamodb:Query", f"{TABLE}/acme-fleet/index/open"),
    Request("dynamodb:Query", f"{TABLE}/acme-fleet/index/closed"),
    Request("cloudwatch:DescribeAlarms", "*"),
    Request("cloudformation:DescribeStacks", f"{STACKS}/acme/1"),
]


def test_security_owners_read_what_get_set_status_explain_and_changes_ask_and_no_more(
    control: Resources,
) -> None:
    own = statements(control, "SecurityOwners")
    asked = {(each.action, each.resource) for each in OF_SECURITY_OWNERS_TOO}
    for each in TOOL_READS:
        of_parameters = each.action.startswith("ssm:")
        may = of_parameters or (each.action, each.resource) in asked
        assert decide(each, own).allowed is may, each
    for action, resource in (
        ("dynamodb:GetItem", f"{TABLE}/acme-mailbox"),
        ("dynamodb:Query", f"{TABLE}/acme-mailbox"),
        ("dynamodb:Scan", f"{TABLE}/acme-fleet"),
        ("dynamodb:GetItem", f"{TABLE}/other-fleet"),
        ("dynamodb:PutItem", f"{TABLE}/acme-fleet"),
        ("cloudformation:DescribeStacks", f"{STACKS}/acme-2/1"),
    ):
        assert not decide(Request(action, resource), own).allowed, action


def test_operators_may_run_every_command_of_their_pages(control: Resources) -> None:
    used = commands("operating.md") | commands("first-day.md")
    assert used - OF_A_DEPLOYER == set(COMMANDS)
    for command, request in COMMANDS.items():
        assert decide(request, statements(control, "Operators")).allowed, command


@pytest.mark.parametrize(
    ("action", "resource", "context"),
    [
        ("dynamodb:GetItem", f"{TABLE}/acme-fleet", {}),
        ("dynamodb:Query", f"{TABLE}/acme-fleet/index/open", {}),
        ("dynamodb:Query", f"{TABLE}/acme-fleet/index/closed", {}),
        ("logs:FilterLogEvents", f"{LOGS}:/aws/lambda/acme-dispatch:log-stream:", {}),
        ("logs:StartQuery", f"{LOGS}:/aws/lambda/acme-provision:log-stream:", {}),
        ("logs:GetQueryResults", "*", {}),
        ("cloudwatch:DescribeAlarms", "*", {}),
        ("cloudwatch:GetMetricData", "*", {}),
        ("ec2:TerminateInstances", f"{EC2}:instance/i-1", OURS),
    ],
)
def test_operators_may_read_what_their_pages_send_them_to(
    control: Resources, action: str, resource: str, context: dict[str, Any]
) -> None:
    request = Request(action, resource, context)
    assert decide(request, statements(control, "Operators")).allowed


@pytest.mark.parametrize(
    ("action", "resource", "context"),
    [
        ("dynamodb:GetItem", f"{TABLE}/acme-mailbox", {}),
        ("dynamodb:PutItem", f"{TABLE}/acme-fleet", {}),
        ("dynamodb:Scan", f"{TABLE}/other-fleet", {}),
        ("logs:GetLogEvents", f"{LOGS}:/aws/lambda/other-dispatch:log-stream:x", {}),
        ("logs:DeleteLogGroup", f"{LOGS}:/mayfly/acme/last-words", {}),
        ("logs:FilterLogEvents", f"{LOGS}:/aws/lambda/acme-2-dispatch", {}),
        ("logs:StartQuery", f"{LOGS}:/aws/lambda/acme-2-dispatch:*", {}),
        ("logs:GetLogEvents", f"{LOGS}:/aws/lambda/acme-2-reap:log-stream:1", {}),
        ("logs:FilterLogEvents", f"{LOGS}:/mayfly/acme-2/last-words", {}),
        ("ec2:TerminateInstances", f"{EC2}:instance/i-1", {}),
        ("ec2:GetConsoleOutput", f"{EC2}:instance/i-1", {"aws:ResourceTag/mayfly-stack": "o"}),
        ("ec2:RunInstances", f"{EC2}:instance/i-1", OURS),
        ("lambda:InvokeFunction", "*", {}),
        ("cloudformation:DescribeStacks", f"{STACKS}/acme-database/1", {}),
        ("iam:GetRole", f"arn:aws:iam::{ACCOUNT}:role/mayfly/acme/sandbox/linux/jobs", {}),
    ],
)
def test_operators_may_neither_read_tokens_nor_touch_other_stacks(
    control: Resources, action: str, resource: str, context: dict[str, Any]
) -> None:
    request = Request(action, resource, context)
    assert not decide(request, statements(control, "Operators")).allowed


@pytest.mark.parametrize("who", ["Viewers", "Operators", "SecurityOwners"])
def test_a_policy_of_people_fits_into_a_managed_policy(control: Resources, who: str) -> None:
    """IAM allows 6,144 characters; names may be longer than the test's: stack 51, region 14."""
    policy = control[f"{who}Policy"]["Properties"]["PolicyDocument"]
    text = json.dumps(policy, separators=(",", ":"))
    grown = text.replace("acme", "a" * 51).replace(REGION, "r" * 14).replace("arn:aws:", "a" * 15)
    assert len(grown) <= 6144
