"""Credentials of the four functions, taken over: what each may do is for its own work alone.

The credentials are those that the function's worker was given. No machine runs: instances here have
Mayfly's tags and profiles, and boot nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from attacks.asking import Ask, Caller, assert_passed, assert_refused, summary
from attacks.conftest import Seen
from attacks.host_calls import REPORT, Named, of_iam, write
from attacks.rows import attack
from attacks.searching import keys_of
from attacks.things import OWN, TRUSTS_THE_ACCOUNT, Table, image_of
from mayfly_lab.aws.deploy.stacks import TOKEN_PARAMETER
from mayfly_lab.aws.front.call import Kind
from mayfly_lab.lab import STACK
from stories.stage import QUICK, Stage

FIRST, SECOND = "first", "second"
PARAMETERS: Mapping[str, Mapping[str, str]] = {FIRST: {}, SECOND: {}}
DELAYS = replace(QUICK, minute=10.0)
MAILBOX, FLEET = f"{STACK}-mailbox", f"{STACK}-fleet"
ROW = "AROAHOST:i-1"


@dataclass(frozen=True, slots=True)
class Account:
    """What the calls are aimed at."""

    stage: Stage
    instance: str
    """An instance of the first queue with the bootstrap profile."""
    association: str
    untagged: str
    """An instance without tags, with the bootstrap profile."""
    foreign_association: str
    image: str

    def caller(self, function: str) -> Caller:
        """The function's credentials, from outside."""
        keys = keys_of(self.stage, function, Kind.FUNCTION)
        assert keys, f"{function} has never run"
        return Caller(self.stage.lab.aws.endpoint, keys[-1])

    def profile(self, queue: str, kind: str) -> Mapping[str, Any]:
        return {"IamInstanceProfile": {"Arn": self.stage.published(queue)[f"{kind}_profile"]}}

    def role(self, queue: str, kind: str) -> str:
        return str(self.stage.published(queue)[f"{kind}_role"])

    def template(self, queue: str) -> str:
        return str(self.stage.published(queue)["templates"]["x86_64"]["id"])


@pytest.fixture(scope="module")
def account(stage: Stage) -> Account:
    ec2 = stage.lab.aws.client("ec2")
    image = image_of(stage)
    profile = {"Arn": stage.published(FIRST)["bootstrap_profile"]}
    tags = [{"Key": "mayfly-stack", "Value": STACK}, {"Key": "mayfly-queue", "Value": FIRST}]

    def launched(**more: Any) -> str:
        launch = {"ImageId": image, "InstanceType": "m7i.large", "MinCount": 1, "MaxCount": 1}
        made = ec2.run_instances(**launch, IamInstanceProfile=profile, **more)
        return str(made["Instances"][0]["InstanceId"])

    tagged = launched(TagSpecifications=[{"ResourceType": "instance", "Tags": tags}])
    untagged = launched()

    def association(instance: str) -> str:
        named = [{"Name": "instance-id", "Values": [instance]}]
        found = ec2.describe_iam_instance_profile_associations(Filters=named)
        shown = found["IamInstanceProfileAssociations"]
        return str(shown[0]["AssociationId"]) if shown[0]["State"] == "associated" else ""

    mine = stage.until("the profile is associated", lambda: association(tagged))
    other = stage.until("the profile is associated", lambda: association(untagged))
    ssm = stage.lab.aws.client("ssm")
    ssm.put_parameter(Name=f"/{OWN}/repository", Value="secret", Type="SecureString")
    iam = stage.lab.aws.client("iam")
    iam.create_role(RoleName=OWN, AssumeRolePolicyDocument=TRUSTS_THE_ACCOUNT)
    for function in ("dispatch", "provision", "sandbox", "reap"):
        stage.tick(function)
    return Account(stage, tagged, mine, untagged, other, image)


def _update(attribute: str, row: str = ROW, value: Any = None, **more: Any) -> dict[str, Any]:
    values = {":v": value or REPORT}
    return {**write(_row(row), attribute, ExpressionAttributeValues=values, **more)}


def _row(row: str = ROW) -> Table:
    return Table(MAILBOX, "key", row)


def _in_a_transaction(*items: Mapping[str, Any]) -> Ask:
    return Ask("dynamodb", "transact_write_items", {"TransactItems": list(items)})


