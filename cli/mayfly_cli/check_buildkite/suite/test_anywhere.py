"""The calls that every job of Mayfly depends on: list, reserve, issue a token, acquire, finish.

Source of each expectation, unless the test says otherwise: buildkite/docs
pages/apis/agent_api/stacks.md and agent/self_hosted/job_acquisition_tokens.md.
"""

from __future__ import annotations

from datetime import datetime

import requests

from mayfly_cli.check_buildkite.suite.client import STACK, Client

LIST = "/scheduled-jobs?queue_key=default"
THREE = "steps: [{command: a, priority: 3}, {command: b}, {command: c, key: last}]"


def listed(bk: Client) -> requests.Response:
    answer = bk.stack("GET", LIST)
    assert answer.status_code == 200
    return answer


def test_a_listed_job_has_every_field_that_a_stack_needs(bk: Client) -> None:
    first, _, last = bk.jobs(THREE)
    shown = {job["id"]: job for job in listed(bk).json()["jobs"]}
    assert shown[first.id]["priority"] == 3
    assert isinstance(shown[first.id]["agent_query_rules"], list)
    assert datetime.fromisoformat(shown[first.id]["scheduled_at"]).tzinfo is not None
    assert shown[first.id]["pipeline"]["slug"]
    assert shown[first.id]["build"]["number"] > 0
    assert shown[first.id]["build"]["branch"] == "main"
    assert shown[last.id]["step"]["key"] == "last"


def test_a_list_shows_more_pages_and_a_pause(bk: Client) -> None:
    bk.jobs(THREE)
    page = bk.stack("GET", f"{LIST}&limit=1").json()
    assert page["page_info"]["has_next_page"] is True
    assert page["cluster_queue"]["dispatch_paused"] is False
    after = page["page_info"]["end_cursor"]
    following = bk.stack("GET", f"{LIST}&limit=1&after={after}").json()
    assert following["jobs"][0]["id"] != page["jobs"][0]["id"]


def test_an_answer_says_how_much_of_the_limit_is_left(bk: Client) -> None:
    headers = listed(bk).headers
    assert headers["RateLimit-Limit"] == "10"
    assert int(headers["RateLimit-Remaining"]) <= 9
    assert float(headers["RateLimit-Reset"]) >= 0


def test_a_reserved_job_is_in_no_list_and_can_be_reserved_again(bk: Client) -> None:
    job = bk.one_job()
    assert bk.reserve(job, reservation_expiry_seconds=300).json()["reserved"] == [job]
    assert bk.state(job) == "reserved"
    assert job not in [each["id"] for each in listed(bk).json()["jobs"]]
    assert bk.reserve(job, reservation_expiry_seconds=300).json()["reserved"] == [job]


def test_a_token_is_issued_for_a_reserved_job_and_registers_an_agent_that_takes_it(
    bk: Client,
) -> None:
    job = bk.one_job()
    bk.reserve(job)
    answer = bk.stack("POST", "/job-acquisition-tokens", {"job_uuids": [job]})
    assert answer.status_code == 201
    [issued] = answer.json()["job_acquisition_tokens"]
    session = bk.agent(issued["job_acquisition_token"])
    taken = session.acquire(job)
    assert taken.status_code == 200
    assert taken.json()["env"]["BUILDKITE_JOB_ID"] == job
    assert bk.state(job) in {"accepted", "assigned"}


def test_a_finished_job_is_finished_and_a_cancelled_token_dies(bk: Client) -> None:
    job = bk.one_job()
    bk.reserve(job)
    issued = bk.stack("POST", "/job-acquisition-tokens", {"job_uuids": [job]}).json()
    token = issued["job_acquisition_tokens"][0]["job_acquisition_token"]
    assert bk.stack("POST", f"/jobs/{job}/finish", {"detail": "a check"}).status_code == 200
    assert bk.state(job) == "finished"
    assert bk.registration(token).status_code == 401


def test_a_deregistered_stack_is_not_found(bk: Client) -> None:
    assert bk.stack("POST", "/deregister").status_code == 204
    path = f"/v3/stacks/{STACK}{LIST}"
    assert bk.call("GET", path, token=bk.agent_token).status_code == 404
