"""What `provision` says of a queue's roles with AWS's own policies attached.

The documents are AWS's, as moto ships them.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from moto.iam.aws_managed_policies import aws_managed_policies_data

from mayfly.answers import Policy, Role
from mayfly.iam.documents import statements_of
from mayfly.iam.judgement import NARROW, UNCHANGED, why_refused
from mayfly.iam.place import Place
from mayfly_cli.templates.resolution import ACCOUNT, REGION

Resources = dict[str, dict[str, Any]]

KINDS = ("bootstrap", "sandbox")
AWS = json.loads(aws_managed_policies_data)
SCRIPTS = "acme-ci/bootstrap/"
FOLDER = "/vendors/buildkite/linux"
ANY_ROLE = f"arn:aws:iam::{ACCOUNT}:role/*"


def a_role(
    full_queue: Resources, kind: str, *further: Policy, denies: bool = True, **changes: Any
) -> Role:
    """The role as deployed, with further policies; without `denies`, as from a copy."""
    properties = full_queue[f"{kind.capitalize()}Role"]["Properties"]
    own = []
    for policy in properties["Policies"]:
        statements = statements_of(policy["PolicyDocument"])
        kept = tuple(each for each in statements if denies or each["Effect"] == "Allow")
        own.append(Policy(policy["PolicyName"], kept))
    arn = f"arn:aws:iam::{ACCOUNT}:role/mayfly/acme/{kind}/linux/R"
    trust = statements_of(properties["AssumeRolePolicyDocument"])
    return Role(
        **{"arn": arn, "id": "AROA1", "trust": trust, "policies": (*own, *further)} | changes
    )


def reasons(kind: str, role: Role) -> list[str]:
    token = "/buildkite/mayfly/agent-token"
    place = Place(role.arn, role.id, REGION, "acme", "linux", token, SCRIPTS, FOLDER)
    return list(why_refused(kind, role, place))


def of_aws(name: str) -> Policy:
    return Policy(f"arn:aws:iam::aws:policy/{name}", statements_of(AWS[name]["Document"]))


def a_policy(effect: str, action: Any, resource: Any, **elements: Any) -> Policy:
    statement = {"Effect": effect, "Action": action, "Resource": resource, **elements}
    return Policy(f"arn:aws:iam::{ACCOUNT}:policy/ours", (statement,))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("denies", [True, False])
def test_the_roles_as_deployed_may_be_used(full_queue: Resources, kind: str, denies: bool) -> None:
    """Without an attached policy also from a copy without the Denies: nothing is allowed there."""
    assert reasons(kind, a_role(full_queue, kind, denies=denies)) == []


WHATEVER_IS_DENIED = [
    # AWS's policy · what no Deny of Mayfly holds
    ("AdministratorAccess", "assume any role of the account"),
    ("PowerUserAccess", "assume any role of the account"),
    ("AWSLambda_FullAccess", "pass any role of the account to a service"),
    ("AmazonECS_FullAccess", "pass any role of the account to a service"),
    ("IAMFullAccess", "pass any role of the account to a service"),
]
WITH_DENIES = (
    "AmazonDynamoDBFullAccess",
    "AmazonEC2ContainerRegistryReadOnly",
    "AmazonEC2FullAccess",
    "AmazonS3FullAccess",
    "AmazonSSMFullAccess",
    "AmazonSSMManagedInstanceCore",
    "AWSCloudFormationFullAccess",
    "ReadOnlyAccess",
    "SecurityAudit",
)
WITHOUT_DENIES = [
    # AWS's policy · what a role without the Denies of the template could do with it
    ("AdministratorAccess", "use the Fleet table"),
    ("IAMFullAccess", "write IAM"),
    ("AmazonDynamoDBFullAccess", "use the mailbox row of another instance"),
    ("AmazonEC2FullAccess", "change the profile of an instance"),
    ("AmazonS3FullAccess", "write bootstrap scripts"),
    ("AmazonSSMFullAccess", "read the Buildkite agent token"),
    ("AmazonSSMManagedInstanceCore", "read the Buildkite agent token"),
    ("AWSCloudFormationFullAccess", "change the stack of Mayfly"),
    ("AWSLambda_FullAccess", "change or call the functions of Mayfly"),
    ("ReadOnlyAccess", "read the Buildkite agent token"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "effect"), WHATEVER_IS_DENIED)
def test_a_policy_that_reaches_other_roles_is_refused_also_with_the_denies(
    full_queue: Resources, kind: str, name: str, effect: str
) -> None:
    told = reasons(kind, a_role(full_queue, kind, of_aws(name)))
    assert any(effect in each and each.endswith(NARROW) for each in told), told
    assert len(told) == 1  # The Denies hold all the rest.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", WITH_DENIES)
def test_the_denies_make_a_policy_usable(full_queue: Resources, kind: str, name: str) -> None:
    assert reasons(kind, a_role(full_queue, kind, of_aws(name))) == []


def test_a_power_user_that_may_assume_no_role_is_usable(full_queue: Resources) -> None:
    """The change that docs/operating.md names."""
    named = f"arn:aws:iam::{ACCOUNT}:role/deploy"
    deny = a_policy("Deny", "sts:AssumeRole", [], NotResource=named)
    (statement,) = deny.statements
    only = {key: value for key, value in statement.items() if key != "Resource"}
    policies = (of_aws("PowerUserAccess"), Policy("arn:aws:iam::1:policy/x", (only,)))
    assert reasons("sandbox", a_role(full_queue, "sandbox", *policies)) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "effect"), WITHOUT_DENIES)
def test_a_role_without_the_denies_is_refused_for_what_they_hold(
    full_queue: Resources, kind: str, name: str, effect: str
) -> None:
    told = reasons(kind, a_role(full_queue, kind, of_aws(name), denies=False))
    assert any(effect in each and name in each for each in told), told


def test_a_boundary_that_leaves_no_room_makes_an_administrator_usable(
    full_queue: Resources,
) -> None:
    boundary = a_policy("Allow", ["s3:GetObject", "dynamodb:*", "ssm:GetParameter"], "*")
    role = a_role(full_queue, "sandbox", of_aws("AdministratorAccess"), boundary=boundary)
    assert reasons("sandbox", role) == []
    assert reasons("sandbox", a_role(full_queue, "sandbox", of_aws("AdministratorAccess")))


UNDER_DENIES = [
    # whether the sandbox role may be used · a policy with one statement
    (False, a_policy("Allow", "sts:AssumeRole", "*")),
    (False, a_policy("Allow", "sts:*", ANY_ROLE)),
    (False, a_policy("Allow", "sts:AssumeRole", "arn:aws:iam::*:role/*")),
    (True, a_policy("Allow", "sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/deploy")),
    (True, a_policy("Allow", "sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/cdk-*")),
    (True, a_policy("Allow", "sts:AssumeRole", "arn:aws:iam::210987654321:role/*")),
    (False, a_policy("Allow", "iam:PassRole", "*")),
    (
        False,
        a_policy(
            *("Allow", "iam:PassRole", ANY_ROLE),
            Condition={"StringEquals": {"iam:PassedToService": "codebuild.amazonaws.com"}},
        ),
    ),
    (
        True,
        a_policy(
            *("Allow", "iam:PassRole", ANY_ROLE),
            Condition={"StringEquals": {"iam:PassedToService": "dax.amazonaws.com"}},
        ),
    ),
    (True, a_policy("Allow", "iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/task")),
    (
        False,
        a_policy(
            *("Allow", "sts:AssumeRole", "*"),
            Condition={"StringEquals": {"aws:ResourceTag/team": "ci"}},
        ),
    ),
    (True, a_policy("Allow", "iam:Get*", "*")),
]


@pytest.mark.parametrize(("accepted", "policy"), UNDER_DENIES)
def test_a_role_that_is_named_is_the_operators_choice(
    full_queue: Resources, accepted: bool, policy: Policy
) -> None:
    told = reasons("sandbox", a_role(full_queue, "sandbox", policy))
    assert (told == []) is accepted, told


@pytest.mark.parametrize(
    "policy",
    [
        a_policy("Allow", "iam:*", "*"),
        a_policy("Allow", "iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/app-*"),
        a_policy("Allow", "iam:AttachRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/app"),
        a_policy("Allow", "iam:CreatePolicyVersion", f"arn:aws:iam::{ACCOUNT}:policy/*"),
        a_policy("Allow", "iam:CreateAccessKey", f"arn:aws:iam::{ACCOUNT}:user/${{aws:username}}"),
        Policy("inline", ({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"},)),
    ],
)
def test_writing_iam_is_refused_also_for_one_role(full_queue: Resources, policy: Policy) -> None:
    told = reasons("sandbox", a_role(full_queue, "sandbox", policy, denies=False))
    assert "write IAM" in told[0]


HERE = f"{REGION}:{ACCOUNT}"
MAILBOX = f"arn:aws:dynamodb:{HERE}:table/acme-mailbox"
OWN_QUEUE = {"StringEquals": {"aws:ResourceTag/mayfly-queue": "linux"}}
OF_B = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["AROAQUEUEB:*"]}}
NARROW_GRANTS = [
    # what a role without the Denies could do by one narrow grant · the grant
    ("change the configuration", "ssm:PutParameter", "parameter/mayfly/acme/queues/linux/pool/hot"),
    ("change the configuration", "ssm:PutParameter", "parameter/mayfly-infra/acme/queues/b*"),
    ("call the functions", "lambda:InvokeFunction", "function:acme-reap:live"),
    ("change the layers", "lambda:DeleteLayerVersion", "layer:acme-mayfly:7"),
]


@pytest.mark.parametrize(("effect", "action", "resource"), NARROW_GRANTS)
def test_a_narrow_grant_within_what_is_protected_is_found(
    full_queue: Resources, effect: str, action: str, resource: str
) -> None:
    arn = f"arn:aws:{action.partition(':')[0]}:*:*:{resource}"
    grant = a_policy("Allow", action, arn)
    (told,) = reasons("sandbox", a_role(full_queue, "sandbox", grant, denies=False))
    assert effect in told
    assert reasons("sandbox", a_role(full_queue, "sandbox", grant)) == []


@pytest.mark.parametrize(
    ("effect", "grant"),
    [
        ("mailbox row", a_policy("Allow", "dynamodb:UpdateItem", MAILBOX, Condition=OF_B)),
        ("act on instances", a_policy("Allow", "ssm:SendCommand", "*", Condition=OWN_QUEUE)),
        ("write bootstrap scripts", a_policy("Allow", "s3:Put*", f"arn:aws:s3:::{SCRIPTS}team/*")),
        (
            "pass the roles",
            a_policy("Allow", "iam:PassRole", f"{ANY_ROLE[:-1]}mayfly/acme/bootstrap/b/R"),
        ),
    ],
)
def test_a_grant_with_a_condition_or_a_name_is_found(
    full_queue: Resources, effect: str, grant: Policy
) -> None:
    (told,) = reasons("sandbox", a_role(full_queue, "sandbox", grant, denies=False))
    assert effect in told
    assert reasons("sandbox", a_role(full_queue, "sandbox", grant)) == []


SECRETS = f"arn:aws:ssm:*:*:parameter{FOLDER}"
OF_SECRETS = [
    ("ssm:GetParameter", f"{SECRETS}/*"),
    ("ssm:GetParameters", f"{SECRETS}/a-*/env/*"),
    ("ssm:GetParametersByPath", SECRETS),
    ("ssm:GetParametersByPath", "arn:aws:ssm:*:*:parameter/vendors"),
    ("ssm:GetParametersByPath", "arn:aws:ssm:*:*:parameter/vendors/"),
]


@pytest.mark.parametrize(("action", "resource"), OF_SECRETS)
def test_set_up_that_could_read_the_secrets_of_jobs_is_refused(
    full_queue: Resources, action: str, resource: str
) -> None:
    grant = a_policy("Allow", action, resource)
    (told,) = reasons("bootstrap", a_role(full_queue, "bootstrap", grant, denies=False))
    assert f"read the secrets of the queue's jobs ({action}" in told
    assert told.endswith(UNCHANGED)
    assert reasons("bootstrap", a_role(full_queue, "bootstrap", grant)) == []
    assert reasons("sandbox", a_role(full_queue, "sandbox", grant, denies=False)) == []


def test_a_stale_folder_of_secrets_in_the_denies_of_set_up_is_found(full_queue: Resources) -> None:
    """What the stack publishes is another folder than the one that its Denies name."""
    role = a_role(full_queue, "bootstrap", a_policy("Allow", "ssm:GetParameter", "*"))
    token = "/buildkite/mayfly/agent-token"
    place = Place(role.arn, role.id, REGION, "acme", "linux", token, SCRIPTS, "/vendors/other")
    (told,) = why_refused("bootstrap", role, place)
    assert "read the secrets of the queue's jobs" in told


EC2 = "ec2.amazonaws.com"


@pytest.mark.parametrize(
    ("accepted", "changes"),
    [
        (True, {"Principal": {"Service": [EC2]}}),
        (False, {"Principal": "*"}),
        (False, {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}),
        (False, {"Principal": {"Service": [EC2, "lambda.amazonaws.com"]}}),
        (False, {"Principal": {"Service": EC2, "AWS": "*"}}),
        (False, {"Principal": {"AWS": "*"}, "Action": "*"}),
        (False, {"Principal": {"Federated": "x"}, "Action": "sts:AssumeRoleWithWebIdentity"}),
        (False, {"Principal": {"AWS": "*"}, "Condition": {"Bool": {"aws:x": "true"}}}),
        (True, {"Principal": {"AWS": "*"}, "Action": "sts:TagSession"}),
    ],
)
def test_only_ec2_may_be_trusted(
    full_queue: Resources, accepted: bool, changes: dict[str, Any]
) -> None:
    """aws:userid contains the session name, which any other principal could choose."""
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", **changes}
    told = reasons("sandbox", a_role(full_queue, "sandbox", trust=(statement,)))
    assert (told == []) is accepted
    assert all("let the service ec2.amazonaws.com alone assume it" in each for each in told)


def test_a_trust_policy_with_notprincipal_is_refused(full_queue: Resources) -> None:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "NotPrincipal": {"AWS": "x"}}
    (told,) = reasons("sandbox", a_role(full_queue, "sandbox", trust=(statement,)))
    assert "everybody but" in told


def test_a_stale_name_of_the_token_in_the_queues_stack_is_found(full_queue: Resources) -> None:
    """The Denies of the stack name another parameter than the one that `dispatch` reads."""
    role = a_role(full_queue, "sandbox", a_policy("Allow", "ssm:GetParameter", "*"))
    place = Place(role.arn, role.id, REGION, "acme", "linux", "/secrets/new-token", SCRIPTS)
    (told,) = why_refused("sandbox", role, place)
    assert "read the Buildkite agent token (ssm:GetParameter" in told
    assert told.endswith(UNCHANGED)


def test_a_long_list_of_effects_is_cut(full_queue: Resources) -> None:
    told = reasons(
        "sandbox", a_role(full_queue, "sandbox", of_aws("PowerUserAccess"), denies=False)
    )
    assert all(len(each) < 700 for each in told)
    assert "and 1" in told[-1]
