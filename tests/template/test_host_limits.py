"""What no policy that an operator attaches to a queue's roles can allow, tried as by an attacker.

The tables of attacks have sentences; actions of whole services are those of AWS's own models.
"""

from __future__ import annotations

import pytest
from botocore.session import Session

from mayfly.iam.evaluation import Request, decide
from mayfly_cli.templates.resolution import ACCOUNT, REGION
from tests.template.attacks import CLOUDFORMATION, DYNAMODB, EC2, INSTANCE, KEY, UNTAGGED, Row
from tests.template.attacks_on_instances import INSTANCES, SCRIPT, TAGS
from tests.template.attacks_on_the_control_plane import (
    CONFIGURATION,
    CONTROL_PLANE,
    IDENTITY,
    OWN_SECRETS,
    RECORDS,
    SECRETS,
    SECRETS_OF_JOBS,
)
from tests.template.test_host_rights import (
    ATTACHED,
    IAM,
    KINDS,
    LAMBDA,
    MAILBOX,
    MAILBOX_CASES,
    NOTICE,
    READ,
    SSM,
    TAGGED,
    UPDATE,
    Context,
    Resources,
    role_context,
    role_statements,
)

ROWS = [*INSTANCES, *TAGS, *RECORDS, *IDENTITY, *SECRETS, *CONFIGURATION, *CONTROL_PLANE]


def survivors(resources: Resources, kind: str, row: Row) -> list[str]:
    """The actions of the row that any attached policy allows the role."""
    _, actions, resource, context = row
    own = role_statements(resources, kind)
    return [
        f"{action} with {name}"
        for action in actions.split()
        for name, attached in ATTACHED.items()
        if decide(Request(action, resource, role_context(kind) | context), own, attached).allowed
    ]


def ids(rows: list[Row]) -> list[str]:
    return [sentence for sentence, _, _, _ in rows]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("row", ROWS, ids=ids(ROWS))
def test_no_attached_policy_lets_a_host(queue: Resources, kind: str, row: Row) -> None:
    assert not survivors(queue, kind, row)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("row", SCRIPT, ids=ids(SCRIPT))
def test_no_attached_policy_lets_a_host_touch_the_scripts_place(
    full_queue: Resources, kind: str, row: Row
) -> None:
    assert not survivors(full_queue, kind, row)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("row", OWN_SECRETS, ids=ids(OWN_SECRETS))
def test_no_attached_policy_lets_a_host_of_a_queue_with_secrets(
    full_queue: Resources, kind: str, row: Row
) -> None:
    assert not survivors(full_queue, kind, row)


@pytest.mark.parametrize("row", SECRETS_OF_JOBS, ids=ids(SECRETS_OF_JOBS))
def test_no_attached_policy_lets_set_up(full_queue: Resources, row: Row) -> None:
    assert not survivors(full_queue, "Bootstrap", row)


READS: list[Row] = [
    ("read configuration", "ssm:GetParameter", f"{SSM}/mayfly/acme/queues/linux/agent/config", {}),
    ("read the bundle's name", "ssm:GetParameter", f"{SSM}/mayfly-infra/acme/bundle", {}),
]


@pytest.mark.parametrize("row", READS, ids=ids(READS))
def test_no_attached_policy_lets_a_job(queue: Resources, row: Row) -> None:
    assert not survivors(queue, "Sandbox", row)