def _read(*attributes: str) -> Ask:
    keys: dict[str, Any] = {"Keys": [_row().key]}
    if attributes:
        names = {f"#a{number}": name for number, name in enumerate(attributes)}
        keys |= {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}
    return Ask("dynamodb", "batch_get_item", {"RequestItems": {MAILBOX: keys}})


def _mailbox(*but: str) -> Iterator[Ask]:
    """Reads and writes of the Mailbox that no function may make; `but` names methods left out."""
    where = {"TableName": MAILBOX, "Key": _row().key}
    asks: Named = [
        ("get_item", where),
        ("put_item", {"TableName": MAILBOX, "Item": _row().key}),
        ("delete_item", where),
        ("scan", {"TableName": MAILBOX}),
        ("update_item", _update("report")),
        ("update_item", _update("assignment")),
        ("execute_statement", {"Statement": f'SELECT * FROM "{MAILBOX}"'}),
        ("update_table", {"TableName": MAILBOX, "BillingMode": "PAY_PER_REQUEST"}),
        ("delete_table", {"TableName": MAILBOX}),
        ("delete_table", {"TableName": FLEET}),
        ("scan", {"TableName": FLEET}),
    ]
    for method, given in asks:
        if method not in but:
            yield Ask("dynamodb", method, given)
    yield _read()
    yield _read("key", "assignment")


def _account(account: Account) -> Iterator[Ask]:
    """What no function may do to the account."""
    assume = {"RoleSessionName": "i-1"}
    rule = f"/mayfly/{STACK}/queues/{FIRST}/policy/rules/all"
    evil = {"Name": rule, "Value": "branch=*", "Type": "String", "Overwrite": True}
    yield Ask("ssm", "put_parameter", evil)
    yield Ask("ssm", "get_parameters_by_path", {"Path": "/buildkite", "WithDecryption": True})
    yield Ask("lambda", "update_function_configuration", {"FunctionName": f"{STACK}-dispatch"})
    yield Ask("lambda", "invoke", {"FunctionName": f"{STACK}-dispatch"})
    yield Ask("sts", "assume_role", {**assume, "RoleArn": account.role(FIRST, "sandbox")})
    yield Ask("sts", "assume_role", {**assume, "RoleArn": account.role(FIRST, "bootstrap")})
    yield from of_iam(OWN)
    yield from of_iam(account.role(FIRST, "sandbox").rpartition("/")[2])


def _instances(account: Account, *but: str) -> Iterator[Ask]:
    """Changes of instances that no function may make; `but` names methods left out."""
    one, many = {"InstanceId": account.instance}, {"InstanceIds": [account.instance]}
    bootstrap = account.profile(FIRST, "bootstrap")
    asks = [
        ("associate_iam_instance_profile", {**one, **bootstrap}),
        ("disassociate_iam_instance_profile", {"AssociationId": account.association}),
        (
            "replace_iam_instance_profile_association",
            {"AssociationId": account.association, **account.profile(FIRST, "sandbox")},
        ),
        ("create_replace_root_volume_task", one),
        ("modify_instance_attribute", {**one, "DisableApiTermination": {"Value": False}}),
        ("modify_instance_metadata_options", {**one, "HttpTokens": "optional"}),
        ("create_tags", {"Resources": [account.instance], "Tags": [{"Key": "a", "Value": "b"}]}),
        (
            "create_launch_template_version",
            {"LaunchTemplateId": account.template(FIRST), "LaunchTemplateData": {"UserData": "eA"}},
        ),
        ("terminate_instances", many),
        ("get_console_output", one),
    ]
    return (Ask("ec2", method, given) for method, given in asks if method not in but)


_TOKEN = Ask("ssm", "get_parameter", {"Name": TOKEN_PARAMETER, "WithDecryption": True})


def assert_limited(
    account: Account, seen: Seen, function: str, denied: Sequence[Ask], allowed: Sequence[Ask]
) -> None:
    """Assert that the function's credentials are refused all calls but those of its work."""
    caller = account.caller(function)
    told, own = caller.all(denied), caller.all(allowed)
    assert_refused(told, function)
    assert_passed(own, function)
    seen(f"{len(told)} calls: {summary(told)}; calls of its work: {summary(own)}")


