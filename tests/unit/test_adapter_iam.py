"""The Roles port over IAM when IAM does not answer."""

from __future__ import annotations

import logging

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