SELF: Context = {
    "ec2:SourceInstanceARN": f"{EC2}:instance/i-0a",
    "ec2:InstanceID": "i-0a",
}
OTHER = SELF | {"ec2:InstanceID": "i-0b"}
NEIGHBOURS: list[tuple[tuple[str, ...], str, str, Context]] = [
    # kinds of role that may · actions · resource · condition keys
    (("Bootstrap",), "ec2:AssociateAddress", f"{EC2}:instance/i-0a", TAGGED | SELF),
    (("Bootstrap",), "ec2:AttachVolume ec2:DetachVolume", f"{EC2}:instance/i-0a", TAGGED | SELF),
    (KINDS, "ec2:AttachVolume ec2:DetachVolume", f"{EC2}:volume/vol-cache", UNTAGGED),
    (KINDS, "ec2:AssociateAddress", f"{EC2}:elastic-ip/eipalloc-1", UNTAGGED),
    ((), "ec2:AttachVolume ec2:DetachVolume ec2:AssociateAddress", INSTANCE, TAGGED | OTHER),
    ((), "ec2:AttachVolume ec2:DetachVolume", INSTANCE, TAGGED),
    ((), "ec2:AttachVolume", INSTANCE, TAGGED | {"ec2:InstanceID": "i-0a"}),
    (
        (),
        "ec2:AttachVolume",
        INSTANCE,
        TAGGED | {"ec2:SourceInstanceARN": f"{EC2}:instance/i-0a"},
    ),
    ((), "ec2:AttachVolume ec2:DetachVolume", f"{EC2}:volume/vol-1", TAGGED | SELF),
    ((), "ec2:AssociateAddress", f"{EC2}:network-interface/eni-1", TAGGED | SELF),
    (
        (),
        (
            "ec2:CreateImage ec2:CreateReplaceRootVolumeTask ec2:CreateTags ec2:DeleteTags"
            " ec2:ModifyInstanceAttribute ec2:ModifyInstanceMetadataOptions ec2:RebootInstances"
            " ec2:ReplaceIamInstanceProfileAssociation ec2:StopInstances ec2:TerminateInstances"
        ),
        f"{EC2}:instance/i-0a",
        TAGGED | SELF,
    ),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("kinds", "actions", "resource", "context"), NEIGHBOURS)
def test_a_bootstrap_script_may_use_a_volume_and_an_address_on_its_own_instance_alone(
    queue: Resources,
    kind: str,
    kinds: tuple[str, ...],
    actions: str,
    resource: str,
    context: Context,
) -> None:
    own = role_statements(queue, kind)
    for action in actions.split():
        request = Request(action, resource, role_context(kind) | context)
        decision = decide(request, own, ATTACHED["AdministratorAccess"])
        assert decision.allowed is (kind in kinds), action


def allowed_actions(
    resources: Resources, kind: str, service: str, resource: str, context: Context
) -> set[str]:
    """Every action of a service, by AWS's model of it, that an administrator's policy allows."""
    own = role_statements(resources, kind)
    names = Session().get_service_model(service).operation_names
    context = role_context(kind) | context
    return {
        name
        for name in names
        if decide(
            Request(f"{service}:{name}", resource, context), own, ATTACHED["AdministratorAccess"]
        ).allowed
    }


REMAINING = {
    # On tagged things, a host's own requests; names and conditions deny those on other things.
    "Bootstrap": {"dynamodb": {"UpdateItem"}, "ssm": {"GetParameter"}},
    "Sandbox": {"dynamodb": {"GetItem", "UpdateItem"}},
}
SERVICES = (
    *("cloudformation", "cloudwatch", "dynamodb", "ebs", "ec2", "ec2-instance-connect", "events"),
    *("kms", "lambda", "logs", "sns", "sqs", "ssm"),
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("service", SERVICES)
def test_of_all_actions_of_a_service_only_a_written_list_reaches_what_carries_the_tag(
    queue: Resources, kind: str, service: str
) -> None:
    thing = f"arn:aws:{service}:{REGION}:{ACCOUNT}:instance/anything"
    found = allowed_actions(queue, kind, service, thing, TAGGED)
    if service == "ec2":
        found = {name for name in found if not name.startswith("Describe")}
    assert found == REMAINING[kind].get(service, set())


@pytest.mark.parametrize("kind", KINDS)
def test_of_all_actions_of_iam_only_reads_remain(queue: Resources, kind: str) -> None:
    found = allowed_actions(queue, kind, "iam", "*", UNTAGGED)
    names = Session().get_service_model("iam").operation_names
    assert found == {n for n in names if n.startswith(("Generate", "Get", "List", "Simulate"))}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["acme-ci", "acme-ci/bootstrap/set-up.sh"])
def test_of_all_actions_of_s3_only_reads_of_the_scripts_place_remain(
    full_queue: Resources, kind: str, place: str
) -> None:
    found = allowed_actions(full_queue, kind, "s3", f"arn:aws:s3:::{place}", UNTAGGED)
    names = Session().get_service_model("s3").operation_names
    assert found == {name for name in names if name.startswith(("Get", "List"))}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("table", ["acme-fleet", "acme-fleet/index/open", "other-mailbox"])
def test_of_all_actions_of_dynamodb_none_reaches_other_tables_of_mayfly(
    queue: Resources, kind: str, table: str
) -> None:
    for keys in (UNTAGGED, READ, NOTICE, UPDATE):
        assert not allowed_actions(queue, kind, "dynamodb", f"{DYNAMODB}/{table}", keys)


