"""People in the local AWS: the rights of the deployed policies, and AWS's words for the rest."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.aws_lab import refused
from local.deployed_account import Account
from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.contracts import Keys

ROOT = Path(__file__).parents[3]
QUEUE = "/mayfly/mayfly/queues/first"
OPERATOR = f"arn:aws:iam::{ACCOUNT}:user/operator"
# Commands of the guides that are steps of a deployer.
OF_A_DEPLOYER = {
    "ce update-cost-allocation-tags-status",
    "cloudformation deploy",
    "ec2 describe-instance-type-offerings",
    "ec2 describe-subnets",
    "ec2 describe-vpcs",
    "iam create-service-linked-role",
    "kms create-grant",
    "kms tag-resource",
    "s3 cp",
    "s3api put-object",
    "ssm put-parameter --type SecureString",
}


@pytest.fixture(scope="module")
def instances(account: Account) -> dict[str, str]:
    """An instance of the stack, one of another stack, and one without tags."""
    made = {}
    images = account.client("ec2").describe_images(Owners=["amazon"])["Images"]
    image = next(each["ImageId"] for each in images if each["Architecture"] == "x86_64")
    for stack in ("mayfly", "other", ""):
        tags = [{"Key": "mayfly-stack", "Value": stack}] if stack else []
        specification = [{"ResourceType": "instance", "Tags": tags}] if tags else []
        answer = account.client("ec2").run_instances(
            ImageId=image,
            InstanceType="m7i.large",
            MinCount=1,
            MaxCount=1,
            TagSpecifications=specification,
        )
        made[stack] = answer["Instances"][0]["InstanceId"]
    return made


@pytest.fixture
def operator(account: Account) -> Callable[[str], Any]:
    """Clients with the operator's credentials, by service."""
    return lambda service: account.lab.client(service, account.lab.aws.operator)


def commands() -> set[str]:
    """The AWS CLI's commands in the pages for operators."""
    text = "".join((ROOT / "docs" / page).read_text() for page in ("operating.md", "first-day.md"))
    found = re.findall(r"aws ([a-z0-9-]+) ([a-z-]+)( --type SecureString)?", text)
    return {f"{service} {operation}{secure}" for service, operation, secure in found}


def test_an_operator_may_run_every_command_of_the_guide(
    account: Account, operator: Callable[[str], Any], instances: dict[str, str]
) -> None:
    calls: dict[str, Callable[[], Any]] = {
        "cloudwatch describe-alarms": operator("cloudwatch").describe_alarms,
        "dynamodb get-item": lambda: operator("dynamodb").get_item(
            TableName="mayfly-fleet", Key={"pk": {"S": "queue#first"}}
        ),
        "ec2 get-console-output": lambda: operator("ec2").get_console_output(
            InstanceId=instances["mayfly"], Latest=True
        ),
        "logs filter-log-events": lambda: operator("logs").filter_log_events(
            logGroupName="/aws/lambda/mayfly-provision"
        ),
        "ssm put-parameter": lambda: operator("ssm").put_parameter(
            Name=f"{QUEUE}/pool/hot", Value="1", Type="String", Overwrite=True
        ),
        "ssm delete-parameter": lambda: operator("ssm").delete_parameter(Name=f"{QUEUE}/pool/hot"),
    }
    assert set(calls) == commands() - OF_A_DEPLOYER
    for command, call in calls.items():
        assert call()["ResponseMetadata"]["HTTPStatusCode"] == 200, command


def test_an_operator_may_read_what_the_guide_names(
    operator: Callable[[str], Any], instances: dict[str, str]
) -> None:
    key = {"pk": {"S": "queue#first"}}
    assert operator("dynamodb").scan(TableName="mayfly-fleet")["Items"] == []
    assert operator("dynamodb").get_item(TableName="mayfly-fleet", Key=key)
    assert operator("ec2").describe_instances()["Reservations"]
    assert operator("cloudwatch").describe_alarms()["MetricAlarms"]
    assert operator("cloudformation").describe_stacks(StackName="mayfly")["Stacks"]
    assert operator("logs").filter_log_events(logGroupName="/aws/lambda/mayfly-reap")
    assert operator("ssm").get_parameters_by_path(Path="/mayfly/mayfly", Recursive=True)
    assert operator("sts").get_caller_identity()["Arn"] == OPERATOR
    operator("ssm").put_parameter(Name=f"{QUEUE}/paused", Value="true", Type="String")
    operator("ssm").delete_parameter(Name=f"{QUEUE}/paused")


def message(call: Callable[..., Any], **parameters: Any) -> str:
    with pytest.raises(ClientError) as refusal:
        call(**parameters)
    return str(refusal.value.response["Error"]["Message"])


