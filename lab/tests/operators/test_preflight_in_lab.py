"""`preflight` as people run it, against an account and a Buildkite of the lab."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mayfly_lab.aws.config import ACCOUNT
from operators.account_lab import TOKEN, AccountLab, an_account


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AccountLab]:
    with an_account(tmp_path_factory.mktemp("account")) as made:
        yield made


def test_an_account_that_is_ready_has_nothing_wrong(lab: AccountLab) -> None:
    """moto has no policy simulator: the check of rights is unknown."""
    ended = lab.preflight()
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.splitlines()[-1] == "25 ok, 0 wrong, 1 unknown"
    assert " unknown " in ended.line("rights")
    assert "1000 invocations at once, 10 needed" in ended.line("quota lambda")
    assert " ok " in ended.line("quota on-demand")
    assert "organisation example, cluster lab" in ended.line("token at Buildkite")
    assert "igw-" in ended.line(lab.subnets[0])
    line = lab.archive.version.rpartition(".")[0]
    assert f"the line {line} is supported until 20" in ended.line("agent version")
    assert TOKEN in ended.line("token parameter")


def test_preflight_changes_nothing(lab: AccountLab) -> None:
    reading = ("Describe", "Get", "List", "Simulate")
    before = len(list(lab.aws.journal))
    lab.preflight()
    called = {f"{each.service}:{each.operation}" for each in list(lab.aws.journal)[before:]}
    assert len(called) > 10
    assert all(action.partition(":")[2].startswith(reading) for action in called), called
    assert lab.buildkite.stacks() == ()


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        (
            {
                "AssignPublicIp": "false",
                "QueueKey": "nowhere",
                "AgentSha256Amd64": "0" * 64,
                "OwnImageX8664": "ami-0123",
                "TokenParameter": "/other/token",
                "launch/instance-types": "m9.large",
                "launch/purchase": "spot",
                "limits/max-instances": "5000",
            },
            {
                "subnet-": "answer AssignPublicIp=true",
                "agent archive": "another SHA-256",
                "image": "ami-0123 does not exist",
                "token parameter": "there is no /other/token",
                "m9.large": "no such instance type",
                "AWSServiceRoleForEC2Spot": "spot.amazonaws.com",
                "addresses": "limits/max-instances is 5000",
            },
        ),
        (
            {"QueueKey": "nowhere", "launch/architecture": "arm64"},
            {"queue nowhere": "no such queue", "agent archive": "another SHA-256"},
        ),
    ],
)
def test_preflight_lists_the_problem_of_each_wrong_answer(
    lab: AccountLab, changes: dict[str, str], found: dict[str, str]
) -> None:
    ended = lab.preflight(**changes)
    assert ended.status == 1
    for subject, says in found.items():
        assert " wrong " in ended.line(subject)
        assert says in ended.line(subject)


def test_preflight_finds_a_resource_that_its_remedy_created(lab: AccountLab) -> None:
    role = "AWSServiceRoleForEC2Spot"
    lab.client("iam").create_service_linked_role(AWSServiceName="spot.amazonaws.com")
    ended = lab.preflight(**{"launch/purchase": "spot"})
    lab.client("iam").delete_service_linked_role(RoleName=role)
    assert " ok " in ended.line(role)


@pytest.mark.parametrize(("user", "verdict"), [("administrator", "ok"), ("somebody", "wrong")])
def test_the_key_of_a_queues_secrets_must_name_who_deploys(
    lab: AccountLab, user: str, verdict: str
) -> None:
    ended = lab.preflight(
        SecretsPath="/vendors/ci",
        SecretsKey="own",
        SecretsKeyAdministrators=f"arn:aws:iam::{ACCOUNT}:user/{user}",
        SecretsOwners=f"arn:aws:iam::{ACCOUNT}:role/owner",
    )
    assert f" {verdict} " in ended.line("secrets key")
    assert f"arn:aws:iam::{ACCOUNT}:user/administrator" in ended.line("secrets key")


def test_an_unreachable_agent_archive_is_unknown_to_preflight(lab: AccountLab) -> None:
    ended = lab.preflight(AgentArchiveUrl="http://127.0.0.1:9/x")
    assert ended.status == 0
    assert " unknown " in ended.line("agent archive")
    assert "cannot be reached" in ended.line("agent archive")


def test_a_check_without_permission_is_unknown_and_names_the_permission(lab: AccountLab) -> None:
    forbidden = {
        "ssm:GetParameter": "token parameter",
        "ec2:DescribeRouteTables": "subnet-",
        "ec2:DescribeInstanceTypes": "instance types",
        "iam:GetRole": "AWSServiceRoleForEC2Spot",
        "cloudformation:DescribeStacks": "stack name",
        "dynamodb:DescribeTable": "other names",
    }
    environment = lab.environment(*forbidden)
    ended = lab.preflight_as(environment, **{"launch/purchase": "spot"})
    for action, subject in forbidden.items():
        assert " unknown " in ended.line(subject)
        assert f"the caller may not {action}" in ended.line(subject)
    others = {"ec2:DescribeSubnets": "subnets", "ec2:DescribeImages": "image"}
    ended = lab.preflight_as(lab.environment(*others))
    for action, subject in others.items():
        assert f"the caller may not {action}" in ended.line(subject)


def test_a_token_that_buildkite_refuses_is_wrong(lab: AccountLab) -> None:
    token = lab.buildkite.agent_token
    lab.buildkite.faults.refused_tokens.add(token)
    ended = lab.preflight()
    lab.buildkite.faults.clear()
    assert ended.status == 1
    assert "Buildkite refuses the token" in ended.line("token at Buildkite")
    assert " unknown " in ended.line("token's queues")
    assert " unknown " in ended.line("queue default")
    assert token not in ended.out


@pytest.mark.parametrize(
    ("kind", "value", "says"),
    [
        ("String", "bkct_0123456789abcdef0123", "is a String"),
        ("SecureString", "bkua_0123456789abcdef0123", "another kind (bkua_…)"),
        ("SecureString", "bkct_0123456789abcdef0123\n", "white space"),
    ],
)
def test_a_malformed_token_is_wrong_and_is_not_printed(
    lab: AccountLab, kind: str, value: str, says: str
) -> None:
    name = "/other/wrong-token"
    lab.client("ssm").put_parameter(Name=name, Type=kind, Value=value)
    ended = lab.preflight(TokenParameter=name)
    lab.client("ssm").delete_parameter(Name=name)
    assert says in ended.line("token parameter")
    assert value.strip() not in ended.out + ended.err


def test_a_token_encrypted_with_a_customer_key_needs_that_key_as_an_answer(lab: AccountLab) -> None:
    arn = lab.client("kms").create_key()["KeyMetadata"]["Arn"]
    name = "/other/own-key"
    lab.client("ssm").put_parameter(
        Name=name, Type="SecureString", Value=lab.buildkite.agent_token, KeyId=arn
    )
    ended = lab.preflight(TokenParameter=name)
    assert f"answer TokenKmsKey={arn}" in ended.line("token key")
    told = lab.preflight(TokenParameter=name, TokenKmsKey=arn)
    assert " ok " in told.line("token key")


def test_without_a_users_token_an_idle_queue_is_unknown(lab: AccountLab) -> None:
    environment = lab.environment()
    del environment["BUILDKITE_API_TOKEN"]
    ended = lab.preflight_as(environment)
    assert " unknown " in ended.line("queue default")
    assert "read_clusters" in ended.line("queue default")


def test_a_limited_token_is_tried_with_each_queue_by_name(lab: AccountLab) -> None:
    ssm, name = lab.client("ssm"), "/mayfly-infra/mayfly/queues/other"
    ssm.put_parameter(Name=name, Type="String", Value="{}")
    lab.buildkite.limit_agent_token(
        queues=["default"],
        addresses=["127.0.0.0/8"],
        expires=datetime.now(UTC) + timedelta(days=9),
    )
    ended = lab.preflight()
    lab.buildkite.limit_agent_token()
    ssm.delete_parameter(Name=name)
    assert ended.status == 1
    assert " ok " in ended.line("token for default")
    assert " wrong " in ended.line("token for other")
    assert "answer DispatchSubnets" in ended.line("token's addresses")
    assert "expires on 20" in ended.line("token's expiry")
    assert lab.buildkite.stacks() == ()


def test_a_token_without_the_permission_for_stacks_is_wrong_for_every_queue(
    lab: AccountLab,
) -> None:
    lab.buildkite.limit_agent_token(permissions=["run_jobs"])
    ended = lab.preflight()
    lab.buildkite.limit_agent_token()
    assert " wrong " in ended.line("token for default")
    assert "manage_stacks" in ended.line("token for default")


def test_a_paused_queue_is_wrong(lab: AccountLab) -> None:
    lab.buildkite.faults.paused_queues.add("default")
    ended = lab.preflight()
    lab.buildkite.faults.clear()
    assert "paused" in ended.line("queue default")


def test_preflight_names_taken_names_and_failed_stacks(lab: AccountLab) -> None:
    group = "/aws/lambda/taken-reap"
    lab.client("logs").create_log_group(logGroupName=group)
    ended = lab.preflight("--stack=taken")
    lab.client("logs").delete_log_group(logGroupName=group)
    assert f"log group {group}" in ended.line("other names")
    assert ".venv/bin/mayfly uninstall --stack taken" in ended.line("other names")


def test_preflight_reads_answers_from_a_file(lab: AccountLab, tmp_path: Path) -> None:
    file = tmp_path / "answers"
    file.write_text("# ours\n\nlimits/max-instances=7\npool/hot=2\n")
    ended = lab.preflight(f"--answers={file}")
    assert "for at most 7 instances" in ended.line("addresses")
