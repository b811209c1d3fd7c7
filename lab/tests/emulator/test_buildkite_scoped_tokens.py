"""Limits of agent tokens: permissions, queue access, allowed addresses, expiry.

Source of each expectation, unless the test says otherwise: buildkite/docs
pages/agent/self_hosted/scoped_agent_tokens.md. Words and the status for an address are assumed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import requests

from emulator.buildkite_client import Contract, contract
from mayfly_cli.check_buildkite.suite.acquisition_tokens import reserved_job, token_for


@pytest.fixture
def bk() -> Iterator[Contract]:
    with contract() as made:
        yield made


def listed(bk: Contract, queue: str) -> requests.Response:
    return bk.stack("GET", f"/scheduled-jobs?queue_key={queue}")


def said(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("message", "")


def test_a_new_token_has_every_permission_and_every_queue(bk: Contract) -> None:
    assert listed(bk, "deploy").status_code == 200
    assert bk.registration(tags=("queue=deploy",)).status_code == 200


def test_a_refusal_names_the_missing_permission(bk: Contract) -> None:
    """buildkite.com changelog 443: 403 with an error that names the missing permission."""
    bk.buildkite.limit_agent_token(permissions=["run_jobs"])
    status, words = said(listed(bk, "deploy"))
    assert (status, "manage_stacks" in words) == (403, True)
    assert bk.register_stack().status_code == 403
    assert bk.registration().status_code == 200
    bk.buildkite.limit_agent_token(permissions=["manage_stacks"])
    assert listed(bk, "deploy").status_code == 200
    assert said(bk.registration()) == (
        403,
        "This agent token does not have the permission run_jobs",
    )


def test_a_token_of_one_queue_serves_this_queue_alone(bk: Contract) -> None:
    bk.buildkite.limit_agent_token(queues=["deploy"])
    assert bk.register_stack(queue_key="deploy").status_code == 200
    assert listed(bk, "deploy").status_code == 200
    for refused in (listed(bk, "default"), bk.register_stack(), bk.registration()):
        expected = (403, "This agent token does not have access to the queue default")
        assert said(refused) == expected


def test_selected_queues_without_any_queue_denies_all(bk: Contract) -> None:
    bk.buildkite.limit_agent_token(queues=[])
    assert bk.registration(tags=("queue=deploy",)).status_code == 403


def test_a_job_of_a_queue_without_access_is_not_reserved(bk: Contract) -> None:
    job = bk.one_job()
    bk.buildkite.limit_agent_token(queues=["deploy"])
    answer = bk.stack("PUT", "/scheduled-jobs/batch-reserve", {"job_uuids": [job]})
    assert answer.json() == {"reserved": [], "not_reserved": [job]}


def test_a_token_is_refused_from_other_addresses_than_the_allowed(bk: Contract) -> None:
    """buildkite/docs pages/pipelines/security/clusters/manage.md."""
    bk.buildkite.limit_agent_token(addresses=["10.0.0.0/8", "192.0.2.1/32"])
    status, words = said(listed(bk, "deploy"))
    assert (status, "127.0.0.1" in words) == (403, True)
    bk.buildkite.limit_agent_token(addresses=["127.0.0.0/8"])
    assert listed(bk, "deploy").status_code == 200


def test_an_expired_token_is_refused_and_disconnects_no_agent(bk: Contract) -> None:
    """buildkite/docs pages/agent/self_hosted/tokens.md."""
    agent = bk.agent()
    bk.buildkite.limit_agent_token(expires=bk.clock.now + timedelta(seconds=1))
    assert listed(bk, "default").status_code == 200
    bk.clock.advance(seconds=1)
    assert said(listed(bk, "default")) == (401, "Invalid access token")
    assert bk.registration().status_code == 401
    assert agent.call("POST", "/v3/heartbeat", {}).status_code == 200


@pytest.mark.parametrize(
    ("limits", "status"),
    [
        ({"permissions": ["manage_stacks"]}, 403),
        ({"queues": ["deploy"]}, 403),
        ({"addresses": ["10.0.0.0/8"]}, 403),
        ({"expires": timedelta(0)}, 401),
    ],
    ids=["permissions", "queues", "addresses", "expiry"],
)
def test_the_limits_of_the_issuing_token_hold_for_an_acquisition_token(
    bk: Contract, limits: dict[str, object], status: int
) -> None:
    """buildkite/docs pages/agent/self_hosted/job_acquisition_tokens.md: expiry and addresses."""
    token = token_for(bk, reserved_job(bk))
    assert bk.registration(token).status_code == 200
    if "expires" in limits:
        limits = {"expires": bk.clock.now}
    bk.buildkite.limit_agent_token(**limits)  # type: ignore[arg-type]  # by case
    assert bk.registration(token).status_code == status


def test_the_rest_api_tells_expiry_and_addresses_of_a_token_by_its_id(bk: Contract) -> None:
    """buildkite/docs pages/apis/rest_api/clusters/agent_tokens.md; buildkite/agent api/token.go."""
    until = bk.clock.now + timedelta(days=9)
    bk.buildkite.limit_agent_token(addresses=["127.0.0.0/8"], expires=until)
    shown = bk.call("GET", "/v3/token", token=bk.agent_token).json()
    path = f"/clusters/{shown['cluster_uuid']}/tokens"
    told = bk.rest("GET", f"{path}/{shown['uuid']}").json()
    assert told["expires_at"] == "2026-11-30T09:00:01.000Z"
    assert told["allowed_ip_addresses"] == "127.0.0.0/8"
    assert "token" not in told
    assert [each["id"] for each in bk.rest("GET", path).json()] == [told["id"]]
    assert bk.rest("GET", f"{path}/unknown").status_code == 404
