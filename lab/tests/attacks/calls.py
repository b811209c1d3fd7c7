"""Calls to AWS that credentials of an instance must not be able to make, by service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from mayfly_lab.aws import clients
from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.contracts import Keys
from mayfly_lab.lab import SCRIPTS, STACK
from stories.stage import Stage

MAILBOX, FLEET = f"{STACK}-mailbox", f"{STACK}-fleet"
TOKEN_PARAMETER = "/buildkite/mayfly/agent-token"
_REGION = "us-east-1"
DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"}
)
_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Target:
    """What the calls are aimed at: another instance of the stack, and the rows of a host."""

    instance: str
    bootstrap_row: str
    sandbox_row: str
    queue: str
    own_queue: str
    """The queue whose credentials the attacker holds."""
    function_role: str
    host_role: str


def client(stage: Stage, service: str, keys: Keys) -> Any:
    """A client with kept credentials, from outside of the machine; it tries each call once."""
    return clients.client(service, stage.lab.aws.endpoint, _REGION, keys)


def code_of(stage: Stage, keys: Keys, service: str, operation: str, **parameters: Any) -> str:
    """The error's code of a call; `done` for a call that succeeds."""
    try:
        getattr(client(stage, service, keys), operation)(**parameters)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "done"


def codes(
    stage: Stage, keys: Keys, service: str, calls: Sequence[tuple[str, Mapping[str, Any]]]
) -> dict[str, str]:
    """The code of each call, by number and operation."""
    return {
        f"{number} {operation}": code_of(stage, keys, service, operation, **parameters)
        for number, (operation, parameters) in enumerate(calls)
    }


def calls_of(service: str, to: Target) -> Sequence[tuple[str, Mapping[str, Any]]]:
    """The calls of a service that change or read what is not the instance's own."""
    return {
        "dynamodb": _mailbox(to) + _fleet(),
        "ec2": _ec2(to),
        "ssm": _ssm(to),
        "s3": _s3(to),
        "lambda": _lambda(),
        "kms": _kms(),
        "iam": _iam(to),
        "sts": _sts(to),
    }[service]


def _row(key: str) -> Mapping[str, Any]:
    return {"TableName": MAILBOX, "Key": {"key": {"S": key}}}


def write(key: str, attribute: str = "report", **more: Any) -> Mapping[str, Any]:
    """Parameters of an update that writes an attribute of a mailbox row."""
    report = {"protocol": {"N": "1"}, "phase": {"S": "sandboxed"}, "boot": {"S": "forged"}}
    return {
        **_row(key),
        "UpdateExpression": f"SET {attribute} = :v",
        "ExpressionAttributeValues": {":v": {"M": report}},
        **more,
    }


def _mailbox(to: Target) -> list[tuple[str, Mapping[str, Any]]]:
    table = {"TableName": MAILBOX}
    foreign = to.sandbox_row
    return [
        ("update_item", write(foreign)),
        ("update_item", write(to.bootstrap_row)),
        ("update_item", write(foreign, "assignment")),
        ("update_item", write(foreign, "notice")),
        ("get_item", _row(foreign)),
        ("get_item", _row(to.bootstrap_row)),
        ("put_item", {**table, "Item": {"key": {"S": foreign}}}),
        ("delete_item", _row(foreign)),
        ("scan", table),
        (
            "query",
            {
                **table,
                "KeyConditionExpression": "#k = :k",
                "ExpressionAttributeNames": {"#k": "key"},
                "ExpressionAttributeValues": {":k": {"S": foreign}},
            },
        ),
        ("batch_get_item", {"RequestItems": {MAILBOX: {"Keys": [{"key": {"S": foreign}}]}}}),
        ("transact_write_items", {"TransactItems": [{"Update": dict(write(foreign))}]}),
        ("execute_statement", {"Statement": f'SELECT * FROM "{MAILBOX}"'}),
        ("delete_table", table),
        ("create_backup", {**table, "BackupName": "stolen"}),
    ]


def _fleet() -> list[tuple[str, Mapping[str, Any]]]:
    key = {"pk": {"S": "claim#1"}, "sk": {"S": "claim#1"}}
    table = {"TableName": FLEET}
    return [
        ("get_item", {**table, "Key": key}),
        ("put_item", {**table, "Item": key}),
        ("delete_item", {**table, "Key": key}),
        ("scan", table),
        ("execute_statement", {"Statement": f'SELECT * FROM "{FLEET}"'}),
        ("delete_table", table),
        (
            "update_time_to_live",
            {**table, "TimeToLiveSpecification": {"Enabled": False, "AttributeName": "x"}},
        ),
    ]


