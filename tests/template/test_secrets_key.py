"""The queue's own KMS key: who may use it, who may administer it, and who may do neither."""

from __future__ import annotations

from typing import Any

import pytest

from mayfly.iam.evaluation import Caller, Policies, Request, Statement, Values, evaluate
from mayfly_cli.templates.resolution import ACCOUNT, REGION, Deployment
from tests.template.test_host_rights import ATTACHED, SSM, role_statements

Resources = dict[str, dict[str, Any]]

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/QueueSecretsKey"
IAM = f"arn:aws:iam::{ACCOUNT}"
SANDBOX = f"{IAM}:role/mayfly/acme/sandbox/linux/linux-jobs"
ADMIN = f"{IAM}:role/platform/admin"
OWNER = f"{IAM}:role/people/secrets-owner"
SECRET = f"{SSM}/vendors/buildkite/linux/app/env/token"
VIA: dict[str, Values] = {
    "kms:ViaService": f"ssm.{REGION}.amazonaws.com",
    "kms:EncryptionContext:PARAMETER_ARN": SECRET,
}
ON_INSTANCE: dict[str, Values] = {
    "ec2:SourceInstanceARN": f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/i-0a"
}
ADMINISTRATOR = ATTACHED["AdministratorAccess"]
USES = ("Decrypt", "Encrypt", "GenerateDataKey", "ReEncryptFrom", "ReEncryptTo", "CreateGrant")


def key_policy(resources: Resources) -> list[Statement]:
    found: list[Statement] = resources["QueueSecretsKey"]["Properties"]["KeyPolicy"]["Statement"]
    return found