_BY = "IAM: the function's role allows only its own work"


@attack(
    "Credentials of dispatch, which knows the cluster's token: instances, proofs, tokens of jobs"
    " once written, other secrets, parameters, roles",
    refused_by=_BY,
    mechanism="no EC2 right at all; the Mailbox only in a transaction, never the report, no read;"
    " a Deny of kms:Decrypt for every other secret",
)
def test_dispatch_taken_over(account: Account, seen: Seen) -> None:
    row = {"TableName": FLEET, "Item": {"pk": {"S": "attack"}}}
    denied = [
        *_mailbox(),
        *_account(account),
        *_instances(account),
        Ask("ec2", "describe_instances"),
        Ask("ec2", "create_fleet", _fleet(account, FIRST)),
        _in_a_transaction({"Put": row}, {"Update": _update("report")}),
        _in_a_transaction({"Put": row}, {"Delete": {"TableName": MAILBOX, "Key": _row().key}}),
        Ask("ssm", "get_parameters", {"Names": [f"/{OWN}/repository"], "WithDecryption": True}),
        Ask("dynamodb", "delete_item", {"TableName": FLEET, "Key": {"pk": {"S": "attack"}}}),
    ]
    assignment = _update("assignment", value={"M": {"job": {"S": "none"}}})
    allowed = [_TOKEN, _in_a_transaction({"Put": row}, {"Update": assignment})]
    assert_limited(account, seen, "dispatch", denied, allowed)


def _fleet(account: Account, queue: str, **override: Any) -> dict[str, Any]:
    tags = [
        {"Key": key, "Value": value}
        for key, value in (
            ("mayfly-stack", STACK),
            ("mayfly-queue", queue),
            ("mayfly-launch", "attack"),
        )
    ]
    template = {"LaunchTemplateId": account.template(queue), "Version": "1"}
    own = {"InstanceType": "m7i.large", **override}
    return {
        "Type": "instant",
        "LaunchTemplateConfigs": [{"LaunchTemplateSpecification": template, "Overrides": [own]}],
        "TargetCapacitySpecification": {
            "TotalTargetCapacity": 1,
            "DefaultTargetCapacityType": "on-demand",
        },
        "TagSpecifications": [{"ResourceType": "instance", "Tags": tags}],
    }


@attack(
    "Credentials of provision, which launches: an own template or image, a launch without"
    " template, the sandbox profile, other instances, the Mailbox, the token, roles",
    refused_by=_BY,
    mechanism="RunInstances only from templates with the stack's tags, with tags that match;"
    " PassRole on bootstrap roles alone; no right on the Mailbox and the token",
)
def test_provision_taken_over(account: Account, seen: Seen) -> None:
    launch = {"ImageId": account.image, "InstanceType": "m7i.large", "MinCount": 1, "MaxCount": 1}
    denied = [
        *_mailbox(),
        *_account(account),
        *_instances(account),
        _TOKEN,
        Ask("ec2", "run_instances", launch),
        Ask("ec2", "run_instances", {**launch, **account.profile(FIRST, "bootstrap")}),
        Ask("ec2", "run_instances", {**launch, **account.profile(FIRST, "sandbox")}),
        Ask("ec2", "stop_instances", {"InstanceIds": [account.untagged]}),
        Ask("ec2", "start_instances", {"InstanceIds": [account.untagged]}),
        _read("key", "report"),
    ]
    allowed = [
        Ask("ssm", "get_parameters_by_path", {"Path": f"/mayfly/{STACK}/", "Recursive": True}),
        Ask("ec2", "describe_instances"),
    ]
    assert_limited(account, seen, "provision", denied, allowed)


