"""The REST calls around a build.

Source of each expectation, unless the test says otherwise: buildkite/docs
pages/apis/rest_api/{builds,jobs}.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from emulator.buildkite_client import ONE_JOB, Contract, contract

BUILDS = "/pipelines/demo/builds"


@pytest.fixture
def bk() -> Iterator[Contract]:
    with contract() as made:
        made.buildkite.add_pipeline("demo", ONE_JOB, "https://git.example.org/demo.git")
        yield made


def create(bk: Contract, **more: object) -> dict[str, Any]:
    answer = bk.rest("POST", BUILDS, {"commit": "HEAD", "branch": "main", **more})
    assert answer.status_code == 201, answer.text
    content: dict[str, Any] = answer.json()
    return content


def test_a_build_is_created_with_its_jobs(bk: Contract) -> None:
    build = create(bk, message="hello", env={"A": 1}, pull_request_id=4)
    assert (build["number"], build["state"], build["source"]) == (1, "scheduled", "api")
    assert (build["branch"], build["commit"], build["message"]) == ("main", "HEAD", "hello")
    assert build["env"] == {"A": "1"}
    [job] = build["jobs"]
    assert (job["type"], job["state"], job["step_key"]) == ("script", "scheduled", "one")
    assert job["agent"] is None
    assert create(bk)["number"] == 2
    numbers = [build["number"] for build in bk.rest("GET", BUILDS).json()]
    assert numbers == [2, 1]


@pytest.mark.parametrize("missing", ["commit", "branch"])
def test_a_build_needs_commit_and_branch(bk: Contract, missing: str) -> None:
    body = {"commit": "HEAD", "branch": "main"}
    del body[missing]
    assert bk.rest("POST", BUILDS, body).status_code == 422


def test_the_refusal_of_an_invalid_pipeline_names_the_line(bk: Contract) -> None:
    bk.buildkite.add_pipeline("bad", "steps:\n  - command: x\n    shell: bash\n", "r")
    body = {"commit": "HEAD", "branch": "main"}
    answer = bk.rest("POST", "/pipelines/bad/builds", body)
    assert answer.status_code == 422
    assert answer.json()["message"] == (
        "line 2: step 1: `shell` is not a valid property on the `command` step."
        " Please check the documentation to get a full list of supported properties."
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/pipelines/none/builds"),
        ("GET", f"{BUILDS}/9"),
        ("GET", f"{BUILDS}/x"),
        ("GET", "/jobs/none"),
        ("GET", "/jobs/none/log"),
        ("PUT", "/jobs/none/retry"),
    ],
)
def test_unknown_records_are_404(bk: Contract, method: str, path: str) -> None:
    assert bk.rest(method, path, {"commit": "HEAD", "branch": "main"}).status_code == 404


@pytest.mark.parametrize("scheme", ["Bearer", "Token"])
def test_the_rest_api_accepts_only_users_tokens(bk: Contract, scheme: str) -> None:
    path = f"/v2/organizations/example{BUILDS}"
    for token in (None, bk.buildkite.agent_token):
        assert bk.call("GET", path, token=token, scheme=scheme).status_code == 401
    own = bk.call("GET", path, token=bk.buildkite.api_token, scheme=scheme)
    assert own.status_code == (200 if scheme == "Bearer" else 401)


def test_the_json_of_a_job_has_its_outcome_and_its_agent(bk: Contract) -> None:
    create(bk)
    [job_id] = bk.listed()
    session = bk.running(job_id)
    assert bk.rest("GET", f"/jobs/{job_id}").json()["state"] == "running"
    session.chunk(1, b"\x1b_bk;t=1\x07hi\r\n")
    session.finish("7")
    shown = bk.rest("GET", f"{BUILDS}/1/jobs/{job_id}").json()
    assert (shown["state"], shown["exit_status"], shown["soft_failed"]) == ("failed", 7, False)
    assert shown["agent"]["name"] == "agent-1"
    log = bk.rest("GET", f"/jobs/{job_id}/log").json()
    assert (log["content"], log["size"]) == ("\x1b_bk;t=1\x07hi\r\n", 13)
    plain = bk.rest("GET", f"/jobs/{job_id}/log.txt")
    assert plain.content == b"\x1b_bk;t=1\x07hi\r\n"
    assert plain.headers["Content-Type"].startswith("text/plain")


def test_a_build_is_canceled_with_its_jobs(bk: Contract) -> None:
    create(bk)
    assert bk.rest("PUT", f"{BUILDS}/1/cancel").json()["state"] == "canceled"
    assert bk.rest("PUT", f"{BUILDS}/1/cancel").status_code == 422
    [job] = bk.rest("GET", f"{BUILDS}/1").json()["jobs"]
    assert job["state"] == "canceled"


def test_a_single_job_is_canceled(bk: Contract) -> None:
    """The lab's own call: Buildkite offers it in its web pages and in GraphQL only."""
    create(bk)
    [job_id] = bk.listed()
    assert bk.rest("PUT", f"/jobs/{job_id}/cancel").json()["state"] == "canceled"
    assert bk.rest("PUT", f"/jobs/{job_id}/cancel").status_code == 422


def test_a_retried_job_is_omitted_from_its_build_by_default(bk: Contract) -> None:
    create(bk)
    [job_id] = bk.listed()
    bk.running(job_id).finish("1")
    retried = bk.rest("PUT", f"/jobs/{job_id}/retry")
    assert (retried.status_code, retried.json()["state"]) == (200, "scheduled")
    assert retried.json()["retry_source"] == {"job_id": job_id, "retry_type": "manual"}
    again = bk.rest("PUT", f"/jobs/{job_id}/retry")
    assert again.status_code == 400
    [latest] = bk.rest("GET", f"{BUILDS}/1").json()["jobs"]
    assert latest["id"] == retried.json()["id"]
    both = bk.rest("GET", f"{BUILDS}/1?include_retried_jobs=true").json()["jobs"]
    assert [job["retried"] for job in both] == [True, False]
    assert both[0]["retried_in_job_id"] == latest["id"]
    assert len(bk.rest("GET", f"{BUILDS}/1/jobs").json()["items"]) == 2


def test_jobs_of_a_canceled_build_are_not_retried(bk: Contract) -> None:
    create(bk)
    [job_id] = bk.listed()
    bk.rest("PUT", f"{BUILDS}/1/cancel")
    answer = bk.rest("PUT", f"/jobs/{job_id}/retry")
    assert answer.status_code == 422
    assert answer.json() == {"message": "Jobs from canceled builds cannot be retried"}


def test_other_methods_on_a_known_path_are_405(bk: Contract) -> None:
    assert bk.rest("DELETE", BUILDS).status_code == 405
    assert bk.rest("GET", "/nothing").status_code == 404
