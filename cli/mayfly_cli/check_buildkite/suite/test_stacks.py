"""The Stacks API: registration, lists, reservations, states, jobs.

Source of each expectation, unless the test says otherwise: buildkite/docs
pages/apis/agent_api/stacks.md.
"""

from __future__ import annotations

import pytest
import requests

from mayfly_cli.check_buildkite.suite.client import Client

TWO = "steps: [{command: a, key: a}, {command: b, key: b}]"


def message(answer: requests.Response) -> str:
    text: str = answer.json()["message"]
    return text


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        pytest.param({"key": ""}, 422, id="no key"),
        pytest.param({"key": "a b"}, 422, id="a key with a space"),
        pytest.param({"key": "k" * 81}, 422, id="a key of 81 bytes"),
        pytest.param({"type": "ec2"}, 422, id="an unknown type"),
        pytest.param({"queue_key": None}, 422, id="no queue"),
        pytest.param({"queue_key": "nowhere"}, 404, id="an unknown queue"),
        pytest.param({"metadata": None}, 422, id="no metadata"),
        pytest.param({"metadata": {"a": {"b": "c"}}}, 422, id="nested metadata"),
        pytest.param({"metadata": {"k" * 65: "v"}}, 422, id="a metadata key of 65 characters"),
        pytest.param({"metadata": {"k": "v" * 257}}, 422, id="a value of 257 characters"),
        pytest.param({"metadata": {str(i): "" for i in range(101)}}, 422, id="101 metadata keys"),
    ],
)
def test_a_wrong_registration_is_refused(
    bk: Client, changes: dict[str, object], status: int
) -> None:
    answer = bk.register_stack(**{"key": "other", **changes})  # type: ignore[arg-type]  # wrong on purpose
    assert answer.status_code == status
    assert message(answer)


def test_an_unregistered_stack_key_is_not_found(bk: Client) -> None:
    assert bk.stack("GET", "/scheduled-jobs?queue_key=default", key="nobody").status_code == 404


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 404),
        ("queue_key=nowhere", 404),
        ("queue_key=default&limit=0", 400),
        ("queue_key=default&limit=-1", 400),
        ("queue_key=default&limit=x", 400),
        ("queue_key=default&limit=1001", 400),
        ("queue_key=default&after=nonsense", 400),
        ("queue_key=default&limit=1000", 200),
    ],
)
def test_list_checks_its_parameters(bk: Client, query: str, status: int) -> None:
    assert bk.stack("GET", f"/scheduled-jobs?{query}").status_code == status


def test_a_reservation_belongs_to_a_stack_key_not_to_a_process(bk: Client) -> None:
    """Source: buildkite/agent-stack-k8s internal/controller/config (the field ID)."""
    job_id = bk.one_job()
    bk.register_stack("other")
    assert bk.reserve(job_id).json()["reserved"] == [job_id]
    assert bk.reserve(job_id).json()["reserved"] == [job_id]
    assert bk.reserve(job_id, key="other").json() == {"reserved": [], "not_reserved": [job_id]}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"job_uuids": "x"}, 400),
        ({"job_uuids": [1]}, 400),
        ({"job_uuids": ["x"] * 1001}, 422),
        ({"job_uuids": [], "reservation_expiry_seconds": 3601}, 422),
        ({"job_uuids": [], "reservation_expiry_seconds": 0}, 422),
        ({"job_uuids": [], "reservation_expiry_seconds": "9"}, 400),
        ({"job_uuids": ["x"] * 1000, "reservation_expiry_seconds": 3600}, 200),
    ],
)
def test_reserve_checks_its_parameters(bk: Client, body: dict[str, object], status: int) -> None:
    assert bk.stack("PUT", "/scheduled-jobs/batch-reserve", body).status_code == status


def test_states_are_given_for_known_jobs_only(bk: Client) -> None:
    """Source for leaving out unknown ids: agent-stack-k8s's own fake server."""
    first, second = bk.jobs(TWO)
    bk.reserve(second.id)
    ids = [first.id, second.id, "no-such-job"]
    answer = bk.stack("POST", "/jobs/get-states", {"job_uuids": ids})
    assert answer.json() == {"states": {first.id: "scheduled", second.id: "reserved"}}


def test_a_job_is_shown_with_environment_and_command_and_without_an_agent(bk: Client) -> None:
    job_id = bk.one_job("env: {COLOUR: red}\nsteps: [{command: make all, env: {SIZE: 9}}]")
    answer = bk.stack("GET", f"/jobs/{job_id}")
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["id"], shown["command"]) == (job_id, "make all")
    assert (shown["env"]["COLOUR"], shown["env"]["SIZE"]) == ("red", "9")
    assert shown["env"]["BUILDKITE_JOB_ID"] == job_id
    assert not [name for name in shown["env"] if name.startswith("BUILDKITE_AGENT_")]
    assert all(isinstance(value, str) for value in shown["env"].values())


def test_an_unknown_job_is_not_found(bk: Client) -> None:
    assert bk.stack("GET", "/jobs/none").status_code == 404
    assert bk.stack("POST", "/jobs/none/finish", {"detail": "x"}).status_code == 404


def test_the_token_tells_its_cluster(bk: Client) -> None:
    """Source: buildkite/agent api/token.go."""
    shown = bk.call("GET", "/v3/token", token=bk.agent_token).json()
    assert shown["cluster_uuid"] == bk.cluster_id
    assert shown["organization_slug"] == bk.organization
