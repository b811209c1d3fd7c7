"""Principals beside the control plane: another stack's roles, a queue without Denies, people.

A second control plane with a queue is deployed in the same account, and a queue of the first
control plane from a copy of `stacks/queue.yaml` without its Denies. No machine runs: sessions of
their roles are those that EC2 and Lambda would give.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from attacks.asking import Ask, Caller, assert_passed, assert_refused, summary
from attacks.conftest import Seen
from attacks.host_calls import rows, table_control, write
from attacks.rows import attack
from attacks.things import EVERYTHING, TRUSTS_THE_ACCOUNT, Table, fleet
from mayfly_cli.templates.translation import translate
from mayfly_lab.aws.deploy.stacks import ARTIFACTS, TOKEN_PARAMETER, Deployment, QueueStack
from mayfly_lab.contracts import Keys
from mayfly_lab.lab import ROOT, STACK
from stories.stage import QUICK, Stage

QUEUE = "first"
PARAMETERS: Mapping[str, Mapping[str, str]] = {QUEUE: {}}
DELAYS = replace(QUICK, minute=10.0)
OTHER, COPY, FOREIGN = "other", "copy", "foreign"
HOST = "i-0123456789abcdef0"
_DATA = "arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess"
_ALL = "arn:aws:iam::aws:policy/AdministratorAccess"
_AGENT = {
    "AgentVersion": "3.83.1",
    "AgentSha256Amd64": "1" * 64,
    "AgentSha256Arm64": "2" * 64,
}
MAILBOX = Table(f"{STACK}-mailbox", "key", "AROAVICTIM:i-1")
FLEET = fleet(QUEUE)


@dataclass(frozen=True, slots=True)
class Account:
    """The account with both control planes."""

    stage: Stage
    second: Mapping[str, Any]
    """What the queue of the second control plane publishes."""
    copy: Mapping[str, Any]
    """What the queue without Denies publishes."""

    def caller(self, keys: Keys) -> Caller:
        return Caller(self.stage.lab.aws.endpoint, keys)

    def host(self, published: Mapping[str, Any], kind: str) -> tuple[Caller, Table]:
        """Credentials of a host with a profile of the queue, and its own row."""
        profile = published[f"{kind}_profile"]
        keys, principal = self.stage.lab.aws.sessions.of_instance(HOST, profile)
        stack = OTHER if published is self.second else STACK
        return self.caller(keys), Table(f"{stack}-mailbox", "key", principal.userid)

    def attach(self, role_arn: str, *policies: str) -> None:
        for policy in policies:
            self.stage.lab.aws.client("iam").attach_role_policy(
                RoleName=role_arn.rpartition("/")[2], PolicyArn=policy
            )


@pytest.fixture(scope="module")
def account(stage: Stage) -> Account:
    deployer = stage.lab.aws._deployer()
    endpoint = stage.lab.buildkite.agent_endpoint
    second = Deployment(ROOT, "", endpoint, stack=OTHER)
    deployer.control(second)
    published = deployer.queue(second, QueueStack(QUEUE, _AGENT))
    template = translate(ROOT / "stacks" / "queue.yaml", "us-east-1", ARTIFACTS).template
    resources = template["Resources"]
    for role in ("BootstrapRole", "SandboxRole"):
        rights = resources[role]["Properties"]["Policies"]
        kept = [each for each in rights if not each["PolicyName"].endswith("-limits")]
        assert len(kept) == len(rights) - 1
        resources[role]["Properties"]["Policies"] = kept
    parameters = {**_AGENT, "ControlStack": STACK, "QueueKey": COPY}
    network = {"VpcId": deployer._vpc, "Subnets": ",".join(deployer._subnets)}
    deployer._create(f"{STACK}-queue-{COPY}", template, {**parameters, **network})
    return Account(stage, published, deployer.published(STACK, COPY))


def _read(table: Table) -> Ask:
    return Ask("dynamodb", "get_item", {"TableName": table.name, "Key": table.key})


def _report(table: Table) -> Ask:
    return Ask("dynamodb", "update_item", write(table))


_TABLES = "the policies of both tables"


@attack(
    "Hosts of a second control plane, and its functions, with AmazonDynamoDBFullAccess and"
    " AdministratorAccess: tokens, proofs and records of the first control plane",
    refused_by=_TABLES + ", and the Denies of the second plane's hosts",
    mechanism="the Mailbox is closed to every principal but its own stack's roles, Fleet to every"
    " role below /mayfly/ but its own functions",
)
def test_roles_of_a_second_control_plane(account: Account, seen: Seen) -> None:
    asks = [*rows(MAILBOX), *rows(FLEET)]
    aws = account.stage.lab.aws
    roles = [account.second[f"{kind}_role"] for kind in ("bootstrap", "sandbox")]
    functions = aws.client("lambda").list_functions()["Functions"]
    roles += [each["Role"] for each in functions if each["FunctionName"].startswith(f"{OTHER}-")]
    assert len(roles) == 6
    for role in roles:
        account.attach(role, _DATA, _ALL)
    told, own = [], []
    for kind in ("bootstrap", "sandbox"):
        caller, row = account.host(account.second, kind)
        told += caller.all(asks)
        own.append(caller.make(_report(row)))
    for role in roles[2:]:
        keys, _ = aws.sessions.begin(role.rpartition("/")[2], "taken")
        caller = account.caller(keys)
        told += caller.all([*asks, *table_control(MAILBOX)])
        own.append(caller.make(_read(Table(f"{OTHER}-fleet", "pk", "queue#x"))))
    assert_refused(told)
    assert_passed(own)
    seen(f"{len(told)} calls of 6 roles: {summary(told)}; on their own tables: {summary(own)}")


@attack(
    "The owner of a queue deploys stacks/queue.yaml from a copy without the Denies, attaches"
    " AdministratorAccess, and rewrites another queue's records, rows and tokens",
    refused_by=_TABLES,
    mechanism="both tables' policies repeat the Denies of the hosts': the own row alone, the"
    " report alone,"
    " nothing on Fleet",
    remains="Calls beside the tables are as the owner's policies allow, for the owner could make"
    " them by any other role: who deploys roles below /mayfly/ must be trusted. provision refuses"
    " the queue.",
)
def test_a_queue_without_denies(account: Account, seen: Seen) -> None:
    told, own = [], []
    for kind in ("bootstrap", "sandbox"):
        account.attach(account.copy[f"{kind}_role"], _DATA, _ALL)
        caller, row = account.host(account.copy, kind)
        asks = [*rows(MAILBOX), *rows(FLEET), *table_control(MAILBOX)]
        asks += [
            Ask("dynamodb", "update_item", write(row, "assignment")),
            Ask("dynamodb", "update_item", write(row, ReturnValues="ALL_OLD")),
        ]
        told += caller.all(asks)
        own.append(caller.make(_report(row)))
    assert_refused(told)
    assert {each.by for each in told} == {"Deny in resource-based policy"}
    assert_passed(own)
    stage = account.stage

    def refused() -> str:
        known = stage.lab.records.queues().get(COPY)
        return known.roles.refused.partition(";")[0] if known and known.roles else ""

    words = stage.until("provision refuses the queue", refused)
    seen(f"{len(told)} calls: {summary(told)}; own report: {summary(own)}; provision: {words}")


@attack(
    "A role of the account beside Mayfly, with dynamodb:* on everything",
    refused_by=_TABLES,
    mechanism="the Mailbox takes and gives no row, Fleet takes none",
    remains="The role may read records, which hold no token, and change the tables' policies, as"
    " AWS lets nobody be locked out: give dynamodb:* on these tables to nobody.",
)
def test_a_foreign_role_with_every_right_on_tables(account: Account, seen: Seen) -> None:
    aws = account.stage.lab.aws
    aws.client("iam").create_role(RoleName=FOREIGN, AssumeRolePolicyDocument=TRUSTS_THE_ACCOUNT)
    document = EVERYTHING.replace('"Action": "*"', '"Action": "dynamodb:*"')
    aws.client("iam").put_role_policy(
        RoleName=FOREIGN, PolicyName="tables", PolicyDocument=document
    )
    keys, _ = aws.sessions.begin(FOREIGN, "session")
    caller = account.caller(keys)
    writes = {"put_item", "update_item", "delete_item", "batch_write_item", "transact_write_items"}
    copies = {"create_backup", "export_table_to_point_in_time"}
    asks = [
        *rows(MAILBOX),
        *(ask for ask in table_control(MAILBOX) if ask.method in copies),
        *(ask for ask in rows(FLEET) if ask.method in writes),
    ]
    told = caller.all(asks)
    assert_refused(told)
    assert {each.by for each in told} == {"Deny in resource-based policy"}
    read = caller.make(_read(FLEET))
    assert_passed([read])
    token = account.stage.lab.buildkite.agent_token
    item = caller.client("dynamodb").scan(TableName=FLEET.name)["Items"]
    assert item
    assert token not in json.dumps(item, default=str)
    seen(f"{len(told)} calls: {summary(told)}; a read of records: {summary([read])}, no token")


# ---------------------------------------------------------------- people

_QUEUES = f"/mayfly/{STACK}/queues/{QUEUE}"


def _put(name: str, value: str = "1") -> Ask:
    given = {"Name": name, "Value": value, "Type": "String", "Overwrite": True}
    return Ask("ssm", "put_parameter", given)


def _of_nobody(account: Account) -> Iterator[Ask]:
    """What no person but an administrator may do."""
    published = account.stage.published(QUEUE)
    role = published["sandbox_role"]
    yield Ask("ssm", "get_parameter", {"Name": TOKEN_PARAMETER, "WithDecryption": True})
    yield _put(f"/mayfly-infra/{STACK}/bundle", "{}")
    yield _put(f"/mayfly-infra/{STACK}/queues/{QUEUE}", "{}")
    yield _put(f"/mayfly/{OTHER}/queues/{QUEUE}/paused")
    yield from rows(MAILBOX)
    yield from (ask for ask in rows(FLEET) if "put" in ask.method or "write" in ask.method)
    yield Ask("ec2", "run_instances", {"MinCount": 1, "MaxCount": 1, "ImageId": "ami-1"})
    yield Ask(
        "ec2",
        "create_launch_template_version",
        {
            "LaunchTemplateId": published["templates"]["x86_64"]["id"],
            "LaunchTemplateData": {"UserData": "eA=="},
        },
    )
    yield Ask("lambda", "invoke", {"FunctionName": f"{STACK}-dispatch"})
    yield Ask("lambda", "get_function", {"FunctionName": f"{STACK}-dispatch"})
    yield Ask("iam", "attach_role_policy", {"RoleName": role.rpartition("/")[2], "PolicyArn": _ALL})
    yield Ask("sts", "assume_role", {"RoleArn": role, "RoleSessionName": HOST})


def _decided_by_owners() -> Iterator[Ask]:
    for name, value in (
        ("policy/rules/all", "branch=main"),
        ("policy/rules/paused", "branch=main"),
        ("imds", "supervisor"),
        ("job/root", "no"),
        ("bootstrap/script", "s3://evil/x.sh"),
        ("agent/config", "spawn=1"),
    ):
        yield _put(f"{_QUEUES}/{name}", value)


_READS_OF_OWNERS = ("get_item", "query", "transact_get_items")


def _tuned_by_operators() -> Iterator[Ask]:
    for name, value in (
        ("pool/hot", "0"),
        ("limits/max-instances", "5"),
        ("launch/purchase", "spot"),
        ("job/attempts", "2"),
        ("paused", "false"),
    ):
        yield _put(f"{_QUEUES}/{name}", value)


def _try_person(
    account: Account, seen: Seen, keys: Keys, denied: Sequence[Ask], own: Sequence[Ask]
) -> None:
    caller = account.caller(keys)
    told, duty = caller.all(denied), caller.all(own)
    assert_refused(told)
    assert_passed(duty)
    for ask in own:
        account.stage.lab.aws.client("ssm").delete_parameter(Name=ask.parameters["Name"])
    seen(f"{len(told)} calls: {summary(told)}; own duties: {summary(duty)}")


@attack(
    "An operator decides what a security owner decides, and what nobody may",
    refused_by="IAM: OperatorsPolicy",
    mechanism="the policy's Allows name the parameters for tuning; a Deny covers names within"
    " names",
)
def test_an_operator_beyond_the_duty(account: Account, seen: Seen) -> None:
    denied = [*_decided_by_owners(), *_of_nobody(account)]
    own = [*_tuned_by_operators()]
    _try_person(account, seen, account.stage.lab.aws.operator, denied, own)


@attack(
    "A security owner tunes, ends instances, reads all records at once, and does what nobody may",
    refused_by="IAM: SecurityOwnersPolicy",
    mechanism="the policy's Allows name the parameters for security, and reads by key and index",
)
def test_a_security_owner_beyond_the_duty(account: Account, seen: Seen) -> None:
    records = [ask for ask in rows(FLEET) if ask.method not in _READS_OF_OWNERS]
    denied = [*_tuned_by_operators(), *_of_nobody(account), *records]
    own = [ask for ask in _decided_by_owners() if "bootstrap" not in ask.parameters["Name"]]
    _try_person(account, seen, account.stage.lab.aws.security_owner, denied, own)
