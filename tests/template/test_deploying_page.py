"""The examples of docs/deploying.md are accepted, and give what the page says that they give."""

from __future__ import annotations

import shlex

import pytest
import yaml

from build.blocks import ROOT
from build.guide import commands, examples
from mayfly.config.folders import is_within
from mayfly.config.roles import parse_roles
from mayfly_cli.templates.reading import check_parameters, read
from mayfly_protocol.slugs import repository_slug
from tests.template.conftest import QUEUE_PARAMETERS
from tests.template.test_target_account import FACTS, SHA, gets, subject, token, trust_allows

PAGE = (ROOT / "docs/deploying.md").read_text("utf-8")
KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def deployments() -> list[tuple[str, dict[str, str]]]:
    """Template and parameters of each deployment, in the page's order."""
    found = []
    for command in commands(PAGE):
        words = shlex.split(command.text.replace("$KEY", KEY))
        if words[:3] == ["aws", "cloudformation", "deploy"]:
            given = words[words.index("--parameter-overrides") + 1 :]
            pairs = dict(each.split("=", 1) for each in given)
            found.append((words[words.index("--template-file") + 1], pairs))
    return found


QUEUE, OWNERS, BY_QUEUE, BY_OIDC = (given for _, given in deployments())
STEP = yaml.safe_load(examples(PAGE, "yaml")[0])["steps"][0]
((PLUGIN, OPTIONS),) = STEP["plugins"][0].items()


@pytest.mark.parametrize(("template", "given"), deployments())
def test_a_template_takes_the_parameters_of_the_page(template: str, given: dict[str, str]) -> None:
    others = QUEUE_PARAMETERS if template == "stacks/queue.yaml" else {}
    check_parameters(read(ROOT / template), others | given)


def test_the_owners_folder_lies_in_the_queues_and_is_a_repositorys() -> None:
    assert OWNERS["SecretsPath"] == QUEUE["SecretsPath"]
    assert OWNERS["Folder"] == repository_slug("git@github.com:acme/shop.git")
    (put, line) = (
        shlex.split(each.text) for each in commands(PAGE) if "put-parameter" in each.text
    )
    assert is_within(put[put.index("--name") + 1], QUEUE["SecretsPath"])
    assert line[line.index("--name") + 1].endswith("/queues/deploy/role/shop-production")


def test_the_role_of_the_queue_is_below_the_path_that_its_jobs_may_have() -> None:
    assert BY_QUEUE["RolePath"].startswith(QUEUE["JobRolePath"])
    command = next(each.text for each in commands(PAGE) if "/role/shop" in each.text)
    words = shlex.split(command)
    (line,) = parse_roles("shop-production", words[words.index("--value") + 1])
    assert line.path == BY_QUEUE["RolePath"]
    assert line.arn.endswith(f"/{BY_QUEUE['RoleName']}")
    wanted = {"pipeline": "shop", "branch": "main", "source": "webhook", "fork": "no"}
    assert all(f"{key}={value}" in str(line.rule) for key, value in wanted.items())


@pytest.mark.parametrize(
    ("expected", "changes"),
    [
        (True, {}),
        (True, {"source": "ui"}),
        (False, {"source": "api"}),
        (False, {"branch": "feature"}),
        (False, {"pipeline": "other"}),
        (False, {"queue": "linux"}),
    ],
)
def test_the_role_of_the_queue_is_for_the_pipeline_of_the_page(
    expected: bool, changes: dict[str, str]
) -> None:
    facts = FACTS | {"queue": "deploy"} | changes
    assert trust_allows(BY_QUEUE, facts, BY_QUEUE["SandboxRole"]) is expected


def test_the_steps_token_has_the_tags_that_its_role_wants() -> None:
    values = {
        "organization_id": BY_OIDC["OrganizationId"],
        "pipeline_id": BY_OIDC["PipelineId"],
        "queue_key": STEP["agents"]["queue"],
    }
    tags = {name: values[name] for name in OPTIONS["session-tags"]}
    ours = subject("shop", f"refs/heads/{STEP['branches']}", SHA)
    assert gets(BY_OIDC, token(ours, **tags))
    for name in tags:
        assert not gets(BY_OIDC, token(ours, **{n: v for n, v in tags.items() if n != name}))
    assert OPTIONS["role-arn"].endswith(f":role/ci/{BY_OIDC['RoleName']}")
    assert PLUGIN.startswith("aws-assume-role-with-web-identity#v")
