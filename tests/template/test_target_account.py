"""Roles of accounts that are deployed to: whom they trust, and what they may do at most."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from mayfly.iam.evaluation import Caller, Policies, Request, Statement, Values, decide, evaluate
from mayfly_cli.templates.reading import TemplateError, check_parameters, read
from mayfly_cli.templates.resolution import ACCOUNT, REGION, Deployment
from tests.template.conftest import QUEUE
from tests.template.test_host_rights import ATTACHED, role_statements

Resources = dict[str, dict[str, Any]]
Context = dict[str, Values]

TEMPLATE = read(QUEUE.parent / "target-account.yaml")
IAM = f"arn:aws:iam::{ACCOUNT}"
PROVIDER = f"{IAM}:oidc-provider/agent.buildkite.com"
TARGET = "333333333333"
"""The account that is deployed to."""
SANDBOX = "arn:aws:iam::210987654321:role/mayfly/acme/sandbox/linux/acme-linux-sandbox"
COMMON = {
    "RoleName": "shop-production",
    "Policies": "arn:aws:iam::aws:policy/PowerUserAccess",
    "Organization": "acme",
    "Pipeline": "shop",
}
BY_OIDC = COMMON | {"TrustedBy": "oidc"}
BY_QUEUE = COMMON | {"TrustedBy": "queue", "SandboxRole": SANDBOX, "Queue": "linux"}
IDS = {
    "OrganizationId": "0193903e-ecd9-4c51-9156-0738da987e87",
    "PipelineId": "01909bf3-4d8a-4c8d-8a5f-2f5a1b1c1d1e",
    "ClusterId": "0188f001-5a5a-4c8d-8a5f-2f5a1b1c1d1e",
    "OidcQueueKey": "linux",
}


def resources(parameters: dict[str, str]) -> Resources:
    check_parameters(TEMPLATE, parameters)
    return Deployment(TEMPLATE, "shop-production", parameters).resources


def trust(parameters: dict[str, str]) -> list[Statement]:
    (role,) = (r for r in resources(parameters).values() if r["Type"] == "AWS::IAM::Role")
    found: list[Statement] = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    return found


# -- Buildkite's tokens ----------------------------------------------------------------------------

SHA = "0123456789abcdef0123456789abcdef01234567"


def subject(
    pipeline: str = "shop",
    ref: str = "refs/heads/main",
    commit: str = SHA,
    organization: str = "acme",
    step: str = "deploy",
) -> str:
    return f"organization:{organization}:pipeline:{pipeline}:ref:{ref}:commit:{commit}:step:{step}"


def token(sub: str = subject(), aud: str = "sts.amazonaws.com", **tags: str) -> Context:
    """Condition keys that AWS makes of a token: two claims, and session tags of the request."""
    given: Context = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    return {"agent.buildkite.com:aud": aud, "agent.buildkite.com:sub": sub} | given


def gets(parameters: dict[str, str], context: Context, provider: str = PROVIDER) -> bool:
    """Whether the bearer of a token gets the role: AWS asks for both actions where tags are."""
    policies = Policies((), resource=trust(parameters), resource_must_allow=True)
    return all(
        evaluate(Request(action, "role", context), Caller("", provider=provider), policies).allowed
        for action in ("sts:AssumeRoleWithWebIdentity", "sts:TagSession")
    )


TOKENS = [
    # whether the job gets the role · what the token is · its claims
    (True, "of the pipeline's main branch", token()),
    (True, "of a build that names no commit", token(subject(commit="HEAD"))),
    (True, "of a step without key", token(subject(step=""))),
    (True, "with tags that nobody asked for", token(queue_key="other")),
    (False, "of another pipeline", token(subject("shop2"))),
    (False, "of a pipeline whose name goes on", token(subject("shop:ref:refs/heads/main"))),
    (False, "of another branch", token(subject(ref="refs/heads/feature"))),
    (False, "of a branch whose name goes on", token(subject(ref="refs/heads/main2"))),
    (False, "of a branch below", token(subject(ref="refs/heads/main/x"))),
    (False, "of a tag with the branch's name", token(subject(ref="refs/tags/main"))),
    (False, "of another organization", token(subject(organization="acme2"))),
    (False, "of an organization in another case", token(subject(organization="Acme"))),
    (False, "with Buildkite's own audience", token(aud="https://buildkite.com/acme")),
    (False, "of a fork", token(subject(ref="refs/heads/eve:main"))),
    (False, "of a fork of the person main", token(subject(ref="refs/heads/main:commit"))),
    (False, "of a fork with a step that lies", token(subject(ref="refs/heads/x", step="main"))),
    (False, "with a subject that the job chose", token("0193903e-ecd9-4c51-9156-0738da987e87")),
    (False, "without subject", {"agent.buildkite.com:aud": "sts.amazonaws.com"}),
    (False, "without audience", {"agent.buildkite.com:sub": subject()}),
]


@pytest.mark.parametrize(("expected", "what", "context"), TOKENS, ids=lambda each: str(each)[:60])
def test_a_job_gets_the_role_by_a_token(expected: bool, what: str, context: Context) -> None:
    assert gets(BY_OIDC, context) is expected, what


def test_tokens_of_another_issuer_get_nothing() -> None:
    assert not gets(BY_OIDC, token(), f"{IAM}:oidc-provider/token.actions.githubusercontent.com")


BRANCHES = [
    (True, "refs/heads/release/1"),
    (True, "refs/heads/release/1/fix"),
    (False, "refs/heads/release"),
    (False, "refs/heads/main"),
    (False, "refs/heads/eve:release/1"),
    (False, "refs/heads/release:commit"),
]


@pytest.mark.parametrize(("expected", "ref"), BRANCHES)
def test_a_pattern_of_branches_means_no_fork(expected: bool, ref: str) -> None:
    assert gets(BY_OIDC | {"Branch": "release/*"}, token(subject(ref=ref))) is expected


@pytest.mark.parametrize(
    "branch", ["*", "*/x", "rel-*", "r?", "main*", "", "${x}", "main:x", "a b"]
)
def test_a_pattern_that_could_mean_a_fork_is_refused(branch: str) -> None:
    with pytest.raises(TemplateError, match="Branch"):
        resources(BY_OIDC | {"Branch": branch})


@pytest.mark.parametrize("name", ["Pipeline", "Organization"])
@pytest.mark.parametrize("value", ["*", "sho?", "shop:x", "", "-shop", "a/b"])
def test_one_pipeline_of_one_organization_is_named(name: str, value: str) -> None:
    with pytest.raises(TemplateError, match=name):
        resources(BY_OIDC | {name: value})


TAGS = {
    "organization_id": IDS["OrganizationId"],
    "pipeline_id": IDS["PipelineId"],
    "cluster_id": IDS["ClusterId"],
    "queue_key": "linux",
}


def test_tags_that_the_role_asks_for_must_be_in_the_token() -> None:
    assert gets(BY_OIDC | IDS, token(**TAGS))
    assert not gets(BY_OIDC | IDS, token())
    for name in TAGS:
        missing = {key: value for key, value in TAGS.items() if key != name}
        assert not gets(BY_OIDC | IDS, token(**missing)), name
        assert not gets(BY_OIDC | IDS, token(**TAGS | {name: "other"})), name
        assert not gets(BY_OIDC | IDS, token(**TAGS | {name: ""})), name
    assert not gets(BY_OIDC | IDS, token(subject("shop2"), **TAGS))


def test_an_account_has_one_provider_for_all_roles() -> None:
    made = resources(BY_OIDC)
    assert made["Provider"]["Properties"] == {
        "Url": "https://agent.buildkite.com",
        "ClientIdList": ["sts.amazonaws.com"],
    }
    further = BY_OIDC | {"OidcProvider": PROVIDER}
    assert set(resources(further)) == {"Boundary", "OidcRole"}
    assert gets(further, token())
    for wrong in (f"{IAM}:oidc-provider/agent.buildkite.com.evil.example", "yes", ""):
        with pytest.raises(TemplateError, match="OidcProvider"):
            resources(BY_OIDC | {"OidcProvider": wrong})


# -- the sandbox role of a queue -------------------------------------------------------------------

FACTS = {
    "organization": "acme",
    "pipeline": "shop",
    "branch": "main",
    "queue": "linux",
    "source": "webhook",
}


def assumes(
    own: list[Statement],
    facts: Mapping[str, str],
    role: str = SANDBOX,
    parameters: dict[str, str] = BY_QUEUE,
) -> bool:
    """Whether a session of the role gets the deploy role, by its own policies and the trust."""
    name = role.rpartition("/")[2]
    caller = Caller(f"arn:aws:sts::{role.split(':')[4]}:assumed-role/{name}/i-0a", role, "AROA1")
    context: Context = {f"aws:RequestTag/{key}": value for key, value in facts.items()}
    context["aws:TagKeys"] = list(facts)
    policies = Policies(
        (own,), resource=trust(parameters), resource_account=TARGET, resource_must_allow=True
    )
    target = f"arn:aws:iam::{TARGET}:role/ci/linux/shop-production"
    return all(
        evaluate(Request(action, target, context), caller, policies).allowed
        for action in ("sts:AssumeRole", "sts:TagSession")
    )


def trust_allows(parameters: dict[str, str], facts: Mapping[str, str], role: str) -> bool:
    """Whether the trust policy gives a session of the role, which may assume every role, the
    deploy role."""
    return assumes(ATTACHED["AdministratorAccess"], facts, role, parameters)


def test_jobs_of_the_pipeline_get_the_role_by_their_queue(full_queue: Resources) -> None:
    own = role_statements(full_queue, "Sandbox")
    assert assumes(own, FACTS)
    assert assumes(own, FACTS | {"source": "schedule"})


@pytest.mark.parametrize("fact", FACTS)
@pytest.mark.parametrize("value", [None, "", "other", "eve:main"])
def test_every_fact_must_be_there_and_be_right(
    full_queue: Resources, fact: str, value: str | None
) -> None:
    others = {key: each for key, each in FACTS.items() if key != fact}
    given = others if value is None else others | {fact: value}
    assert not assumes(role_statements(full_queue, "Sandbox"), given)


@pytest.mark.parametrize(
    "role",
    [
        "arn:aws:iam::210987654321:role/mayfly/acme/sandbox/linux2/acme-linux2-sandbox",
        "arn:aws:iam::210987654321:role/mayfly/acme/bootstrap/linux/R",
        "arn:aws:iam::210987654321:role/admin",
    ],
)
def test_no_other_role_gets_it_whatever_tags_it_gives(role: str) -> None:
    assert not assumes(ATTACHED["AdministratorAccess"], FACTS, role)


def test_the_queue_without_a_path_of_roles_gets_none(queue: Resources) -> None:
    assert not assumes(role_statements(queue, "Sandbox"), FACTS)


@pytest.mark.parametrize("role", ["", "arn:aws:iam::210987654321:role/*", f"{SANDBOX}*"])
def test_one_sandbox_role_is_named(role: str) -> None:
    if role:
        with pytest.raises(TemplateError, match="SandboxRole"):
            resources(BY_QUEUE | {"SandboxRole": role})
        return
    (rule,) = TEMPLATE["Rules"].values()
    told = " ".join(each["AssertDescription"] for each in rule["Assertions"])
    assert re.search("SandboxRole.*Queue", told)


# -- boundary --------------------------------------------------------------------------------------

EC2 = f"arn:aws:ec2:{REGION}:{ACCOUNT}"
BOUNDARY = f"{IAM}:policy/mayfly-boundary/shop-production-boundary"
WITH: Context = {"iam:PermissionsBoundary": BOUNDARY}
AT_MOST: list[tuple[bool, str, str, Context]] = [
    # whether an administrator with the boundary may · action · resource · condition keys
    (True, "s3:PutObject", "arn:aws:s3:::shop/index.html", {}),
    (
        True,
        "cloudformation:UpdateStack",
        f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/shop/1",
        {},
    ),
    (True, "iam:CreateRole", f"{IAM}:role/app/shop", WITH),
    (False, "iam:CreateRole", f"{IAM}:role/app/shop", {}),
    (
        False,
        "iam:CreateRole",
        f"{IAM}:role/app/shop",
        {"iam:PermissionsBoundary": f"{IAM}:policy/x"},
    ),
    (False, "iam:CreateRole", f"{IAM}:role/admin-2", WITH),
    (True, "iam:PutRolePolicy", f"{IAM}:role/app/shop", WITH),
    (False, "iam:PutRolePolicy", f"{IAM}:role/app/older", {}),
    (False, "iam:AttachRolePolicy", f"{IAM}:role/ci/shop-production", WITH),
    (False, "iam:DeleteRolePermissionsBoundary", f"{IAM}:role/app/shop", WITH),
    (False, "iam:PutRolePermissionsBoundary", f"{IAM}:role/ci/shop-production", {}),
    (False, "iam:CreatePolicyVersion", BOUNDARY, {}),
    (False, "iam:SetDefaultPolicyVersion", BOUNDARY, {}),
    (False, "iam:UpdateAssumeRolePolicy", f"{IAM}:role/admin", {}),
    (False, "iam:UpdateAssumeRolePolicy", f"{IAM}:role/mayfly/acme/sandbox/linux/linux-jobs", {}),
    (False, "iam:UpdateAssumeRolePolicy", f"{IAM}:role/people/secrets-owner", {}),
    (True, "iam:UpdateAssumeRolePolicy", f"{IAM}:role/app/shop", {}),
    (False, "iam:CreateUser", f"{IAM}:user/eve", {}),
    (False, "iam:CreateAccessKey", f"{IAM}:user/ann", {}),
    (False, "iam:UpdateOpenIDConnectProviderThumbprint", PROVIDER, {}),
    (False, "iam:AddClientIDToOpenIDConnectProvider", PROVIDER, {}),
    (True, "iam:CreateServiceLinkedRole", f"{IAM}:role/aws-service-role/ecs.amazonaws.com/R", {}),
    (True, "iam:PassRole", f"{IAM}:role/app/shop", {}),
    (False, "iam:PassRole", f"{IAM}:role/admin", {}),
    (False, "sts:AssumeRole", f"{IAM}:role/admin", {}),
    (False, "sts:AssumeRole", f"{IAM}:role/ci/other-production", {}),
    (False, "sts:AssumeRoot", f"{IAM}:root", {}),
    (False, "ssm:GetParameter", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/buildkite/mayfly/t", {}),
    (False, "ssm:PutParameter", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/mayfly/acme/x", {}),
    (False, "ec2:CreateTags", f"{EC2}:instance/i-1", {"aws:ResourceTag/mayfly-stack": "acme"}),
    (True, "iam:GetRole", f"{IAM}:role/admin", {}),
]


@pytest.mark.parametrize(("expected", "action", "resource", "context"), AT_MOST)
def test_a_deployment_gets_no_further_rights_whatever_its_policies_allow(
    expected: bool, action: str, resource: str, context: Context
) -> None:
    boundary = resources(BY_OIDC)["Boundary"]["Properties"]["PolicyDocument"]["Statement"]
    assert decide(Request(action, resource, context), boundary).allowed is expected


def test_a_deployment_cannot_change_its_own_stack() -> None:
    own = Deployment(TEMPLATE, "shop-production", BY_OIDC).resources["Boundary"]["Properties"]
    statements = own["PolicyDocument"]["Statement"]
    stack = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/shop-production"
    stack = f"{stack}/00000000-0000-4000-8000-000000000000"
    assert not decide(Request("cloudformation:UpdateStack", stack), statements).allowed
    assert decide(Request("cloudformation:DescribeStacks", stack), statements).allowed


def test_roles_elsewhere_that_a_deployment_may_take_are_named() -> None:
    cdk = f"{IAM}:role/cdk-hnb659fds-*"
    made = resources(BY_OIDC | {"FurtherRoles": cdk})["Boundary"]["Properties"]["PolicyDocument"]
    for action in ("iam:PassRole", "sts:AssumeRole"):
        deploy = Request(action, f"{IAM}:role/cdk-hnb659fds-deploy-role-{ACCOUNT}-{REGION}")
        assert decide(deploy, made["Statement"]).allowed
        assert not decide(Request(action, f"{IAM}:role/admin"), made["Statement"]).allowed


@pytest.mark.parametrize("parameters", [BY_OIDC, BY_QUEUE])
def test_every_role_has_a_boundary(parameters: dict[str, str]) -> None:
    own = "arn:aws:iam::123456789012:policy/org/boundary"
    for given, expected in (({}, "Boundary"), ({"PermissionsBoundary": own}, own)):
        made = resources(parameters | given)
        (role,) = (r for r in made.values() if r["Type"] == "AWS::IAM::Role")
        assert role["Properties"]["PermissionsBoundary"] == expected
        assert ("Boundary" in made) is (expected == "Boundary")
        assert role["Properties"]["MaxSessionDuration"] == 3600


def test_the_boundary_has_the_name_by_which_it_protects_itself() -> None:
    properties = resources(BY_OIDC)["Boundary"]["Properties"]
    assert f"{IAM}:policy{properties['Path']}{properties['ManagedPolicyName']}" == BOUNDARY
