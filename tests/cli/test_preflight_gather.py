"""How preflight reads AWS's answers; stubs give the answers that moto does not have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from mayfly_cli.account import Account
from mayfly_cli.findings import Unknown
from mayfly_cli.preflight import gather_account, gather_ec2, gather_keys
from mayfly_cli.preflight.answers import read_answers
from mayfly_cli.preflight.rights import (
    HANDLERS,
    OF_OPTIONS,
    SECRETS_KEY,
    Rights,
    needed,
    of_templates,
)
from mayfly_cli.preflight.snapshot import Image, VolumeKey
from mayfly_cli.templates.reading import read
from mayfly_cli.templates.translation import translate
from tests.cli.real_account import ROOT

CALLER = "arn:aws:iam::123456789012:user/me"
RIGHTS = Rights(frozenset({"iam:CreateRole"}), frozenset({"iam:DeleteRole"}))
SUBNET = {
    "SubnetId": "subnet-1",
    "VpcId": "vpc-1",
    "AvailabilityZone": "eu-1a",
    "AvailableIpAddressCount": 9,
}


@contextmanager
def stubbed(service: str, caller: str = CALLER) -> Iterator[tuple[Account, Stubber]]:
    session = boto3.Session("AKIAFAKE", "fake", region_name="eu-central-1")
    client: Any = session.client(service)  # type: ignore[call-overload] # a variable here
    account = Account("123456789012", caller, "eu-central-1", session, {service: client})
    with Stubber(client) as stub:
        yield account, stub
        stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("route", "out", "broken"),
    [
        ({"NatGatewayId": "nat-1", "State": "active"}, "nat-1", "the NAT gateway is failed"),
        ({"GatewayId": "igw-1", "State": "blackhole"}, "igw-1", "its route is a blackhole"),
        ({"TransitGatewayId": "tgw-1", "State": "active"}, "tgw-1", ""),
        (None, "", ""),
    ],
)
def test_a_subnets_default_route_comes_from_its_own_route_table(
    route: dict[str, str] | None, out: str, broken: str
) -> None:
    own = [{"DestinationCidrBlock": "0.0.0.0/0", **route}] if route else []
    tables: list[dict[str, Any]] = [
        {
            "VpcId": "vpc-1",
            "Associations": [{"Main": True}],
            "Routes": [{"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-main"}],
        },
        {"VpcId": "vpc-1", "Associations": [{"SubnetId": "subnet-1"}], "Routes": own},
    ]
    with stubbed("ec2") as (account, stub):
        stub.add_response("describe_subnets", {"Subnets": [SUBNET]})
        stub.add_response("describe_route_tables", {"RouteTables": tables})
        if out.startswith("nat-"):
            stub.add_response("describe_nat_gateways", {"NatGateways": [{"State": "failed"}]})
        seen = gather_ec2.subnets(account, ["subnet-1"])
    assert not isinstance(seen, Unknown)
    assert (seen["subnet-1"].out, seen["subnet-1"].broken) == (out, broken)


def test_a_subnet_without_a_route_table_uses_the_main_table_of_its_vpc() -> None:
    table = {
        "VpcId": "vpc-1",
        "Associations": [{"Main": True}],
        "Routes": [{"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "State": "active"}],
    }
    with stubbed("ec2") as (account, stub):
        stub.add_response("describe_subnets", {"Subnets": [SUBNET]})
        stub.add_response("describe_route_tables", {"RouteTables": [table]})
        seen = gather_ec2.subnets(account, ["subnet-1"])
    assert not isinstance(seen, Unknown)
    assert seen["subnet-1"].out == "igw-1"


def test_quotas_are_read_by_code_and_a_refusal_names_the_right() -> None:
    words = ["QueueKey=q", "VpcId=vpc-1", "Subnets=subnet-1", "launch/purchase=spot-then-on-demand"]
    words.append(f"AgentRelease=3.138.3,{'1' * 64},{'2' * 64}")
    answers = read_answers("mayfly", words)
    with stubbed("service-quotas") as (account, stub):
        stub.add_response("get_service_quota", {"Quota": {"Value": 64.0}})
        stub.add_client_error("get_service_quota", "AccessDeniedException")
        seen = gather_ec2.quotas(account, answers)
    assert seen["L-1216C47A"] == 64.0
    refused = seen["L-34B43A08"]
    assert isinstance(refused, Unknown)
    assert refused.reason == "the caller may not servicequotas:GetServiceQuota"


ROOT_SNAPSHOT = {"Encrypted": True, "SnapshotId": "snap-1"}
IMAGE = {"State": "available", "Architecture": "x86_64", "RootDeviceName": "/dev/xvda"}


@pytest.mark.parametrize(
    ("devices", "key"),
    [
        ([], ""),
        ([{"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": False, "SnapshotId": "snap-1"}}], ""),
        ([{"DeviceName": "/dev/sdb", "Ebs": ROOT_SNAPSHOT}], ""),
        ([{"DeviceName": "/dev/xvda", "Ebs": ROOT_SNAPSHOT}], "arn:aws:kms:eu-central-1:1:key/k"),
    ],
)
def test_the_key_of_an_image_is_the_key_of_its_root_snapshot(
    devices: list[dict[str, Any]], key: str
) -> None:
    words = ["QueueKey=q", "VpcId=vpc-1", "Subnets=subnet-1", "OwnImageX8664=ami-1"]
    words.append(f"AgentRelease=3.138.3,{'1' * 64},{'2' * 64}")
    with stubbed("ec2") as (account, stub):
        shown = {**IMAGE, "BlockDeviceMappings": devices}
        stub.add_response("describe_images", {"Images": [shown]})
        if key:
            answer = {"Snapshots": [{"SnapshotId": "snap-1", "KmsKeyId": key}]}
            stub.add_response("describe_snapshots", answer, {"SnapshotIds": ["snap-1"]})
        seen = gather_ec2.image(account, read_answers("mayfly", words))
    assert isinstance(seen, Image)
    assert seen.key == key


def test_the_key_of_an_unreadable_snapshot_is_unknown() -> None:
    words = ["QueueKey=q", "VpcId=vpc-1", "Subnets=subnet-1", "OwnImageX8664=ami-1"]
    words.append(f"AgentRelease=3.138.3,{'1' * 64},{'2' * 64}")
    devices = [{"DeviceName": "/dev/xvda", "Ebs": ROOT_SNAPSHOT}]
    with stubbed("ec2") as (account, stub):
        shown = {**IMAGE, "BlockDeviceMappings": devices}
        stub.add_response("describe_images", {"Images": [shown]})
        stub.add_client_error("describe_snapshots", "UnauthorizedOperation")
        seen = gather_ec2.image(account, read_answers("mayfly", words))
    assert isinstance(seen, Image)
    assert seen.key == Unknown("the caller may not ec2:DescribeSnapshots")


KEY = "arn:aws:kms:eu-central-1:123456789012:key/k"
SPOT = "arn:aws:iam::123456789012:role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot"


def metadata(**changes: Any) -> dict[str, Any]:
    key = {"AWSAccountId": "123456789012", "KeyId": "k", "Arn": KEY, "KeyState": "Enabled"}
    return {"KeyMetadata": {**key, "KeyManager": "CUSTOMER", **changes}}


def test_a_customers_key_is_read_with_its_tag_and_the_grant_of_spot() -> None:
    with stubbed("kms") as (account, stub):
        stub.add_response("describe_key", metadata(), {"KeyId": KEY})
        tags = [{"TagKey": "mayfly-stack", "TagValue": "ci"}]
        stub.add_response("list_resource_tags", {"Tags": tags, "Truncated": False})
        grants = [{"GranteePrincipal": SPOT}]
        stub.add_response("list_grants", {"Grants": grants, "Truncated": False})
        seen = gather_keys.volume_keys(account, [KEY, KEY])
    assert seen == {KEY: VolumeKey(KEY, "123456789012", True, "Enabled", "ci", True)}


@pytest.mark.parametrize("changes", [{"KeyManager": "AWS"}, {"AWSAccountId": "999999999999"}])
def test_neither_tags_nor_grants_are_read_of_a_key_of_others(changes: dict[str, str]) -> None:
    with stubbed("kms") as (account, stub):
        stub.add_response("describe_key", metadata(**changes))
        seen = gather_keys.volume_keys(account, [KEY])[KEY]
    assert isinstance(seen, VolumeKey)
    assert (seen.stack, seen.spot_grant) == ("", False)


def test_a_missing_key_is_none_and_an_unreadable_key_is_unknown() -> None:
    with stubbed("kms") as (account, stub):
        stub.add_client_error("describe_key", "NotFoundException")
        stub.add_client_error("describe_key", "AccessDeniedException")
        seen = gather_keys.volume_keys(account, ["a", "b"])
    assert seen == {"a": None, "b": Unknown("the caller may not kms:DescribeKey")}


def test_the_invocations_at_once_are_read_without_reserved_ones() -> None:
    limit = {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 10}
    with stubbed("lambda") as (account, stub):
        stub.add_response("get_account_settings", {"AccountLimit": limit})
        stub.add_client_error("get_account_settings", "AccessDeniedException")
        assert gather_account.concurrency(account) == 10
        refused = gather_account.concurrency(account)
    assert isinstance(refused, Unknown)
    assert refused.reason == "the caller may not lambda:GetAccountSettings"


def test_denied_rights_are_the_actions_that_the_simulator_does_not_allow() -> None:
    results = [
        {"EvalActionName": "iam:CreateRole", "EvalDecision": "implicitDeny"},
        {"EvalActionName": "sqs:CreateQueue", "EvalDecision": "allowed"},
    ]
    with stubbed("iam") as (account, stub):
        answer = {"EvaluationResults": results, "IsTruncated": False}
        stub.add_response("simulate_principal_policy", answer)
        assert gather_account.denied(account, RIGHTS) == ("iam:CreateRole",)


def test_a_session_is_simulated_as_its_role_and_root_is_not_simulated() -> None:
    arn = "arn:aws:iam::123456789012:role/path/deployer"
    role = {
        "Path": "/path/",
        "RoleName": "deployer",
        "RoleId": "AROA0123456789012345",
        "Arn": arn,
        "CreateDate": "2026-01-01",
    }
    session = "arn:aws:sts::123456789012:assumed-role/deployer/me"
    with stubbed("iam", session) as (account, stub):
        stub.add_response("get_role", {"Role": role}, {"RoleName": "deployer"})
        stub.add_client_error("simulate_principal_policy", "AccessDenied")
        stub.add_response("get_role", {"Role": role}, {"RoleName": "deployer"})
        denied = gather_account.denied(account, RIGHTS)
        assert gather_account.principal(account) == arn
    assert denied == Unknown("the caller may not iam:SimulatePrincipalPolicy")
    with stubbed("iam", "arn:aws:iam::123456789012:root") as (account, _):
        assert gather_account.denied(account, RIGHTS) == ()


@pytest.mark.parametrize("template", ["template.yaml", "stacks/queue.yaml"])
def test_every_resource_type_of_a_template_has_the_actions_of_its_handlers(template: str) -> None:
    translated = translate(ROOT / template, "us-east-1").template
    kinds = {each["Type"] for each in translated["Resources"].values()}
    assert kinds <= HANDLERS.keys() | OF_OPTIONS.keys()


def test_administrators_of_a_queues_key_may_what_its_deployment_needs() -> None:
    """The key's policy alone says who may; CreateKey has no key yet."""
    key = read(ROOT / "stacks/queue.yaml")["Resources"]["QueueSecretsKey"]["Properties"]
    (administer,) = (s for s in key["KeyPolicy"]["Statement"] if s["Sid"] == "Administer")
    (handlers,) = OF_OPTIONS.values()
    names = " ".join((*handlers.create, *handlers.update)).replace("kms:", "").split()
    for name in set(names) - {"CreateKey"}:
        assert any(fnmatchcase(f"kms:{name}", each) for each in administer["Action"]), name


