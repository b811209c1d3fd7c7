"""What the tool says of secrets and roles: names alone, of jobs that are still to be given them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mayfly.config.queue import QueueConfig
from mayfly.config.roles import parse_roles
from mayfly.config.writers import SECURITY_OWNERS
from mayfly.records.model import Claim
from mayfly.records.states import ClaimState
from mayfly_cli.operations.completion import names
from mayfly_cli.operations.granted import granted_of
from mayfly_cli.operations.rights import policies_for
from mayfly_cli.plan.result import plan_of
from tests.cli.operations.samples import FACTS, plans
from tests.unit.builders import a_claim

ARN = "arn:aws:iam::123456789012:role/ci/app"
PATH = "/vendors/buildkite/deploy"
LINE = f"pipeline=app -> {ARN} minutes=30"


def words(config: QueueConfig | None, claim: Claim) -> list[tuple[str, str]] | None:
    found = granted_of(claim, config)
    return None if found is None else list(found.words())


def queue(text: str = "", **changes: Any) -> QueueConfig:
    roles = parse_roles("app", text) if text else ()
    return QueueConfig(queue="deploy", roles=roles, **changes)


def claim(**changes: Any) -> Claim:
    return a_claim(**{"facts": FACTS, **changes})


def test_role_and_folders_of_a_job_are_told() -> None:
    folders = f"{PATH}/global, {PATH}/github.com_acme_app.git, {PATH}/app"
    assert words(queue(LINE, secrets_path=PATH), claim()) == [
        ("role", f"{ARN} (30 min)"),
        ("secrets", folders),
    ]


def test_a_job_without_a_line_is_told_to_have_no_role() -> None:
    ((what, why),) = words(queue(LINE), claim(facts=replace(FACTS, pipeline="web"))) or []
    assert what == "role"
    assert why.startswith("none: this job has no credentials for AWS: no line of role/* ")


def test_a_repository_that_names_no_folder_is_told() -> None:
    facts = replace(FACTS, repository="git@github.com:123/app.git")
    assert words(queue(secrets_path=PATH), claim(facts=facts)) == [
        ("secrets", f"{PATH}/global, {PATH}/app"),
        ("secrets", "none of its repository, whose URL names no folder"),
    ]


@pytest.mark.parametrize(
    ("config", "changes"),
    [
        (None, {}),
        (queue(), {}),
        (queue(LINE), {"facts": None}),
        (queue(LINE), {"state": ClaimState.FINISHED}),
        (queue(f"{LINE}\npipeline=app branch=main -> {ARN}"), {}),
    ],
)
def test_nothing_is_told_of_a_job_that_is_given_nothing(
    config: QueueConfig | None, changes: dict[str, Any]
) -> None:
    assert granted_of(claim(**changes), config) is None


def test_the_plan_says_what_the_next_job_is_given() -> None:
    (planned,) = plans().queues
    assert planned.config is not None
    config = replace(planned.config, secrets_path=PATH, roles=queue(LINE).roles)
    view = replace(planned, config=config, claims=(claim(job="job-9"),))
    (plan,) = plan_of(replace(plans(), queues=(view,))).queues
    (told,) = [step.reason for step in plan.steps if step.function == "dispatch"]
    assert f"; role {ARN} (30 min); secrets {PATH}/global, " in told


def test_a_shell_completes_the_names_of_these_parameters() -> None:
    none: Any = None
    assert names(none, none, "secrets/") == [
        "secrets/path",
        "secrets/shared-ssh-keys",
        "secrets/ssh-during-command",
    ]
    assert names(none, none, "ro") == ["role/"]
    assert names(none, none, "policy/r") == ["policy/repository-from", "policy/rules/"]


@pytest.mark.parametrize(
    "name", ["secrets/path", "ssh/known-hosts", "ssh/over-443", "role/app", "policy/rules/paused"]
)
def test_a_refusal_names_the_policy_of_security_owners(name: str) -> None:
    arn = f"arn:aws:ssm:eu-central-1:123456789012:parameter/mayfly/ci/queues/deploy/{name}"
    assert policies_for("ssm:PutParameter", arn, "ci") == (SECURITY_OWNERS,)
