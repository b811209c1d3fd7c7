"""Secrets of a deployed queue with a key of its own: who writes them, and who reads them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.aws_lab import refused
from local.deployed_account import SECRETS, STACK, Account
from mayfly_lab.contracts import Keys
from operators.roles import a_role

ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
NAME = f"{SECRETS}/github.com_acme_shop.git/env/npm-token"
FOLDER = NAME.rpartition("/env/")[0]
VALUE = "the-value-of-the-secret"
DENIED = ("AccessDeniedException", 400)


def ssm(account: Account, keys: Keys) -> Any:
    return account.lab.client("ssm", keys)


def a_host(account: Account, kind: str) -> Any:
    """An SSM client of an instance with a profile of the queue."""
    profile = account.deployed.queues["deploy"][f"{kind}_profile"]
    return ssm(account, account.lab.aws.sessions.of_instance("i-0123456789abcdef0", profile)[0])


@pytest.fixture(scope="module")
def secret(account: Account) -> str:
    """The name of a secret that a secrets owner has written."""
    made = account.resources(f"{STACK}-queue-deploy")
    policy = made["SecretsOwnersPolicy"]["PhysicalResourceId"]
    owner = ssm(account, a_role(account.lab.aws, "secrets-owner", policy))
    key = account.deployed.queues["deploy"]["secrets_key"]
    owner.put_parameter(Name=NAME, Value=VALUE, Type="SecureString", KeyId=key)
    assert refused(owner.get_parameter, Name=NAME, WithDecryption=True) == DENIED
    return NAME


def test_the_queue_publishes_its_folder_and_its_key(account: Account) -> None:
    published = account.deployed.queues["deploy"]
    assert (published["secrets_path"], published["job_role_path"]) == (SECRETS, "/ci/deploy/")
    key = {"KeyId": published["secrets_key"]}
    assert refused(account.client("kms").describe_key, **key)[0] == DENIED[0]
    kms = account.lab.client("kms", a_role(account.lab.aws, "administrator", ADMINISTRATOR))
    about = kms.describe_key(**key)["KeyMetadata"]
    assert about["Description"] == "Secrets of jobs of the Mayfly queue deploy."
    assert kms.get_key_rotation_status(KeyId=about["KeyId"])["KeyRotationEnabled"] is True
    policy = json.loads(kms.get_key_policy(KeyId=about["KeyId"], PolicyName="default")["Policy"])
    assert [each["Sid"] for each in policy["Statement"]] == ["Administer", "Jobs", "WriteSecrets"]
    tags = kms.list_resource_tags(KeyId=about["KeyId"])["Tags"]
    assert tags == [{"TagKey": "mayfly-secrets-of", "TagValue": "mayfly/deploy"}]
    assert account.deployed.queues["first"]["secrets_path"] == ""


def test_an_instance_with_the_sandbox_role_reads_below_the_folder_alone(
    account: Account, secret: str
) -> None:
    host = a_host(account, "sandbox")
    listed = host.get_parameters_by_path(Path=FOLDER, Recursive=True, WithDecryption=True)
    assert [each["Value"] for each in listed["Parameters"]] == [VALUE]
    named = host.get_parameters(Names=[secret], WithDecryption=True)
    assert [each["Value"] for each in named["Parameters"]] == [VALUE]
    for path in ("/vendors/buildkite", "/", f"{SECRETS}-2"):
        assert refused(host.get_parameters_by_path, Path=path) == DENIED
    assert refused(host.describe_parameters) == DENIED
    change = {"Name": secret, "Value": "x", "Type": "String", "Overwrite": True}
    assert refused(host.put_parameter, **change) == DENIED


def test_nobody_else_reads_it_whatever_is_attached(account: Account, secret: str) -> None:
    iam = account.client("iam")
    bootstrap = account.deployed.queues["deploy"]["bootstrap_role"].rpartition("/")[2]
    iam.attach_role_policy(RoleName=bootstrap, PolicyArn=ADMINISTRATOR)
    host = a_host(account, "bootstrap")
    deploy = ssm(account, a_role(account.lab.aws, "deploy-that-may-edit-iam", ADMINISTRATOR))
    for stranger in (host, deploy):
        read = {"Path": FOLDER, "Recursive": True, "WithDecryption": True}
        assert refused(stranger.get_parameters_by_path, **read) == DENIED
        assert refused(stranger.get_parameter, Name=secret, WithDecryption=True) == DENIED
    assert refused(host.get_parameter, Name=secret) == DENIED


def test_a_session_of_the_sandbox_role_that_ec2_did_not_give_reads_nothing(
    account: Account, secret: str
) -> None:
    """As of somebody who may change whom the role trusts."""
    role = account.deployed.queues["deploy"]["sandbox_role"].rpartition("/")[2]
    session = ssm(account, account.lab.aws.sessions.begin(role, "i-0123456789abcdef0")[0])
    read = {"Names": [secret], "WithDecryption": True}
    assert refused(session.get_parameters, **read) == DENIED
