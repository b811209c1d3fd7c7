"""The front door with moto behind it, as an AWS client sees it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from local.aws_lab import ADMINISTRATOR_ARN, Lab, a_lab, principal, refused
from mayfly_lab.aws.front.call import Kind


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with a_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture(autouse=True)
def clear_faults(lab: Lab) -> Iterator[None]:
    yield
    lab.aws.faults.clear()


def test_calls_of_every_aws_protocol_are_answered(lab: Lab) -> None:
    table = {"KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}]}
    lab.client("dynamodb").create_table(
        TableName="t",
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        **table,
    )
    lab.client("s3").create_bucket(Bucket="a-bucket")
    lab.client("s3").put_object(Bucket="a-bucket", Key="a key/with+signs", Body=b"x" * 100_000)
    assert (
        lab.client("s3").get_object(Bucket="a-bucket", Key="a key/with+signs")["Body"].read(1)
        == b"x"
    )
    assert lab.client("ec2").describe_subnets()["Subnets"]
    assert lab.client("lambda").list_functions()["Functions"] == []
    assert lab.client("iam").list_roles()["Roles"] == []
    assert lab.client("sts").get_caller_identity()["Arn"] == ADMINISTRATOR_ARN
    assert lab.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    queue = lab.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    lab.client("sqs").send_message(QueueUrl=queue, MessageBody="m")
    operations = {entry.operation for entry in lab.aws.journal}
    assert {"CreateTable", "PutObject", "DescribeSubnets", "ListFunctions"} <= operations
    assert {"ListRoles", "GetCallerIdentity", "DescribeAlarms", "SendMessage"} <= operations


def test_the_caller_identity_is_the_owner_of_the_keys(lab: Lab) -> None:
    keys = lab.keys_of(Kind.SANDBOX, "i-1")
    identity = lab.client("sts", keys).get_caller_identity()
    assert identity["UserId"] == "AROASANDBOX:i-1"
    assert identity["Arn"] == principal(Kind.SANDBOX, "i-1").arn


# ------------------------------------------------------------------ denials, and who hears of them


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "code", "status"),
    [
        ("dynamodb", "list_tables", {}, "AccessDeniedException", 400),
        ("ssm", "put_parameter", {"Name": "n", "Value": "v"}, "AccessDeniedException", 400),
        ("logs", "describe_log_groups", {}, "AccessDeniedException", 400),
        ("lambda", "list_functions", {}, "AccessDeniedException", 403),
        ("ec2", "terminate_instances", {"InstanceIds": ["i-1"]}, "UnauthorizedOperation", 403),
        ("iam", "list_roles", {}, "AccessDenied", 403),
        ("sts", "assume_role", {"RoleArn": "a" * 20, "RoleSessionName": "s1"}, "AccessDenied", 403),
        ("sqs", "list_queues", {}, "AccessDenied", 403),
        ("s3", "get_object", {"Bucket": "b", "Key": "k"}, "AccessDenied", 403),
        ("cloudformation", "list_stacks", {}, "AccessDenied", 403),
    ],
)
def test_a_denial_has_the_code_and_status_of_the_service(
    lab: Lab, service: str, operation: str, parameters: dict[str, Any], code: str, status: int
) -> None:
    keys = lab.keys_of(Kind.BOOTSTRAP, "i-denied")
    assert refused(getattr(lab.client(service, keys), operation), **parameters) == (code, status)
    entry = lab.aws.journal.select(principal="AROABOOTSTRAP:i-denied")[-1]
    assert (entry.kind, entry.error, entry.status) == ("bootstrap", code, status)


def test_no_secret_reaches_the_journal(lab: Lab, tmp_path: Path) -> None:
    token = "bkjat_this-is-secret-0123456789"
    lab.client("ssm").put_parameter(Name="/s", Value="hush-hush", Type="SecureString")
    refused(
        lab.client("dynamodb").update_item,
        TableName="none",
        Key={"key": {"S": "k"}},
        UpdateExpression="SET assignment = :a",
        ExpressionAttributeValues={
            ":a": {"M": {"token": {"S": token}, "note": {"S": "hush-hush"}}}
        },
    )
    everything = str([(entry, entry.request) for entry in lab.aws.journal])
    written = next(iter(tmp_path.parent.glob("lab*/journal.jsonl"))).read_text()
    for secret in (token, "hush-hush"):
        assert secret not in everything
        assert secret not in written


@pytest.mark.parametrize("secret", ["m7i", "m7i.large", "us-east-1a"])
def test_a_call_with_a_text_that_is_also_a_secret_is_passed_on_unaltered(
    lab: Lab, secret: str
) -> None:
    lab.client("ssm").put_parameter(Name="/s", Value=secret, Type="SecureString", Overwrite=True)
    stored = lab.client("ssm").get_parameter(Name="/s", WithDecryption=True)
    assert stored["Parameter"]["Value"] == secret
    answer = lab.client("ec2").run_instances(
        ImageId=lab.client("ssm").get_parameter(
            Name="/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
        )["Parameter"]["Value"],
        InstanceType="m7i.large",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": "zone", "Value": "us-east-1a"}]}
        ],
    )
    [instance] = answer["Instances"]
    assert instance["InstanceType"] == "m7i.large"
    assert {"Key": "zone", "Value": "us-east-1a"} in instance["Tags"]


def test_a_refusal_does_not_repeat_a_secret(lab: Lab) -> None:
    lab.client("ssm").put_parameter(Name="/s2", Value="lt-hush-hush", Type="SecureString")
    with pytest.raises(ClientError, match=r"template ID \(secret\), does not exist"):
        lab.client("ec2").run_instances(
            LaunchTemplate={"LaunchTemplateId": "lt-hush-hush"}, MinCount=1, MaxCount=1
        )


# ------------------------------------------------------------------ faults


def test_a_throttle_fault_applies_for_its_number_of_calls(lab: Lab) -> None:
    lab.aws.faults.parse("throttle=ec2:DescribeVpcs,count=2")
    describe = lab.client("ec2").describe_vpcs
    assert refused(describe) == ("RequestLimitExceeded", 503)
    assert refused(describe) == ("RequestLimitExceeded", 503)
    assert describe()["Vpcs"]


def test_a_fault_can_apply_to_one_principal_only(lab: Lab) -> None:
    lab.aws.faults.parse("throttle=sts:*,by=dispatch")
    assert lab.client("sts").get_caller_identity()
    keys = lab.keys_of(Kind.FUNCTION, "dispatch")
    assert refused(lab.client("sts", keys).get_caller_identity) == ("Throttling", 400)


def test_an_error_fault_answers_with_its_code(lab: Lab) -> None:
    lab.aws.faults.parse("error=ssm:DescribeParameters")
    lab.aws.faults.parse("error=ec2:DescribeVpcs,value=Unavailable")
    assert refused(lab.client("ssm").describe_parameters) == ("InternalServerError", 500)
    assert refused(lab.client("ec2").describe_vpcs)[0] == "Unavailable"


def test_a_call_with_a_lost_answer_is_carried_out(lab: Lab) -> None:
    lab.aws.faults.parse("lost-answer=ssm:PutParameter")
    with pytest.raises(ConnectionClosedError):
        lab.client("ssm").put_parameter(Name="/lost", Value="v", Type="String")
    assert lab.client("ssm").get_parameter(Name="/lost")["Parameter"]["Value"] == "v"


def test_latency_is_added_to_the_calls_that_its_fault_names(lab: Lab) -> None:
    slept: list[float] = []
    door = lab.aws.listener._application.__self__  # type: ignore[attr-defined]
    sleep, door.sleep = door.sleep, slept.append
    try:
        lab.aws.faults.parse("latency=ec2:*,value=250ms")
        lab.client("ec2").describe_vpcs()
        lab.client("sts").get_caller_identity()
    finally:
        door.sleep = sleep
    assert slept == [0.25]


# ------------------------------------------------------------------ what moto gets wrong


def transaction(token: str, value: str) -> dict[str, Any]:
    item = {"TableName": "tx", "Item": {"k": {"S": "1"}, "v": {"S": value}}}
    return {
        "ClientRequestToken": token,
        "TransactItems": [{"Put": {**item, "ConditionExpression": "attribute_not_exists(k)"}}],
    }


def test_a_repeated_transaction_is_carried_out_once(lab: Lab) -> None:
    dynamodb = lab.client("dynamodb")
    dynamodb.create_table(
        TableName="tx",
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    lab.aws.faults.parse("lost-answer=dynamodb:TransactWriteItems")
    with pytest.raises(ConnectionClosedError):
        dynamodb.transact_write_items(**transaction("token-1", "a"))
    dynamodb.transact_write_items(**transaction("token-1", "a"))
    assert refused(dynamodb.transact_write_items, **transaction("token-1", "b")) == (
        "IdempotentParameterMismatchException",
        400,
    )
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        dynamodb.transact_write_items(**transaction("token-2", "a"))


def test_a_crash_inside_moto_is_a_logged_server_error(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    # moto lacks this operation and raises instead of answering.
    code, status = refused(lab.client("service-quotas").list_services)
    assert (code, status) == ("NotImplemented", 501)
    assert "moto does not have servicequotas:ListServices" in caplog.text


def test_boto3_finds_the_lab_by_its_environment_variables(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", lab.aws.endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", lab.aws.administrator.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", lab.aws.administrator.secret_key)
    monkeypatch.setenv("AWS_SESSION_TOKEN", lab.aws.administrator.token)
    session = boto3.Session()
    assert session.client("sts").get_caller_identity()["Arn"] == ADMINISTRATOR_ARN
    queue = session.client("sqs").create_queue(QueueName="by-environment")["QueueUrl"]
    # Queue URLs of CloudFormation name AWS hosts; clients still use the endpoint.
    name = queue.rpartition("/")[2]
    url = f"https://sqs.us-east-1.amazonaws.com/123456789012/{name}"
    session.client("sqs").send_message(QueueUrl=url, MessageBody="m")
