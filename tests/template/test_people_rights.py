"""Rights of operators and of security owners; neither may change the other's parameters."""

from __future__ import annotations

from typing import Any

import pytest

from build.policies import Request, Statement, decide
from mayfly_cli.templates.resolution import ACCOUNT, REGION

Resources = dict[str, dict[str, Any]]

TREE = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter"
OPERATORS = (
    "debug/keep-failed-minutes",
    "job/attempts",
    "job/max-minutes",
    "launch/architecture",
    "launch/instance-types",
    "launch/purchase",
    "launch/boot-minutes",
    "limits/max-instances",
    "limits/max-launches-per-minute",
    "paused",
    "pool/hot",
    "pool/max-idle-hours",
    "tags",
)
SECURITY_OWNERS = (
    "agent/config",
    "bootstrap/script",
    "imds",
    "job/root",
    "policy/repository-from",
    "policy/rules/deploy",
    # Names that a pattern of the operators' policy would match, because "*" matches slashes.
    "policy/rules/paused",
    "policy/rules/pool/hot",
    "policy/rules/tags",
)


def statements(control: Resources, who: str) -> list[Statement]:
    found: list[Statement] = control[f"{who}Policy"]["Properties"]["PolicyDocument"]["Statement"]
    return found


@pytest.mark.parametrize("action", ["ssm:PutParameter", "ssm:DeleteParameter"])
@pytest.mark.parametrize("name", OPERATORS + SECURITY_OWNERS)
def test_each_parameter_has_one_kind_of_writer(control: Resources, name: str, action: str) -> None:
    request = Request(action, f"{TREE}/mayfly/acme/queues/linux/{name}")
    assert decide(request, statements(control, "Operators")).allowed is (name in OPERATORS)
    owners = decide(request, statements(control, "SecurityOwners")).allowed
    assert owners is (name in SECURITY_OWNERS)


@pytest.mark.parametrize("who", ["Operators", "SecurityOwners"])
@pytest.mark.parametrize(
    "name",
    ["/mayfly-infra/acme/bundle", "/mayfly/other/queues/linux/paused", "/buildkite/token"],
)
def test_people_may_use_no_parameter_outside_the_stacks_own_tree(
    control: Resources, who: str, name: str
) -> None:
    for action in ("ssm:PutParameter", "ssm:GetParameter", "ssm:GetParametersByPath"):
        assert not decide(Request(action, TREE + name), statements(control, who)).allowed


@pytest.mark.parametrize("who", ["Operators", "SecurityOwners"])
def test_people_may_read_the_whole_configuration(control: Resources, who: str) -> None:
    for resource in ("/mayfly/acme", "/mayfly/acme/queues/linux/policy/rules/deploy"):
        request = Request("ssm:GetParametersByPath", TREE + resource)
        assert decide(request, statements(control, who)).allowed
