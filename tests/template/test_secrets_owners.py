"""Rights of those who write secrets: of a queue, and of one folder of a repository or pipeline."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mayfly.config.folders import LONGEST_SECRETS_PATH, why_no_secrets_path
from mayfly.iam.evaluation import Request, Statement, Values, decide
from mayfly_cli.templates.reading import TemplateError, check_parameters, read
from mayfly_cli.templates.resolution import REGION, Deployment
from mayfly_protocol.slugs import GLOBAL, repository_slug
from tests.template.conftest import QUEUE
from tests.template.test_host_rights import SSM
from tests.template.test_policy_sizes import size
from tests.template.test_queue_stack import FOLDERS
from tests.template.test_secrets_key import KEY

Resources = dict[str, dict[str, Any]]

TEMPLATE = read(QUEUE.parent / "secrets-owners.yaml")
PATH = "/vendors/buildkite/linux"
FOLDER = "github.com_acme_shop.git"
GIVEN = {"ControlStack": "acme", "SecretsPath": PATH, "Folder": FOLDER}


def of_folder(**further: str) -> list[Statement]:
    check_parameters(TEMPLATE, GIVEN | further)
    deployed = Deployment(TEMPLATE, "owners", GIVEN | further).resources
    found: list[Statement] = deployed["SecretsOwnersPolicy"]["Properties"]["PolicyDocument"][
        "Statement"
    ]
    return found


def of_queue(resources: Resources) -> list[Statement]:
    found: list[Statement] = resources["SecretsOwnersPolicy"]["Properties"]["PolicyDocument"][
        "Statement"
    ]
    return found


def may(statements: list[Statement], action: str, name: str) -> bool:
    """Whether the policy allows an action on a parameter, or Parameter Store's use of the key."""
    context: dict[str, Values] = {}
    resource = f"{SSM}{name}"
    if action.startswith("kms:"):
        context = {"kms:EncryptionContext:PARAMETER_ARN": resource}
        context["kms:ViaService"] = f"ssm.{REGION}.amazonaws.com"
        resource = KEY
    return decide(Request(action, resource, context), statements).allowed


OWN = f"{PATH}/{FOLDER}"
WRITES = ("ssm:PutParameter", "ssm:DeleteParameter", "ssm:DeleteParameters", "kms:Encrypt")
READS = ("ssm:GetParameter", "ssm:GetParameters", "ssm:GetParameterHistory", "kms:Decrypt")
ELSEWHERE = [
    *(f"{PATH}/{GLOBAL}/env/token", f"{PATH}/shop/ssh/key", f"{PATH}/allowed_pipelines"),
    *(f"{PATH}2/{FOLDER}/env/token", f"{PATH}/{FOLDER}2/env/token", f"{PATH}/x/{FOLDER}/env/token"),
    *("/buildkite/mayfly/agent-token", "/mayfly/acme/queues/linux/pool/hot", "/x"),
]


@pytest.mark.parametrize("name", [f"{OWN}/env/token", f"{OWN}/ssh/key"])
def test_owners_of_a_folder_write_it_and_read_nothing(name: str) -> None:
    assert all(may(of_folder(), action, name) for action in WRITES)
    assert not any(may(of_folder(), action, name) for action in READS)
    assert not may(of_folder(), "ssm:GetParametersByPath", OWN)


PLACE = (
    "/mayfly-infra/acme/queues/linux",
    *(
        f"/mayfly/acme/queues/linux/{n}"
        for n in ("secrets/path", "ssh/known-hosts", "ssh/over-443")
    ),
    f"{OWN}/ssh/key.pub",
)


def test_owners_see_where_secrets_lie_and_public_halves(full_queue: Resources) -> None:
    for statements in (of_folder(ControlStack="acme"), of_queue(full_queue)):
        for name in PLACE:
            assert may(statements, "ssm:GetParameters", name), name
            assert not may(statements, "ssm:GetParameterHistory", name)
        assert not may(statements, "ssm:GetParameters", "/mayfly/acme/queues/linux/secrets/pathx")
    assert not may(of_folder(), "ssm:GetParameters", f"{PATH}/shop/ssh/key.pub")


def test_owners_of_a_folder_read_it_where_they_are_given_the_right() -> None:
    reading = of_folder(ReadSecrets="true")
    assert all(may(reading, action, f"{OWN}/env/token") for action in (*WRITES, *READS))
    for path in (OWN, f"{OWN}/", f"{OWN}/env"):
        assert may(reading, "ssm:GetParametersByPath", path)
    assert not may(reading, "ssm:GetParametersByPath", PATH)
    assert not may(reading, "ssm:GetParametersByPath", "/")


@pytest.mark.parametrize("name", ELSEWHERE)
def test_owners_of_a_folder_reach_no_other_folder(name: str) -> None:
    every = of_folder(ReadSecrets="true", WriteAccessLists="true")
    assert not any(may(every, action, name) for action in (*WRITES, *READS))


@pytest.mark.parametrize("kind", ["allowed_pipelines", "allowed_teams"])
def test_owners_of_a_folder_open_it_to_others_only_where_they_may(kind: str) -> None:
    for action in WRITES[:3]:
        assert not may(of_folder(), action, f"{OWN}/{kind}")
        assert may(of_folder(WriteAccessLists="true"), action, f"{OWN}/{kind}")


def test_with_the_queues_key_they_use_no_other() -> None:
    other = "arn:aws:kms:eu-west-1:123456789012:key/other"
    assert may(of_folder(SecretsKey=KEY), "kms:Encrypt", f"{OWN}/env/token")
    assert not may(of_folder(SecretsKey=other), "kms:Encrypt", f"{OWN}/env/token")


def test_owners_of_a_queue_write_every_folder_of_it_alone(full_queue: Resources) -> None:
    own = of_queue(full_queue)
    for name in (f"{OWN}/env/token", f"{PATH}/{GLOBAL}/allowed_pipelines", f"{PATH}/shop/ssh/key"):
        assert all(may(own, action, name) for action in WRITES)
        assert not any(may(own, action, name) for action in READS)
    for name in ("/vendors/buildkite/linux2/global/env/x", "/vendors/x", "/mayfly/acme/queues/x"):
        assert not any(may(own, action, name) for action in WRITES)


@pytest.mark.parametrize("path", FOLDERS)
def test_the_folder_of_a_queue_is_one_that_its_stack_takes(path: str) -> None:
    pattern = TEMPLATE["Parameters"]["SecretsPath"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, path)) is (why_no_secrets_path(path) == "")


@pytest.mark.parametrize("folder", ["", "a/b", "*", "a*", "a?", ".", "..", "${x}", "a b", "/a"])
def test_another_text_than_one_folder_is_refused(folder: str) -> None:
    with pytest.raises(TemplateError, match="Folder"):
        of_folder(Folder=folder)


def test_a_repositorys_folder_is_taken_as_its_slug_says() -> None:
    slug = repository_slug("ssh://git@your-scm.io:32200/hp/philosophers-stone.git")
    assert slug is not None
    assert may(of_folder(Folder=slug), "ssm:PutParameter", f"{PATH}/{slug}/env/x")


def test_the_policies_fit_into_managed_policies(full_queue: Resources) -> None:
    """IAM allows 6,144 characters without white space."""
    longest = {
        "ControlStack": "s" * 51,
        "SecretsPath": f"/{'p' * (LONGEST_SECRETS_PATH - 1)}",
        "Folder": "f" * 200,
        "ReadSecrets": "true",
    }
    for statements in (of_folder(**longest), of_queue(full_queue)):
        assert size(statements, (",", ":")) <= 6_000