def _ec2(to: Target) -> list[tuple[str, Mapping[str, Any]]]:
    one, many = {"InstanceId": to.instance}, {"InstanceIds": [to.instance]}
    return [
        ("terminate_instances", many),
        ("stop_instances", many),
        ("start_instances", many),
        ("reboot_instances", many),
        (
            "create_tags",
            {"Resources": [to.instance], "Tags": [{"Key": "mayfly-queue", "Value": "x"}]},
        ),
        ("delete_tags", {"Resources": [to.instance], "Tags": [{"Key": "mayfly-stack"}]}),
        ("modify_instance_attribute", {**one, "UserData": {"Value": b"#!/bin/bash\n"}}),
        ("modify_instance_metadata_options", {**one, "HttpTokens": "optional"}),
        ("associate_iam_instance_profile", {**one, "IamInstanceProfile": {"Name": "x"}}),
        ("get_console_output", one),
        ("create_image", {**one, "Name": "stolen"}),
    ]


def _ssm(to: Target) -> list[tuple[str, Mapping[str, Any]]]:
    def put(name: str, value: str) -> tuple[str, Mapping[str, Any]]:
        return "put_parameter", {"Name": name, "Value": value, "Type": "String", "Overwrite": True}

    return [
        ("get_parameter", {"Name": TOKEN_PARAMETER, "WithDecryption": True}),
        ("get_parameters", {"Names": [TOKEN_PARAMETER]}),
        put(f"/mayfly-infra/{STACK}/bundle", "{}"),
        put(f"/mayfly/{STACK}/queues/{to.queue}/bootstrap/script", "s3://evil/x.sh"),
        put(f"/mayfly/{STACK}/queues/{to.queue}/policy/rules/all", "branch=*"),
        ("delete_parameter", {"Name": f"/mayfly-infra/{STACK}/bundle"}),
        (
            "send_command",
            {"InstanceIds": [to.instance], "DocumentName": "AWS-RunShellScript"},
        ),
    ]


def script_changes(queue: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Calls that put an evil script in the place of a queue's, and take it away again."""
    where = {"Bucket": SCRIPTS, "Key": f"{queue}/evil"}
    evil = {**where, "Body": b"#!/bin/bash\n# evil\n"}
    return [("put_object", evil), ("delete_object", where)]


def _s3(to: Target) -> list[tuple[str, Mapping[str, Any]]]:
    return [
        *script_changes(to.own_queue),
        ("put_bucket_policy", {"Bucket": SCRIPTS, "Policy": "{}"}),
        ("delete_bucket", {"Bucket": SCRIPTS}),
    ]


def _lambda() -> list[tuple[str, Mapping[str, Any]]]:
    function = {"FunctionName": f"{STACK}-dispatch"}
    return [
        ("get_function", function),
        ("update_function_code", {**function, "ZipFile": b"evil"}),
        ("invoke", function),
        ("delete_function", function),
        ("publish_layer_version", {"LayerName": f"{STACK}-instance", "Content": {"ZipFile": b"x"}}),
    ]


def _kms() -> list[tuple[str, Mapping[str, Any]]]:
    return [
        ("decrypt", {"CiphertextBlob": b"kms-of-the-token" * 4}),
        ("list_keys", _NOTHING),
        ("create_key", _NOTHING),
    ]


def _iam(to: Target) -> list[tuple[str, Mapping[str, Any]]]:
    everything = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
    )
    role = {"RoleName": to.host_role}
    return [
        ("put_role_policy", {**role, "PolicyName": "all", "PolicyDocument": everything}),
        (
            "attach_role_policy",
            {**role, "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
        ),
        ("delete_role_policy", {**role, "PolicyName": "x"}),
        ("update_assume_role_policy", {**role, "PolicyDocument": everything}),
        (
            "put_role_policy",
            {"RoleName": to.function_role, "PolicyName": "all", "PolicyDocument": everything},
        ),
        ("create_user", {"UserName": "evil"}),
    ]


def _sts(to: Target) -> list[tuple[str, Mapping[str, Any]]]:
    roles = (to.function_role, to.host_role)
    return [
        (
            "assume_role",
            {
                "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/mayfly/{STACK}/{role}",
                "RoleSessionName": to.instance,
            },
        )
        for role in roles
    ]
