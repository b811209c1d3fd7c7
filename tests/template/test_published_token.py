"""The names of the agent token: published by the control plane, denied by each queue's stack."""

from __future__ import annotations

from typing import Any

import pytest

from mayfly.iam.evaluation import Request, decide
from mayfly_cli.templates.resolution import ACCOUNT, REGION, Deployment, referenced
from tests.template.test_host_rights import ADMINISTRATOR, KINDS, role_context, role_statements

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0a"
SECRET = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/teams/ci/token"


@pytest.mark.parametrize("kind", KINDS)
def test_a_queue_denies_the_parameter_and_the_key_that_the_control_plane_has(
    control_template: dict[str, Any],
    queue_template: dict[str, Any],
    queue_parameters: dict[str, str],
    kind: str,
) -> None:
    given = {"TokenParameter": "/teams/ci/token", "TokenKmsKey": KEY}
    stored = Deployment(control_template, "acme", given).published
    queue = Deployment(queue_template, "acme-linux", queue_parameters, stored).resources
    for action, resource, context in [
        ("ssm:GetParameter", SECRET, {}),
        ("kms:GenerateDataKey", KEY, {}),
        ("kms:Decrypt", "*", {"kms:EncryptionContext:PARAMETER_ARN": SECRET}),
    ]:
        request = Request(action, resource, role_context(kind) | context)
        assert not decide(request, role_statements(queue, kind), ADMINISTRATOR).allowed


def test_without_an_own_key_the_published_one_names_no_key(
    control_template: dict[str, Any],
) -> None:
    """The Deny then holds for nothing; aws/ssm itself lets nobody use it but through SSM."""
    stored = Deployment(control_template, "acme", {}).published
    assert stored["/mayfly-infra/acme/token-key"] == f"arn:aws:kms:{REGION}:{ACCOUNT}:key/none"
    assert stored["/mayfly-infra/acme/token-parameter"] == "/buildkite/mayfly/agent-token"


def test_the_first_queue_waits_for_what_its_stack_resolves(
    control_template: dict[str, Any],
) -> None:
    queue = control_template["Resources"]["FirstQueue"]
    assert {"TokenKeyArn", "TokenParameterName"} <= set(queue["DependsOn"])


def test_a_queue_without_a_control_plane_is_not_deployed(
    queue_template: dict[str, Any], queue_parameters: dict[str, str]
) -> None:
    with pytest.raises(KeyError, match=r"/mayfly-infra/acme/token-(key|parameter)"):
        _ = Deployment(queue_template, "acme-linux", queue_parameters).resources


def test_references_are_replaced_within_a_text() -> None:
    text = "a{{resolve:ssm:/x/y}}b{{resolve:ssm:/z}}"
    assert referenced(text, {"/x/y": "1", "/z": "{{resolve:ssm:/x/y}}"}.__getitem__) == (
        "a1b{{resolve:ssm:/x/y}}"
    )


def test_references_to_other_services_are_not_resolved() -> None:
    with pytest.raises(NotImplementedError, match="ssm-secure"):
        referenced("{{resolve:ssm-secure:/x}}", str)