@pytest.mark.parametrize("kind", KINDS)
def test_each_deny_holds_a_case_that_nothing_else_holds(full_queue: Resources, kind: str) -> None:
    """So a Deny that is removed, or has a wrong name in it, fails here."""
    own = role_statements(full_queue, kind)
    table = [("", f"dynamodb:{action}", MAILBOX, keys) for _, action, keys in MAILBOX_CASES]
    script = [("", actions, resource, keys) for _, actions, resource, keys in NEIGHBOURS]
    requests = [
        Request(action, resource, role_context(kind) | keys)
        for _, actions, resource, keys in [*ROWS, *SCRIPT, *OWN_SECRETS, *READS, *table, *script]
        for action in actions.split()
    ]
    administrator = ATTACHED["AdministratorAccess"]
    held: dict[str | None, list[Request]] = {}
    for request in requests:
        held.setdefault(decide(request, own, administrator).sid, []).append(request)
    for sid in [statement["Sid"] for statement in own if statement["Effect"] == "Deny"]:
        others = [statement for statement in own if statement["Sid"] != sid]
        assert any(decide(r, others, administrator).allowed for r in held.get(sid, [])), sid


ALLOWED: list[Row] = [
    ("read the script", "s3:GetObject", "arn:aws:s3:::acme-ci/bootstrap/set-up.sh", {}),
    ("list the bucket", "s3:ListBucket s3:GetBucketLocation", "arn:aws:s3:::acme-ci", {}),
    ("store artifacts elsewhere", "s3:PutObject", "arn:aws:s3:::acme-ci-artifacts/1", {}),
    ("look at instances", "ec2:DescribeInstances ec2:DescribeVolumes", "*", UNTAGGED),
    ("look at one of Mayfly's", "ec2:DescribeInstanceAttribute", INSTANCE, TAGGED),
    ("run others", "ec2:RunInstances ec2:TerminateInstances", f"{EC2}:instance/i-1", UNTAGGED),
    ("tag others", "ec2:CreateTags", f"{EC2}:volume/vol-1", {"aws:TagKeys": ["team", "mayfly"]}),
    ("command others", "ssm:SendCommand ssm:StartSession", f"{EC2}:instance/i-1", UNTAGGED),
    ("read secrets", "ssm:GetParameter ssm:GetParametersByPath", f"{SSM}/acme/npm", UNTAGGED),
    ("decrypt", "kms:Decrypt", KEY, {"kms:EncryptionContext:PARAMETER_ARN": f"{SSM}/acme/npm"}),
    (
        "use a table",
        "dynamodb:PutItem dynamodb:Scan",
        f"{DYNAMODB}/terraform-locks",
        {"dynamodb:LeadingKeys": ["state"]},
    ),
    ("use a table whose name is like Mayfly's", "dynamodb:Scan", f"{DYNAMODB}/fleets", UNTAGGED),
    ("deploy a function", "lambda:UpdateFunctionCode", f"{LAMBDA}:function:shop", UNTAGGED),
    (
        "feed a function",
        "lambda:CreateEventSourceMapping lambda:DeleteEventSourceMapping",
        f"{LAMBDA}:event-source-mapping:3",
        {"lambda:FunctionArn": f"{LAMBDA}:function:shop"},
    ),
    ("deploy a stack", "cloudformation:UpdateStack", f"{CLOUDFORMATION}/shop/1", UNTAGGED),
    ("send metrics", "cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": "Shop"}),
    (
        "set an alarm",
        "cloudwatch:PutMetricAlarm",
        f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:shop",
        {"cloudwatch:AlarmActions": [f"arn:aws:sns:{REGION}:{ACCOUNT}:shop"]},
    ),
    ("deploy elsewhere", "sts:AssumeRole", "arn:aws:iam::210987654321:role/deploy", UNTAGGED),
    ("pass a role of others", "iam:PassRole", f"{IAM}:role/shop", UNTAGGED),
    ("read IAM", "iam:GetRole iam:ListRoles iam:SimulatePrincipalPolicy", f"{IAM}:role/x", {}),
    ("fetch images", "ecr:GetAuthorizationToken", "*", UNTAGGED),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("row", ALLOWED, ids=ids(ALLOWED))
def test_an_attached_policy_lets_a_host(full_queue: Resources, kind: str, row: Row) -> None:
    _, actions, resource, context = row
    own = role_statements(full_queue, kind)
    for action in actions.split():
        request = Request(action, resource, role_context(kind) | context)
        assert decide(request, own, ATTACHED["AdministratorAccess"]).allowed, action