def test_the_rights_follow_from_the_properties_that_the_templates_set() -> None:
    rights = of_templates()
    assert {"dynamodb:UpdateContinuousBackups", "logs:PutRetentionPolicy"} <= rights.create
    assert {"iam:PassRole", "iam:PutRolePermissionsBoundary", "sns:Subscribe"} <= rights.create
    assert {"lambda:UpdateFunctionCode", "dynamodb:DeleteTable"} <= rights.later
    assert not rights.create & rights.later
    assert "iam:AttachGroupPolicy" not in rights.create
    assert "dynamodb:ImportTable" not in rights.create
    table = {"AWS::DynamoDB::Table": {"ImportSourceSpecification"}}
    assert "dynamodb:ImportTable" in needed(table).create
    assert "sns:Subscribe" not in needed({}).create


def test_the_actions_of_a_key_are_needed_where_the_queue_makes_one() -> None:
    without, with_key = of_templates(), of_templates([SECRETS_KEY])
    assert not {each for each in without.create | without.later if each.startswith("kms:")}
    assert {"kms:CreateKey", "kms:PutKeyPolicy"} <= with_key.create - without.create
    assert with_key.later - without.later == {"kms:UntagResource", "kms:UpdateKeyDescription"}


def test_the_option_is_the_one_on_which_the_stack_makes_what_options_make() -> None:
    template = read(ROOT / "stacks/queue.yaml")
    resources = template["Resources"].values()
    conditions = {each["Condition"] for each in resources if each["Type"] in OF_OPTIONS}
    assert {each["Type"] for each in resources} & OF_OPTIONS.keys() == {SECRETS_KEY}
    assert conditions == {"HasOwnSecretsKey"}
    asked = template["Conditions"]["HasOwnSecretsKey"]
    assert asked == {"Fn::Equals": [{"Ref": "SecretsKey"}, "own"]}


def test_every_action_names_one_service_and_one_operation() -> None:
    everything = needed({kind: each.by_property for kind, each in HANDLERS.items()})
    names = everything.create | everything.later
    assert len(names) > 120
    assert all(re.fullmatch("[a-z0-9]+:[A-Z][A-Za-z0-9]+", name) for name in names)