@attack(
    "Credentials of sandbox, which replaces profiles: back to bootstrap, to another queue's"
    " sandbox, of an instance without tags; a forged proof; the token of a job",
    refused_by=_BY,
    mechanism="both profiles of the replacement are compared with the queue in the instance's tag;"
    " the Mailbox may be read by BatchGetItem with key and report alone, and never written",
)
def test_sandbox_taken_over(account: Account, seen: Seen) -> None:
    def swap(association: str, queue: str, kind: str) -> Ask:
        given = {"AssociationId": association, **account.profile(queue, kind)}
        return Ask("ec2", "replace_iam_instance_profile_association", given)

    denied = [
        *_mailbox(),
        *_account(account),
        *_instances(account, "replace_iam_instance_profile_association"),
        _TOKEN,
        swap(account.association, FIRST, "bootstrap"),
        swap(account.association, SECOND, "bootstrap"),
        swap(account.association, SECOND, "sandbox"),
        swap(account.foreign_association, FIRST, "sandbox"),
        Ask("ec2", "create_fleet", _fleet(account, FIRST)),
    ]
    forward = swap(account.association, FIRST, "sandbox")
    allowed = [
        _read("key", "report"),
        Ask("ec2", "describe_iam_instance_profile_associations"),
        forward,
    ]
    assert_limited(account, seen, "sandbox", denied, allowed)
    now = account.stage.lab.aws.client("ec2").describe_iam_instance_profile_associations(
        Filters=[{"Name": "instance-id", "Values": [account.instance]}]
    )["IamInstanceProfileAssociations"]
    last = next(each for each in now if each["AssociationId"] != account.association)
    back = account.caller("sandbox").make(swap(last["AssociationId"], FIRST, "bootstrap"))
    assert_refused([back], "back to bootstrap")
    seen(f"after the replacement, back to bootstrap: {summary([back])}")


@attack(
    "Credentials of reap, which ends instances: instances without the stack's tag, rows with an"
    " assignment, also by a condition that returns the whole row, a forged proof, the token",
    refused_by=_BY,
    mechanism="the Mailbox is written in rows notice/* alone; other rows may only be emptied;"
    " TerminateInstances needs the stack's tag on the instance",
)
def test_reap_taken_over(account: Account, seen: Seen) -> None:
    whole = {
        "ConditionExpression": "attribute_not_exists(assignment)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    put = {"PutRequest": {"Item": {**_row().key, "report": REPORT}}}
    denied = [
        *_mailbox(),
        *_account(account),
        *_instances(account, "terminate_instances", "get_console_output"),
        _TOKEN,
        Ask("dynamodb", "update_item", _update("notice", **whole)),
        Ask("dynamodb", "update_item", _update("assignment", f"notice/{ROW}")),
        Ask("dynamodb", "update_item", _update("notice", f"notice/{ROW}", ReturnValues="ALL_OLD")),
        Ask("dynamodb", "batch_write_item", {"RequestItems": {MAILBOX: [put]}}),
        Ask("ec2", "terminate_instances", {"InstanceIds": [account.untagged]}),
        Ask("ec2", "create_fleet", _fleet(account, FIRST)),
    ]
    notice = _update("notice", f"notice/{ROW}", value={"S": "2030-01-01T00:00:00Z"})
    allowed = [
        _read("key", "report"),
        Ask("dynamodb", "update_item", notice),
        Ask("ec2", "terminate_instances", {"InstanceIds": [account.instance]}),
    ]
    assert_limited(account, seen, "reap", denied, allowed)


@attack(
    "The account's administrator reads or writes rows of the Mailbox, and writes records",
    refused_by="the policies of both tables",
    mechanism="the policies deny every principal but the stack's own roles; what only controls"
    " a table"
    " stays allowed, so that nobody is locked out",
)
def test_an_administrator_does_not_read_the_mailbox(account: Account, seen: Seen) -> None:
    administrator = Caller(account.stage.lab.aws.endpoint, account.stage.lab.aws.administrator)
    fleet = {"TableName": FLEET, "Item": {"pk": {"S": "attack"}}}
    denied = [
        *_mailbox("update_table", "delete_table"),
        Ask("dynamodb", "put_item", fleet),
        Ask("dynamodb", "delete_item", {"TableName": FLEET, "Key": {"pk": {"S": "attack"}}}),
    ]
    told = administrator.all(each for each in denied if each.parameters != {"TableName": FLEET})
    assert_refused(told)
    assert {each.by for each in told} == {"Deny in resource-based policy"}
    allowed = administrator.all(
        [
            Ask("dynamodb", "describe_table", {"TableName": MAILBOX}),
            Ask("dynamodb", "scan", {"TableName": FLEET}),
            Ask("iam", "get_role", {"RoleName": OWN}),
        ]
    )
    assert_passed(allowed)
    seen(f"{len(told)} calls: {summary(told)}; others: {summary(allowed)}")
