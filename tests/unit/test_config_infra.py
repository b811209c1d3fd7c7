"""The publication of a queue stack is accepted only for its own queue and stack."""

from __future__ import annotations

import pytest

from mayfly.config.infra import Infra
from mayfly.errors import Misconfigured
from tests.unit.published import TEMPLATES, arn, infra, queue_stack

KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def test_the_publication_of_a_queue_stack_is_read() -> None:
    read = infra()
    assert read.templates["arm64"].id == TEMPLATES["arm64"]["id"]
    assert read.templates["arm64"].version == "4"
    assert read.sandbox_profile == arn("instance-profile", "sandbox")
    assert read.subnets == ("subnet-0a", "subnet-0b")


@pytest.mark.parametrize(
    "changes",
    [
        {"script_prefix": ""},
        {"script_prefix": "bucket/"},
        {"templates": {"arm64": TEMPLATES["arm64"]}},
        {"added_by_a_later_stack": 1},
        {"secrets_path": "", "secrets_key": "", "job_role_path": ""},
        {"secrets_path": "/vendors/buildkite/deploy", "secrets_key": KEY},
        {"secrets_path": "/mine/mayfly"},
        {"secrets_path": "/buildkite/secrets"},
        {"secrets_path": f"/{'x' * 63}"},
        {"job_role_path": "/ci/"},
        {"job_role_path": "/teams/deploy/mayfly/"},
    ],
)
def test_valid_variants_of_a_publication_are_read(changes: dict[str, object]) -> None:
    assert infra(**changes).queue == "deploy"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"protocol": 2}, "protocol"),
        ({"protocol": None}, "protocol"),
        ({"queue": "other"}, "the field queue names queue other"),
        ({"templates": {}}, "templates"),
        ({"templates": {"riscv": TEMPLATES["arm64"]}}, "templates"),
        ({"templates": {"arm64": {"id": "ami-1", "version": "1"}}}, "templates.arm64.id"),
        ({"templates": {"arm64": {"id": "lt-1", "version": "$Latest"}}}, "version"),
        ({"templates": {"arm64": {"id": "lt-1", "version": "0"}}}, "version"),
        ({"subnets": []}, "subnets"),
        ({"subnets": ["vpc-1"]}, "subnets"),
        ({"subnets": "subnet-1"}, "subnets"),
        ({"bootstrap_role_id": "AIDAAAAAAAAAAAAAAAAAA"}, "bootstrap_role_id"),
        ({"sandbox_role_id": "AROASANDBOXAAAAAAAAAA:i-1"}, "sandbox_role_id"),
        ({"sandbox_role_id": "AROABOOTSTRAPAAAAAAAA"}, "are the same"),
        ({"script_prefix": "bucket"}, "script_prefix"),
        ({"script_prefix": "s3://bucket/"}, "script_prefix"),
        ({"script_prefix": "bucket/prefix"}, "script_prefix"),
        ({"bootstrap_profile": arn("role", "bootstrap")}, "bootstrap_profile"),
        ({"sandbox_role": arn("instance-profile", "sandbox")}, "sandbox_role"),
        ({"sandbox_profile": arn("instance-profile", "bootstrap")}, "sandbox_profile"),
        ({"bootstrap_profile": arn("instance-profile", "sandbox")}, "bootstrap_profile"),
        ({"sandbox_profile": arn("instance-profile", "sandbox", queue="prod")}, "sandbox_profile"),
        ({"sandbox_profile": arn("instance-profile", "sandbox", stack="c")}, "sandbox_profile"),
        ({"bootstrap_role": arn("role", "bootstrap", queue="deploy/x")}, "bootstrap_role"),
        ({"bootstrap_role": arn("role", "bootstrap", queue="x/deploy")}, "bootstrap_role"),
        ({"bootstrap_role": arn("role", "bootstrap") + "\n"}, "bootstrap_role"),
        ({"bootstrap_role": arn("role", "bootstrap").replace("1234", "9999")}, "one account"),
        ({"bootstrap_role": "arn:aws:iam::123456789012:role/admin"}, "bootstrap_role"),
        *(
            ({"secrets_path": path}, f"secrets_path: .*{word}")
            for path, word in (
                ("/", "not a folder"),
                ("vendors", "not a folder"),
                ("/vendors/", "not a folder"),
                ("/vendors/*", "not a folder"),
                ("/vendors/b?", "not a folder"),
                ("/vendors/${aws:userid}", "not a folder"),
                ("/vendors//b", "not a folder"),
                ("/vendors\n", "not a folder"),
                (f"/{'x' * 64}", "not a folder"),
                ("/a" * 12, "not a folder"),
                ("/mayfly", "own parameters"),
                ("/mayfly/ci/queues/deploy", "own parameters"),
                ("/mayfly-infra/ci", "own parameters"),
                ("/aws/reference", "belong to AWS"),
                ("/AWS-secrets", "belong to AWS"),
                ("/ssmsecrets/x", "belong to AWS"),
                ("/buildkite/mayfly", "agent tokens"),
                ("/buildkite/mayfly/agent-token", "agent tokens"),
                ("/buildkite", "agent tokens"),
            )
        ),
        *(
            ({"job_role_path": path}, f"job_role_path: .*{word}")
            for path, word in (
                ("/", "not a path"),
                ("/ci", "not a path"),
                ("ci/", "not a path"),
                ("/ci/*/", "not a path"),
                ("/c?/", "not a path"),
                ("//", "not a path"),
                (f"/{'x' * 127}/", "not a path"),
                ("/mayfly/", "own roles"),
                ("/mayfly/ci/sandbox/", "own roles"),
                ("/aws-service-role/", "belong to AWS"),
                ("/aws-reserved/sso.amazonaws.com/", "belong to AWS"),
            )
        ),
        ({"secrets_path": "/vendors/b", "secrets_key": "alias/secrets"}, "secrets_key"),
        ({"secrets_path": "/vendors/b", "secrets_key": f"{KEY}/*"}, "secrets_key"),
        ({"secrets_key": KEY}, "without a secrets_path"),
    ],
)
def test_a_publication_that_is_wrong_or_of_another_stack_is_refused(
    changes: dict[str, object], word: str
) -> None:
    with pytest.raises(Misconfigured, match=word) as refused:
        infra(**changes)
    assert "\n" not in str(refused.value)


def test_a_stack_of_an_earlier_version_gives_its_jobs_neither_secrets_nor_roles() -> None:
    read = infra()
    assert (read.secrets_path, read.secrets_key, read.job_role_path) == ("", "", "")


def test_what_jobs_are_given_is_read_as_published() -> None:
    given = {
        "secrets_path": "/vendors/buildkite/deploy",
        "secrets_key": KEY,
        "job_role_path": "/ci/deploy/",
    }
    read = infra(**given)
    assert {name: getattr(read, name) for name in given} == given


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}"])
def test_text_that_is_no_publication_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured):
        Infra.parse("deploy", "ci", text)


@pytest.mark.parametrize("stack", ["c.", "ci.*", "other"])
def test_a_stack_name_is_compared_literally(stack: str) -> None:
    with pytest.raises(Misconfigured):
        Infra.parse("deploy", stack, queue_stack())