ITEM = {"TableName": "mayfly-fleet", "Item": {"pk": {"S": "x"}}}


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "code"),
    [
        ("dynamodb", "put_item", ITEM, "AccessDeniedException"),
        (
            "dynamodb",
            "transact_write_items",
            {"TransactItems": [{"Put": ITEM}]},
            "AccessDeniedException",
        ),
        (
            "dynamodb",
            "get_item",
            {"TableName": "mayfly-mailbox", "Key": {"key": {"S": "x"}}},
            "AccessDeniedException",
        ),
        ("dynamodb", "scan", {"TableName": "mayfly-mailbox"}, "AccessDeniedException"),
        ("dynamodb", "list_backups", {}, "AccessDeniedException"),
        (
            "ec2",
            "run_instances",
            {"ImageId": "ami-1", "MinCount": 1, "MaxCount": 1},
            "UnauthorizedOperation",
        ),
        ("ec2", "describe_vpcs", {}, "UnauthorizedOperation"),
        (
            "ssm",
            "get_parameter",
            {"Name": "/buildkite/mayfly/agent-token", "WithDecryption": True},
            "AccessDeniedException",
        ),
        (
            "ssm",
            "put_parameter",
            {"Name": "/mayfly-infra/mayfly/bundle", "Value": "x", "Type": "String"},
            "AccessDeniedException",
        ),
        ("logs", "delete_log_group", {"logGroupName": "/mayfly/mayfly/last-words"}, None),
        ("logs", "describe_log_streams", {"logGroupName": "/aws/lambda/other-reap"}, None),
        ("lambda", "invoke", {"FunctionName": "mayfly-reap"}, "AccessDeniedException"),
        ("cloudformation", "delete_stack", {"StackName": "mayfly"}, "AccessDenied"),
        ("cloudformation", "describe_stacks", {"StackName": "other"}, "AccessDenied"),
        ("iam", "list_roles", {}, "AccessDenied"),
        ("s3", "list_buckets", {}, "AccessDenied"),
    ],
)
def test_an_operator_is_denied_every_other_call(
    operator: Callable[[str], Any],
    service: str,
    operation: str,
    parameters: dict[str, Any],
    code: str | None,
) -> None:
    call = getattr(operator(service), operation)
    assert refused(call, **parameters)[0] == (code or "AccessDeniedException")
    assert f"User: {OPERATOR} is not authorized to perform: " in message(call, **parameters)


def test_a_denial_has_the_words_of_aws(operator: Callable[[str], Any]) -> None:
    table = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/another"
    assert message(operator("dynamodb").put_item, **ITEM | {"TableName": "another"}) == (
        f"User: {OPERATOR} is not authorized to perform: dynamodb:PutItem on resource: {table}"
        " because no identity-based policy allows the dynamodb:PutItem action"
    )
    said = message(operator("dynamodb").put_item, **ITEM)
    assert said.endswith("table/mayfly-fleet with an explicit deny in a resource-based policy")
    run = {"ImageId": "ami-1", "MinCount": 1, "MaxCount": 1}
    assert message(operator("ec2").run_instances, **run) == (
        f"You are not authorized to perform this operation. User: {OPERATOR} is not authorized to"
        f" perform: ec2:RunInstances on resource: arn:aws:ec2:us-east-1:{ACCOUNT}:instance/*"
        " because no identity-based policy allows the ec2:RunInstances"
        " action"
    )
    rule = {"Name": f"{QUEUE}/policy/rules/paused", "Value": "x", "Type": "String"}
    said = message(operator("ssm").put_parameter, **rule)
    assert said.endswith("policy/rules/paused with an explicit deny in an identity-based policy")


@pytest.mark.parametrize("stack", ["other", ""])
def test_an_operator_may_end_only_instances_of_the_stack(
    operator: Callable[[str], Any], instances: dict[str, str], stack: str
) -> None:
    ec2 = operator("ec2")
    both = [instances["mayfly"], instances[stack]]
    assert refused(ec2.terminate_instances, InstanceIds=both) == ("UnauthorizedOperation", 403)
    assert refused(ec2.get_console_output, InstanceId=both[1]) == ("UnauthorizedOperation", 403)


def test_an_operator_may_end_an_instance_of_the_stack(
    operator: Callable[[str], Any], instances: dict[str, str]
) -> None:
    answer = operator("ec2").terminate_instances(InstanceIds=[instances["mayfly"]])
    assert answer["TerminatingInstances"][0]["CurrentState"]["Name"] == "shutting-down"


def test_a_security_owner_decides_what_may_run_and_tunes_nothing(account: Account) -> None:
    keys: Keys = account.lab.aws.security_owner
    ssm = account.lab.client("ssm", keys)
    ssm.put_parameter(Name=f"{QUEUE}/policy/rules/ours", Value="pipeline=x", Type="String")
    ssm.delete_parameter(Name=f"{QUEUE}/policy/rules/ours")
    tune = {"Name": f"{QUEUE}/pool/hot", "Value": "1", "Type": "String"}
    assert refused(ssm.put_parameter, **tune) == ("AccessDeniedException", 400)
    assert refused(account.lab.client("ec2", keys).describe_instances)[0] == "UnauthorizedOperation"


def test_a_security_owner_reads_records_by_key_and_index_and_no_rows_of_instances(
    account: Account,
) -> None:
    dynamodb = account.lab.client("dynamodb", account.lab.aws.security_owner)
    assert "mayfly-fleet" in dynamodb.list_tables()["TableNames"]
    key = {"pk": {"S": "queue#first"}}
    assert dynamodb.get_item(TableName="mayfly-fleet", Key=key)
    for call, given in (
        (dynamodb.scan, {"TableName": "mayfly-fleet"}),
        (dynamodb.scan, {"TableName": "mayfly-mailbox"}),
        (dynamodb.get_item, {"TableName": "mayfly-mailbox", "Key": {"key": {"S": "x"}}}),
        (dynamodb.put_item, ITEM),
    ):
        assert refused(call, **given) == ("AccessDeniedException", 400)
