"""A job's credentials: OpenID Connect tokens, and the cluster's secrets.

The source of each expectation is named per test.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from cryptography.exceptions import InvalidSignature

from buildkite_emulator import BuildRequest
from emulator.buildkite_client import Contract, Session, contract
from emulator.buildkite_tokens import claims_of

ONE = "steps: [{command: x, key: one}]"
ALWAYS = {
    "iss",
    "sub",
    "aud",
    "iat",
    "nbf",
    "exp",
    "organization_slug",
    "pipeline_slug",
    "build_number",
    "build_branch",
    "build_commit",
    "step_key",
    "job_id",
    "agent_id",
    "build_source",
    "runner_environment",
}


@pytest.fixture
def bk() -> Iterator[Contract]:
    with contract() as made:
        yield made


@pytest.fixture
def session(bk: Contract) -> Session:
    return bk.running(bk.one_job(ONE))


def said(session: Session, **wish: object) -> dict[str, Any]:
    answer = session.job("POST", "/oidc/tokens", wish)
    assert answer.status_code == 200, answer.text
    return claims_of(answer.json()["token"], session.contract.url)


def test_an_oidc_token_identifies_its_job(bk: Contract, session: Session) -> None:
    """buildkite/docs pages/agent/cli/reference/oidc.md, "Claims"."""
    claims = said(session)
    now = int(bk.clock.now.timestamp())
    assert set(claims) == ALWAYS
    assert claims["sub"] == (
        "organization:example:pipeline:demo:ref:refs/heads/main:commit:HEAD:step:one"
    )
    assert claims["aud"] == "https://buildkite.com/example"
    assert (claims["iat"], claims["nbf"], claims["exp"]) == (now, now, now + 300)
    assert (claims["build_number"], claims["build_source"]) == (1, "api")
    assert (claims["job_id"], claims["runner_environment"]) == (session.job_id, "self-hosted")


def test_the_claims_of_a_tag_build_have_the_tags_ref_and_a_null_step_key(bk: Contract) -> None:
    """buildkite/docs pages/agent/cli/reference/oidc.md: `build_tag` only if set, null key."""
    (job,) = bk.jobs(request=BuildRequest(tag="v1", branch="v1"), steps="steps: [{command: x}]")
    claims = said(bk.running(job.id))
    assert claims["build_tag"] == "v1"
    assert claims["step_key"] is None
    assert claims["sub"].endswith(":ref:refs/tags/v1:commit:HEAD:step:")


def test_a_token_has_the_requested_optional_claims_and_session_tags(
    bk: Contract, session: Session
) -> None:
    """buildkite/docs oidc.md, "Optional claims" and "AWS session tags": tags are strings."""
    settings = bk.buildkite.settings
    claims = said(
        session,
        audience="sts.amazonaws.com",
        claims=["organization_id", "queue_key", "agent_tag:os", "agent_tag:none"],
        aws_session_tags=["build_number", "organization_slug", "cluster_id"],
    )
    assert claims["aud"] == "sts.amazonaws.com"
    assert claims["organization_id"] == settings.organization_id
    assert claims["queue_key"] == "default"
    assert claims["agent_tag:none"] is None
    assert claims["https://aws.amazon.com/tags"] == {
        "principal_tags": {
            "build_number": ["1"],
            "organization_slug": ["example"],
            "cluster_id": [settings.cluster_id],
        }
    }


def test_null_becomes_an_empty_session_tag_and_agent_tags_can_be_claimed(bk: Contract) -> None:
    """buildkite/docs oidc.md, "AWS session tags" and "Optional claims"."""
    agent = bk.agent(tags=("queue=default", "os=linux"))
    agent.acquire(bk.one_job("steps: [{command: x}]"))
    claims = said(agent, claims=["agent_tag:os"], aws_session_tags=["step_key"])
    assert claims["agent_tag:os"] == "linux"
    assert claims["https://aws.amazon.com/tags"]["principal_tags"] == {"step_key": [""]}


def test_the_subject_may_be_a_claim_with_a_permanent_value(bk: Contract, session: Session) -> None:
    """buildkite/docs oidc.md, "Custom subject claims"."""
    claims = said(session, subject_claim="cluster_id")
    assert claims["sub"] == claims["cluster_id"] == bk.buildkite.settings.cluster_id
    for name in ("pipeline_slug", "build_branch", "cluster_name"):
        assert session.job("POST", "/oidc/tokens", {"subject_claim": name}).status_code == 422


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({"lifetime": 7200}, 200),
        ({"lifetime": 7201}, 422),
        ({"lifetime": -1}, 422),
        ({"lifetime": "60"}, 400),
        ({"claims": ["favourite_colour"]}, 422),
        ({"claims": "organization_id"}, 400),
        ({"aws_session_tags": ["favourite_colour"]}, 422),
    ],
)
def test_invalid_token_requests_are_refused(
    session: Session, wish: dict[str, object], status: int
) -> None:
    """buildkite/docs platform/limits.md: two hours. Agents do not retry 400, 401, 403 and 422."""
    assert session.job("POST", "/oidc/tokens", wish).status_code == status


def test_an_oidc_token_is_issued_only_for_the_tokens_own_running_job(
    bk: Contract, session: Session
) -> None:
    """buildkite/agent agent/fake_api_server_test.go: 404 for another job."""
    other = bk.running(bk.one_job())
    target = f"/v3/jobs/{other.job_id}/oidc/tokens"
    assert bk.call("POST", target, {}, token=session.job_token).status_code == 404
    assert bk.call("POST", target, {}, token=session.token).status_code == 401
    other.finish("0")
    assert other.job("POST", "/oidc/tokens", {}).status_code == 401


def test_the_signature_of_a_changed_oidc_token_is_invalid(bk: Contract, session: Session) -> None:
    """RFC 7515."""
    token = session.job("POST", "/oidc/tokens", {}).json()["token"]
    head, _, signature = token.split(".")
    other = session.job("POST", "/oidc/tokens", {"audience": "x"}).json()["token"].split(".")[1]
    with pytest.raises(InvalidSignature):
        claims_of(f"{head}.{other}.{signature}", bk.buildkite.url)


def test_the_published_keys_have_no_private_half(bk: Contract) -> None:
    """RFC 7517; each emulator has its own key."""
    (key,) = requests.get(f"{bk.buildkite.url}/.well-known/jwks", timeout=5).json()["keys"]
    assert set(key) == {"kty", "use", "alg", "kid", "n", "e"}
    with contract() as other:
        (theirs,) = requests.get(f"{other.buildkite.url}/.well-known/jwks", timeout=5).json()[
            "keys"
        ]
    assert theirs["kid"] != key["kid"]


def test_a_job_gets_a_secret_by_its_key(bk: Contract, session: Session) -> None:
    """buildkite/agent api/secrets_test.go."""
    bk.buildkite.add_secret("MY_SECRET", "value-1")
    given = session.job("GET", "/secrets?key=MY_SECRET")
    assert given.status_code == 200
    assert (given.json()["key"], given.json()["value"]) == ("MY_SECRET", "value-1")
    bk.buildkite.add_secret("MY_SECRET", "value-2")
    changed = session.job("GET", "/secrets?key=MY_SECRET").json()
    assert changed == {**given.json(), "value": "value-2"}
    assert session.job("GET", "/secrets?key=OTHER").status_code == 404
    assert session.job("GET", "/secrets").status_code == 422


def test_a_secret_is_given_only_to_the_tokens_own_job(bk: Contract, session: Session) -> None:
    """buildkite/agent api/secrets_test.go: 401 for a wrong token, 404 for another job."""
    bk.buildkite.add_secret("MY_SECRET", "v")
    other = bk.running(bk.one_job())
    target = f"/v3/jobs/{other.job_id}/secrets?key=MY_SECRET"
    assert bk.call("GET", target, token=session.job_token).status_code == 404
    assert bk.call("GET", target, token=session.token).status_code == 401
    assert bk.call("GET", target, token=bk.buildkite.agent_token).status_code == 401
    other.finish("0")
    assert bk.call("GET", target, token=other.job_token).status_code == 401


@pytest.mark.parametrize(
    ("policy", "status"),
    [
        ("", 200),
        ("- pipeline_slug: demo", 200),
        ("- pipeline_slug: other", 403),
        ("- pipeline_slug: demo\n  build_branch: develop", 403),
        ("- pipeline_slug: [other, demo]\n  build_branch: [main, develop]", 200),
        ("- pipeline_slug: other\n- build_branch: main", 200),
        ("- build_branch: 'ma*'", 200),
        ("- build_branch: 'main?'", 403),
        ("- build_source: webhook", 403),
        ("- build_creator: lab@example.org", 200),
        ("- cluster_queue_key: default", 200),
        ("- cluster_queue_key: deploy", 403),
        ("- build_creator_team: 123e4567-e89b-12d3-a456-426614174000", 403),
        ("[]", 403),
    ],
)
def test_a_job_that_meets_any_rule_of_the_policy_may_read_the_secret(
    bk: Contract, session: Session, policy: str, status: int
) -> None:
    """buildkite/docs secrets/buildkite_secrets/access_policies.md; the status 403 is assumed."""
    bk.buildkite.add_secret("S", "value", policy)
    answer = session.job("GET", "/secrets?key=S")
    assert answer.status_code == status
    assert ("value" in answer.text) is (status == 200)


@pytest.mark.parametrize(
    ("key", "value", "policy"),
    [
        ("buildkite_x", "v", None),
        ("BK_x", "v", None),
        ("1x", "v", None),
        ("with-dash", "v", None),
        ("x" * 256, "v", None),
        ("x", "", None),
        ("x", "v" * (32 * 1024 + 1), None),
        ("x", "v", "- favourite_colour: blue"),
        ("x", "v", "pipeline_slug: demo"),
        ("x", "v", "- build_number: 1"),
        ("x", "v", "- ["),
    ],
)
def test_secrets_that_buildkite_would_refuse_are_refused(
    bk: Contract, key: str, value: str, policy: str | None
) -> None:
    """buildkite/docs secrets/buildkite_secrets.md and rest_api/clusters/secrets.md."""
    with pytest.raises(ValueError, match=r"secret|value|policy"):
        bk.buildkite.add_secret(key, value, policy)
