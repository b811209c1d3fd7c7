"""Further REST calls around builds, jobs and agents.

Source of each expectation, unless the test says otherwise: buildkite/docs
pages/apis/rest_api/{builds,jobs,agents,pipelines}.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from buildkite_emulator import BuildRequest
from emulator.buildkite_client import ONE_JOB, Contract, Run, contract

BUILDS = "/pipelines/demo/builds"
HEAD = {"commit": "HEAD", "branch": "main"}


@pytest.fixture
def bk() -> Iterator[Contract]:
    with contract() as made:
        made.buildkite.add_pipeline("demo", ONE_JOB, "https://git.example.org/demo.git")
        yield made


def create(bk: Contract, **more: object) -> dict[str, Any]:
    answer = bk.rest("POST", BUILDS, {**HEAD, **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_a_build_shows_all_fields_of_its_request(bk: Contract) -> None:
    build = create(
        bk,
        message="hello",
        author={"name": "Ada", "email": "ada@example.org"},
        env={"A": True, "B": 1.5, "C": None},
        meta_data={"release": 7},
        clean_checkout=True,
        pull_request_id=4,
        pull_request_base_branch="main",
        pull_request_repository="https://git.example.org/fork.git",
        pull_request_labels=["bug", "ui"],
    )
    assert build["author"] == {"name": "Ada", "email": "ada@example.org"}
    assert build["env"] == {"A": "true", "B": "1.5", "C": ""}
    assert build["meta_data"] == {"release": "7"}
    assert build["pull_request"]["labels"] == ["bug", "ui"]
    [job] = build["jobs"]
    env = bk.rest("GET", f"/jobs/{job['id']}/env").json()["env"]
    assert env["BUILDKITE_BUILD_AUTHOR_EMAIL"] == "ada@example.org"
    assert (env["BUILDKITE_CLEAN_CHECKOUT"], env["BUILDKITE_MESSAGE"]) == ("true", "hello")
    assert env["BUILDKITE_PULL_REQUEST_LABELS"] == "bug,ui"
    lines = bk.rest("GET", f"/jobs/{job['id']}/env.txt").text.splitlines()
    assert "BUILDKITE_PULL_REQUEST=4" in lines


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"commit": "HEAD"}, 422),
        ({}, 422),
        ({**HEAD, "env": []}, 400),
        ({**HEAD, "meta_data": {"a": {}}}, 400),
        ({**HEAD, "branch": 7}, 400),
        ({**HEAD, "pull_request_id": 0}, 422),
        ({**HEAD, "pull_request_id": 1, "pull_request_labels": "bug"}, 400),
    ],
)
def test_an_invalid_request_creates_no_build(
    bk: Contract, body: dict[str, Any], status: int
) -> None:
    answer = bk.rest("POST", BUILDS, body)
    assert answer.status_code == status
    if status == 422 and "branch" not in body:
        assert answer.json()["message"] == "Validation Failed"
        assert {"field": "branch", "code": "missing"} in answer.json()["errors"]
    assert bk.rest("GET", BUILDS).json() == []


def test_builds_are_listed_by_pages_and_filters(bk: Contract) -> None:
    for number in range(1, 6):
        create(bk, branch=f"b{number % 2}", meta_data={"n": str(number)})
    bk.rest("PUT", f"{BUILDS}/5/cancel")

    def numbers(query: str) -> list[int]:
        return [build["number"] for build in bk.rest("GET", f"{BUILDS}?{query}").json()]

    assert numbers("per_page=2") == [5, 4]
    assert numbers("per_page=2&page=3") == [1]
    assert numbers("branch=b1") == [5, 3, 1]
    assert numbers("state=canceled") == numbers("state=finished") == [5]
    assert numbers("state[]=scheduled&branch=b1") == [3, 1]
    assert numbers("meta_data[n]=4") == [4]
    assert numbers("created_from=2026-11-21T10:00:00Z") == []
    link = bk.rest("GET", f"{BUILDS}?per_page=2&page=2").headers["Link"]
    assert 'page=3>; rel="next"' in link
    assert 'page=1>; rel="prev"' in link
    assert len(bk.rest("GET", "/builds").json()) == 5
    for bad in ("state=odd", "page=0", "per_page=x"):
        assert bk.rest("GET", f"{BUILDS}?{bad}").status_code == 400


def test_a_rebuild_is_a_new_build_with_the_same_commit_and_environment(bk: Contract) -> None:
    first = create(bk, message="m", env={"A": "1"}, branch="topic")
    again = bk.rest("PUT", f"{BUILDS}/1/rebuild")
    assert again.status_code == 200
    build = again.json()
    assert (build["number"], build["branch"], build["env"]) == (2, "topic", {"A": "1"})
    assert build["rebuilt_from"] == {"id": first["id"], "number": 1}
    env = bk.rest("GET", f"/jobs/{build['jobs'][0]['id']}/env").json()["env"]
    assert env["BUILDKITE_REBUILT_FROM_BUILD_NUMBER"] == "1"


TWO = "steps: [{command: a}, {command: b, soft_fail: true}, {command: c, retry: {manual: false}}]"


def test_failed_jobs_of_a_build_are_retried_together(bk: Contract) -> None:
    run = Run(bk, TWO)
    for command in "abc":
        run.end(command, "1")
    wrong = bk.rest("PUT", f"{BUILDS}/1/retry_failed_jobs", {"states": "invalid"})
    valid = "canceled, expired, failed, soft_failed, timed_out"
    assert wrong.status_code == 400
    assert wrong.json()["message"] == f"Invalid states: invalid. Valid states are {valid}."
    answer = bk.rest("PUT", f"{BUILDS}/1/retry_failed_jobs", {"states": "failed"})
    assert (answer.status_code, answer.json()["retried_jobs_count"]) == (202, 1)
    assert run.states() == {"a": "scheduled", "b": "soft_failed", "c": "failed"}


def test_reprioritize_changes_a_jobs_priority(bk: Contract) -> None:
    [job] = create(bk)["jobs"]
    answer = bk.rest("PUT", f"/jobs/{job['id']}/reprioritize", {"priority": 5})
    assert (answer.status_code, answer.json()["priority"]) == (200, {"number": 5})
    [listed] = bk.stack("GET", "/scheduled-jobs?queue_key=default").json()["jobs"]
    assert listed["priority"] == 5
    bad = bk.rest("PUT", f"/jobs/{job['id']}/reprioritize", {"priority": "5"})
    assert (bad.status_code, bad.json()["message"]) == (400, "Priority must be an integer")


def test_jobs_of_a_build_are_listed_by_pages_and_states(bk: Contract) -> None:
    run = Run(bk, "steps: [{command: a, parallelism: 3}, wait, {command: b}]")
    first = bk.rest("GET", f"{BUILDS}/1/jobs?per_page=2").json()
    assert len(first["items"]) == 2
    rest = bk.call(
        "GET",
        first["links"]["next"].removeprefix(bk.buildkite.url),
        token=bk.buildkite.api_token,
        scheme="Bearer",
    ).json()
    assert [item["type"] for item in rest["items"]] == ["script", "waiter"]
    run.end("a", "1")
    failed = bk.rest("GET", f"{BUILDS}/1/jobs?state[]=failed").json()["items"]
    assert [item["state"] for item in failed] == ["failed"]
    for bad in ("state=finished", "after=x", "per_page=0", "per_page=101"):
        assert bk.rest("GET", f"{BUILDS}/1/jobs?{bad}").status_code == 400


def test_a_range_request_reads_the_end_of_a_log(bk: Contract) -> None:
    [job] = create(bk)["jobs"]
    path = f"/v2/organizations/example/jobs/{job['id']}/log"

    def read(accept: str, asked: str) -> Any:
        return bk.call(
            "GET",
            path,
            token=bk.buildkite.api_token,
            scheme="Bearer",
            headers={"Accept": accept, "Range": asked},
        )

    assert read("text/plain", "bytes=-3").status_code == 416
    bk.running(job["id"]).chunk(1, b"0123456789")
    tail = read("text/plain", "bytes=-3")
    assert (tail.status_code, tail.content) == (206, b"789")
    assert tail.headers["Content-Range"] == "bytes 7-9/10"
    assert read("application/json", "bytes=-3").status_code == 400
    assert read("text/plain", "bytes=0-3").status_code == 400
    assert read("text/plain", "bytes=-0").status_code == 400


def test_agents_are_listed_while_they_are_connected(bk: Contract) -> None:
    [job] = create(bk)["jobs"]
    session = bk.running(job["id"])
    [agent] = bk.rest("GET", "/agents").json()
    assert (agent["name"], agent["connection_state"], agent["job"]["id"]) == (
        "agent-1",
        "connected",
        job["id"],
    )
    assert bk.rest("GET", "/agents?name=other").json() == []
    assert len(bk.rest("GET", "/agents?name=agent-1&version=3.83.1&hostname=h").json()) == 1
    session.finish("0")
    session.call("POST", "/v3/disconnect")
    assert bk.rest("GET", "/agents").json() == []
    gone = bk.rest("GET", f"/agents/{agent['id']}").json()
    assert (gone["connection_state"], gone["job"]) == ("disconnected", None)
    assert bk.rest("GET", "/agents/none").status_code == 404


def test_pipelines_are_listed(bk: Contract) -> None:
    bk.buildkite.add_pipeline("other", ONE_JOB, "r")
    slugs = [pipeline["slug"] for pipeline in bk.rest("GET", "/pipelines").json()]
    assert slugs == ["demo", "other"]


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", BUILDS, "read_builds"),
        ("POST", BUILDS, "write_builds"),
        ("GET", "/jobs/{job}", "read_builds"),
        ("GET", "/jobs/{job}/env", "read_job_env"),
        ("GET", "/jobs/{job}/log", "read_build_logs"),
        ("PUT", "/jobs/{job}/reprioritize", "write_builds"),
        ("GET", "/agents", "read_agents"),
    ],
)
def test_a_call_needs_a_token_with_its_scope(
    bk: Contract, method: str, path: str, scope: str
) -> None:
    """The page of each call names its scope; 403 without the scope is an assumption."""
    every = ["read_builds", "write_builds", "read_job_env", "read_build_logs", "read_agents"]
    [job] = create(bk)["jobs"]
    target = f"/v2/organizations/example{path.format(job=job['id'])}"
    body = {**HEAD, "priority": 1} if method != "GET" else None
    with_it = bk.buildkite.issue_api_token(scope)
    without = bk.buildkite.issue_api_token(*(one for one in every if one != scope))
    assert bk.call(method, target, body, token=with_it, scheme="Bearer").ok
    assert bk.call(method, target, body, token=without, scheme="Bearer").status_code == 403


def test_the_path_of_a_job_must_name_its_own_build(bk: Contract) -> None:
    [job] = create(bk)["jobs"]
    bk.buildkite.create_build("demo", BuildRequest())
    assert bk.rest("GET", f"{BUILDS}/1/jobs/{job['id']}").status_code == 200
    assert bk.rest("GET", f"{BUILDS}/2/jobs/{job['id']}").status_code == 404
    assert bk.rest("PUT", f"{BUILDS}/2/jobs/{job['id']}/retry").status_code == 404


def test_the_json_of_jobs_and_builds_has_times_and_urls(bk: Contract) -> None:
    [job] = create(bk)["jobs"]
    session = bk.running(job["id"])
    bk.clock.advance(seconds=5)
    session.finish("0")
    build = bk.rest("GET", f"{BUILDS}/1").json()
    assert build["started_at"] < build["finished_at"]
    assert build["failing_at"] is None
    [ended] = build["jobs"]
    assert ended["raw_log_url"] == f"{build['url']}/jobs/{job['id']}/log.txt"
    assert build["url"].startswith(bk.buildkite.url)
    without = bk.rest("GET", f"{BUILDS}/1?exclude_jobs=true").json()
    assert "jobs" not in without