def allowed(
    resources: Resources,
    role: str,
    action: str,
    own: list[Statement] = ADMINISTRATOR,
    context: dict[str, Values] = VIA,
) -> bool:
    """IAM's verdict on a session of the role, with policies that default to an administrator's."""
    name = role.rpartition("/")[2]
    caller = Caller(f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/s", role, "AROA1")
    request = Request(f"kms:{action}", KEY, {"aws:PrincipalArn": role} | context)
    policies = Policies((own,), resource=key_policy(resources), resource_must_allow=True)
    return evaluate(request, caller, policies).allowed


def without(key: str) -> dict[str, Values]:
    return {name: value for name, value in (VIA | ON_INSTANCE).items() if name != key}


JOBS: list[tuple[bool, str, dict[str, Values]]] = [
    # whether the sandbox role may · action · condition keys
    (True, "Decrypt", VIA | ON_INSTANCE),
    (False, "Decrypt", VIA),
    (False, "Decrypt", without("kms:ViaService")),
    (False, "Decrypt", without("kms:EncryptionContext:PARAMETER_ARN")),
    *(
        (
            False,
            "Decrypt",
            VIA | ON_INSTANCE | {"kms:EncryptionContext:PARAMETER_ARN": f"{SSM}{path}"},
        )
        for path in ("/vendors/buildkite/linux2/x", "/vendors/buildkite/linux", "/x", "/vendors/x")
    ),
    (False, "Decrypt", VIA | ON_INSTANCE | {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}),
    *((False, action, VIA | ON_INSTANCE) for action in USES[1:]),
    (False, "PutKeyPolicy", VIA | ON_INSTANCE),
]


@pytest.mark.parametrize(("expected", "action", "context"), JOBS)
def test_the_sandbox_role_decrypts_the_queues_secrets_on_instances_alone(
    full_queue: Resources, expected: bool, action: str, context: dict[str, Values]
) -> None:
    own = role_statements(full_queue, "Sandbox")
    assert allowed(full_queue, SANDBOX, action, own, context) is expected


@pytest.mark.parametrize("attached", ATTACHED)
def test_bootstrap_uses_the_key_for_nothing(full_queue: Resources, attached: str) -> None:
    own = [*role_statements(full_queue, "Bootstrap"), *ATTACHED[attached]]
    role = f"{IAM}:role/mayfly/acme/bootstrap/linux/R"
    for action in (*USES, "PutKeyPolicy"):
        assert not allowed(full_queue, role, action, own, VIA | ON_INSTANCE), action


STRANGERS = [
    f"{IAM}:role/people/power",
    f"{IAM}:role/ci/deploy-that-may-edit-iam",
    f"{IAM}:role/people/viewer",
    f"{IAM}:role/people/secrets-owner-2",
    f"{IAM}:role/mayfly/acme/sandbox/linux2/acme-linux2-sandbox",
    f"{IAM}:role/mayfly/acme/functions/dispatch",
    "arn:aws:iam::210987654321:role/platform/admin",
]


@pytest.mark.parametrize("role", STRANGERS)
@pytest.mark.parametrize("action", [*USES, "PutKeyPolicy", "ScheduleKeyDeletion", "DescribeKey"])
def test_no_policy_of_the_account_lets_others_use_or_administer_the_key(
    full_queue: Resources, role: str, action: str
) -> None:
    """AdministratorAccess stands for every policy, and for whatever a role could give itself."""
    assert not allowed(full_queue, role, action)
    assert not allowed(full_queue, role, action, context=VIA | ON_INSTANCE)


def test_administrators_administer_and_use_nothing(full_queue: Resources) -> None:
    for action in ("PutKeyPolicy", "EnableKeyRotation", "ScheduleKeyDeletion", "CancelKeyDeletion"):
        assert allowed(full_queue, ADMIN, action)
        assert not allowed(full_queue, ADMIN, action, [])
    for action in USES:
        assert not allowed(full_queue, ADMIN, action), action


def test_the_root_user_can_always_administer_the_key(full_queue: Resources) -> None:
    """No policy limits the root user, so the key's policy alone decides."""
    root = f"{IAM}:root"
    request = Request("kms:PutKeyPolicy", KEY, {"aws:PrincipalArn": root})
    policies = Policies((ADMINISTRATOR,), resource=key_policy(full_queue), resource_must_allow=True)
    assert evaluate(request, Caller(root), policies).allowed


def owners(resources: Resources) -> list[Statement]:
    found: list[Statement] = resources["SecretsOwnersPolicy"]["Properties"]["PolicyDocument"][
        "Statement"
    ]
    return found


@pytest.fixture(scope="module")
def reading_queue(
    queue_template: dict[str, Any], queue_parameters: dict[str, str], stored: dict[str, str]
) -> Resources:
    """A queue whose secrets owners read, whose key decrypts for any session of the sandbox role."""
    options = {
        "SandboxRoleName": "linux-jobs",
        "SecretsKey": "own",
        "SecretsKeyAdministrators": ADMIN,
        "SecretsKeySessions": "any",
        "SecretsOwners": f"{OWNER},{IAM}:role/ci/*",
        "SecretsOwnersRead": "true",
        "SecretsPath": "/vendors/buildkite/linux",
    }
    return Deployment(queue_template, "q", queue_parameters | options, stored).resources


def test_secrets_owners_write_below_the_path_and_read_only_where_they_may(
    full_queue: Resources, reading_queue: Resources
) -> None:
    elsewhere = VIA | {"kms:EncryptionContext:PARAMETER_ARN": f"{SSM}/vendors/buildkite/linux2/x"}
    for resources, reads in ((full_queue, False), (reading_queue, True)):
        own = owners(resources)
        for action in ("Encrypt", "GenerateDataKey"):
            assert allowed(resources, OWNER, action, own)
            assert not allowed(resources, OWNER, action, own, elsewhere)
            assert not allowed(resources, OWNER, action, own, {})
        assert allowed(resources, OWNER, "Decrypt", own) is reads
        assert not allowed(resources, OWNER, "Decrypt", own, elsewhere)
        assert not allowed(resources, OWNER, "PutKeyPolicy", own)
        # The owner's own policy decides as well.
        assert not allowed(resources, OWNER, "Encrypt", [])
    assert allowed(reading_queue, f"{IAM}:role/ci/rotate-keys", "Encrypt", owners(reading_queue))


def test_any_session_of_the_sandbox_role_decrypts_where_the_stack_says_so(
    reading_queue: Resources,
) -> None:
    own = role_statements(reading_queue, "Sandbox")
    assert allowed(reading_queue, SANDBOX, "Decrypt", own)


def test_the_key_rotates_and_outlives_its_stack(queue_template: dict[str, Any]) -> None:
    key = queue_template["Resources"]["QueueSecretsKey"]
    assert key["DeletionPolicy"] == key["UpdateReplacePolicy"] == "Retain"
    assert key["Properties"]["EnableKeyRotation"] is True


def test_both_roles_are_denied_what_carries_the_stacks_tag_so_the_key_does_not(
    full_queue: Resources,
) -> None:
    tags = {each["Key"] for each in full_queue["QueueSecretsKey"]["Properties"]["Tags"]}
    assert tags == {"mayfly-secrets-of"}


@pytest.mark.parametrize("given", ["", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/of-the-team"])
def test_a_queue_without_an_own_key_decrypts_its_secrets_alone(
    queue_template: dict[str, Any],
    queue_parameters: dict[str, str],
    stored: dict[str, str],
    given: str,
) -> None:
    options = {"SecretsPath": "/vendors/buildkite/linux", "SecretsKey": given}
    deployed = Deployment(queue_template, "q", queue_parameters | options, stored).resources
    assert "QueueSecretsKey" not in deployed
    own = role_statements(deployed, "Sandbox")
    (decrypt,) = (each for each in own if each["Sid"] == "DecryptSecrets")
    assert decrypt["Resource"] == (given or f"arn:aws:kms:{REGION}:{ACCOUNT}:key/*")
    assert decrypt["Condition"]["StringLike"] == {
        "kms:EncryptionContext:PARAMETER_ARN": f"{SSM}/vendors/buildkite/linux/*"
    }
