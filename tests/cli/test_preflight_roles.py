"""Findings of preflight about the policies that a queue's roles would carry."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from moto.iam.aws_managed_policies import aws_managed_policies_data

from mayfly.answers import Policy
from mayfly.iam.documents import statements_of
from mayfly_cli.findings import Finding, Unknown, Verdict
from mayfly_cli.preflight.checks_roles import named
from mayfly_cli.preflight.gather_policies import policies
from mayfly_cli.preflight.snapshot import Snapshot
from mayfly_cli.preflight.survey import decide
from tests.cli.test_preflight_checks import GOOD, NO, answers
from tests.cli.test_preflight_gather import stubbed

AWS = json.loads(aws_managed_policies_data)
POWER, READ_ONLY, ADMINISTRATOR, S3 = (
    f"arn:aws:iam::aws:policy/{name}"
    for name in ("PowerUserAccess", "ReadOnlyAccess", "AdministratorAccess", "AmazonS3FullAccess")
)


def known(arn: str) -> Policy:
    return Policy(arn, statements_of(AWS[arn.rpartition("/")[2]]["Document"]))


def seeing(**others: Policy | Unknown | None) -> Snapshot:
    every = {arn: known(arn) for arn in (POWER, READ_ONLY, ADMINISTRATOR, S3)}
    return replace(GOOD, policies={**every, **others})


def findings(seen: Snapshot, *words: str) -> dict[str, Finding]:
    every = {each.subject: each for each in decide(answers(*words), seen)}
    return {name: each for name, each in every.items() if name.endswith(" policies")}


def test_roles_without_further_policies_have_no_finding() -> None:
    assert findings(GOOD) == {}


def test_policies_that_the_denies_hold_are_ok() -> None:
    words = (f"BootstrapPolicies={S3}", f"SandboxPolicies={READ_ONLY}", "ScriptPrefix=scripts/")
    found = findings(seeing(), *words)
    assert {each.verdict for each in found.values()} == {Verdict.OK}
    assert READ_ONLY in found["sandbox policies"].detail


@pytest.mark.parametrize("kind", ["bootstrap", "sandbox"])
@pytest.mark.parametrize("arn", [POWER, ADMINISTRATOR])
def test_policies_that_provision_would_refuse_are_wrong(kind: str, arn: str) -> None:
    finding = findings(seeing(), f"{kind.capitalize()}Policies={arn}")[f"{kind} policies"]
    assert finding.verdict is Verdict.WRONG
    assert "the queue would be refused" in finding.detail
    assert "assume any role of the account" in finding.detail
    assert finding.remedy.startswith("give the role a policy that allows less")


def test_a_boundary_that_leaves_little_makes_a_power_user_ok() -> None:
    boundary = "arn:aws:iam::123456789012:policy/limit"
    less = ({"Effect": "Allow", "Action": "s3:*", "Resource": "*"},)
    words = (f"SandboxPolicies={POWER}", f"PermissionsBoundary={boundary}")
    seen = seeing(**{boundary: Policy(boundary, less)})
    assert findings(seen, *words)["sandbox policies"].verdict is Verdict.OK


def test_the_callers_account_and_region_are_those_of_the_judgement() -> None:
    here = replace(GOOD, account="210987654321", region="us-gov-west-1")
    here = replace(here, caller="arn:aws-us-gov:iam::210987654321:user/me")
    table = {
        "Effect": "Allow",
        "Action": "dynamodb:*",
        "Resource": "arn:aws-us-gov:dynamodb:us-gov-west-1:210987654321:table/mayfly-fleet",
    }
    role = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
    for statement, verdict in ((table, Verdict.OK), (role, Verdict.WRONG)):
        seen = replace(here, policies={"arn:x": Policy("arn:x", (statement,))})
        assert findings(seen, "SandboxPolicies=arn:x")["sandbox policies"].verdict is verdict


def test_a_policy_of_both_roles_is_wrong() -> None:
    words = (f"BootstrapPolicies={READ_ONLY}", f"SandboxPolicies={READ_ONLY}")
    found = findings(seeing(), *words)
    assert found["sandbox policies"].verdict is Verdict.WRONG
    assert "both roles would carry" in found["sandbox policies"].detail


@pytest.mark.parametrize(
    ("policy", "verdict"), [(NO, Verdict.UNKNOWN), (None, Verdict.WRONG)], ids=["unread", "absent"]
)
def test_a_policy_that_is_not_known_is_never_ok(policy: Unknown | None, verdict: Verdict) -> None:
    found = findings(replace(GOOD, policies={READ_ONLY: policy}), f"SandboxPolicies={READ_ONLY}")
    assert found["sandbox policies"].verdict is verdict


def test_the_policies_to_read_are_those_of_the_answers() -> None:
    words = (f"BootstrapPolicies={S3},{POWER}", f"PermissionsBoundary={READ_ONLY}")
    assert named(answers(*words)) == (S3, POWER, READ_ONLY)
    assert named(answers()) == ()


def test_a_policy_is_read_in_its_default_version() -> None:
    document = json.dumps({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
    with stubbed("iam") as (account, stub):
        stub.add_response("get_policy", {"Policy": {"DefaultVersionId": "v7"}}, {"PolicyArn": S3})
        version = {"PolicyVersion": {"Document": document}}
        stub.add_response("get_policy_version", version, {"PolicyArn": S3, "VersionId": "v7"})
        found = policies(account, [S3, S3])[S3]
    assert isinstance(found, Policy)
    assert found.statements[0]["Action"] == "*"


def test_absent_and_unreadable_policies_are_told_apart() -> None:
    with stubbed("iam") as (account, stub):
        stub.add_client_error("get_policy", "NoSuchEntity", http_status_code=404)
        stub.add_client_error("get_policy", "AccessDenied", http_status_code=403)
        stub.add_response("get_policy", {"Policy": {"DefaultVersionId": "v1"}})
        stub.add_response("get_policy_version", {"PolicyVersion": {"Document": "{"}})
        found = policies(account, [S3, POWER, READ_ONLY])
    assert found[S3] is None
    assert isinstance(found[POWER], Unknown)
    assert isinstance(found[READ_ONLY], Unknown)
