"""The Roles port over IAM when IAM does not answer."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

import boto3
import pytest
from botocore.stub import Stubber

from mayfly.adapters.aws.iam import FRESH, IamRoles
from mayfly.errors import Misconfigured, Transient

ROLE = "arn:aws:iam::123456789012:role/mayfly/ci/bootstrap/default/R"
POLICY = "arn:aws:iam::123456789012:policy/read-packages"


class Roles:
    """The port over a stubbed client, with a clock that a test moves."""

    def __init__(self) -> None:
        client = boto3.Session("AKIAFAKE", "fake", region_name="eu-central-1").client("iam")
        self.now = 0.0
        self.stub = Stubber(client)
        self.stub.activate()
        self.port = IamRoles(client, lambda: self.now)

    def answers(self) -> None:
        policies = [{"PolicyName": "read-packages", "PolicyArn": POLICY}]
        answer = {"AttachedPolicies": policies, "IsTruncated": False}
        self.stub.add_response("list_attached_role_policies", answer)

    def fails(self, code: str = "ServiceFailure", status: int = 503) -> None:
        self.stub.add_client_error("list_attached_role_policies", code, http_status_code=status)


def test_launches_go_on_with_iams_last_answer_and_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    roles = Roles()
    roles.answers()
    assert roles.port.policies(ROLE) == {POLICY}
    roles.now += 3600
    roles.fails()
    with caplog.at_level(logging.WARNING, "mayfly"):
        assert roles.port.policies(ROLE) == {POLICY}
    assert f"policies of {ROLE}: the last answer counts" in caplog.text


def test_iam_is_asked_once_in_a_while_when_it_does_not_answer() -> None:
    """A call that hangs must not delay every tick."""
    roles = Roles()
    roles.answers()
    roles.port.policies(ROLE)
    roles.now += FRESH
    roles.fails()
    for _ in range(3):
        assert roles.port.policies(ROLE) == {POLICY}
        roles.now += FRESH / 4
    roles.stub.assert_no_pending_responses()


def test_a_queue_that_was_never_checked_is_not_launched_unchecked() -> None:
    roles = Roles()
    roles.fails()
    with pytest.raises(Transient):
        roles.port.policies(ROLE)


def test_a_refusal_by_iam_is_a_problem_whatever_was_answered_before() -> None:
    roles = Roles()
    roles.answers()
    roles.port.policies(ROLE)
    roles.now += FRESH
    roles.fails("AccessDenied", 403)
    with pytest.raises(Misconfigured):
        roles.port.policies(ROLE)


TRUST = json.dumps({"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole"}})
IN_TIME = datetime(2026, 1, 1, tzinfo=UTC)


def a_role_with(document: str, attached: str = POLICY) -> Roles:
    """The port over IAM's answers about a role with one attached policy of this document."""
    roles = Roles()
    role = {
        "Path": "/",
        "RoleName": "R",
        "RoleId": "AROA1234567890123456",
        "Arn": ROLE,
        "CreateDate": IN_TIME,
        "AssumeRolePolicyDocument": TRUST,
    }
    policies = [{"PolicyName": "read-packages", "PolicyArn": attached}]
    version = {"Document": document, "VersionId": "v3", "IsDefaultVersion": True}
    roles.stub.add_response("get_role", {"Role": role}, {"RoleName": "R"})
    roles.stub.add_response("list_attached_role_policies", {"AttachedPolicies": policies})
    roles.stub.add_response("list_role_policies", {"PolicyNames": []})
    roles.stub.add_response("get_policy", {"Policy": {"DefaultVersionId": "v3"}})
    wanted = {"PolicyArn": attached, "VersionId": "v3"}
    roles.stub.add_response("get_policy_version", {"PolicyVersion": version}, wanted)
    return roles


@pytest.mark.parametrize("document", ["{", "[]", "{}", '{"Statement": {"Effect": "Maybe"}}'])
def test_a_document_that_cannot_be_read_is_a_problem_and_never_left_out(document: str) -> None:
    with pytest.raises(Misconfigured, match=f"policy {POLICY} cannot be read"):
        a_role_with(document).port.role(ROLE)


def test_the_default_version_of_a_policy_counts_and_what_is_attached_is_known() -> None:
    roles = a_role_with(TRUST)
    role = roles.port.role(ROLE)
    assert [policy.name for policy in role.policies] == [POLICY]
    roles.stub.assert_no_pending_responses()
    assert roles.port.policies(ROLE) == role.attached  # without another call


@pytest.mark.parametrize(("code", "status"), [("Throttling", 400), ("ServiceFailure", 503)])
def test_a_throttle_while_a_role_is_read_is_passing(code: str, status: int) -> None:
    roles = Roles()
    roles.stub.add_client_error("get_role", code, http_status_code=status)
    with pytest.raises(Transient):
        roles.port.role(ROLE)
