"""Search and download of artifacts by agents and people.

The source of each expectation is named per test.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
import requests

from emulator.buildkite_artifacts import announce, described, keep, paths, search
from emulator.buildkite_client import Contract, Session, contract

TWO_STEPS = "steps: [{command: a, key: one}, {command: b, key: two, label: Two}]"


@pytest.fixture
def bk() -> Iterator[Contract]:
    with contract() as made:
        yield made


@pytest.fixture
def session(bk: Contract) -> Session:
    return bk.running(bk.one_job())


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("log/*", ["log/a.txt", "log/deep/b.txt"]),
        ("*.txt", ["log/a.txt", "log/deep/b.txt", "x[1]?.txt"]),
        ("**/*.txt", ["log/a.txt", "log/deep/b.txt"]),
        ("log/a.txt", ["log/a.txt"]),
        ("a.txt", []),
        ("x[1]?.txt", ["x[1]?.txt"]),
        ("nothing*", []),
    ],
)
def test_a_star_in_a_query_matches_any_text_and_other_characters_match_themselves(
    bk: Contract, session: Session, query: str, found: list[str]
) -> None:
    """buildkite/docs agent/cli/reference/artifact.md, "Artifact download pattern syntax"."""
    for number, path in enumerate(("log/a.txt", "log/deep/b.txt", "x[1]?.txt", "log.bin")):
        keep(session, path, batch=str(number))
    quoted = quote(query, safe="")
    assert paths(search(bk, session, quoted)) == found


def test_a_path_of_two_steps_is_ambiguous_without_a_scope(bk: Contract) -> None:
    """buildkite/docs pipelines/configure/artifacts.md, "Troubleshooting artifacts"."""
    first, second = bk.jobs(TWO_STEPS)
    one, two = bk.running(first.id), bk.running(second.id)
    keep(one, "a", b"1")
    keep(two, "a", b"2")
    refused = search(bk, two, "a", state="finished")
    assert refused.status_code == 400
    assert refused.json()["message"] == (
        "Multiple artifacts were found for query: `a`. Try scoping by the job ID or name."
    )
    for scope, job in (("one", first), ("two", second), ("Two", second), (first.id, first)):
        (found,) = search(bk, two, "a", scope=scope).json()
        assert found["job_id"] == job.id
    # A pattern finds the latest artifact; `artifact search` requests all.
    assert [each["job_id"] for each in search(bk, two, "a*").json()] == [second.id]
    assert len(search(bk, two, "a", include_duplicates="true").json()) == 2


def test_a_parallel_step_gives_one_artifact_for_each_of_its_jobs(bk: Contract) -> None:
    """buildkite/docs pipelines/configure/artifacts.md; the older CLI page says otherwise."""
    jobs = bk.jobs("steps: [{command: a, key: many, parallelism: 2}]")
    sessions = [bk.running(job.id) for job in jobs]
    for session in sessions:
        keep(session, "a")
    assert len(search(bk, sessions[0], "a", scope="many").json()) == 2


def test_artifacts_of_a_retried_job_are_omitted_unless_requested(bk: Contract) -> None:
    """buildkite/docs pipelines/configure/artifacts.md, "missing from retried jobs"."""
    first = bk.running(bk.one_job())
    keep(first, "a", b"1")
    first.finish("1")
    again = bk.running(bk.buildkite.retry_job(first.job_id).id)
    assert paths(search(bk, again, "*")) == []
    keep(again, "a", b"2")
    (found,) = search(bk, again, "a").json()
    assert found["job_id"] == again.job_id
    every = {"include_retried_jobs": "true", "include_duplicates": "true"}
    assert len(search(bk, again, "a", **every).json()) == 2


def test_an_artifact_with_its_own_destination_is_found_at_that_url(
    bk: Contract, session: Session
) -> None:
    """buildkite/agent internal/artifact/: with its own destination the agent sends the URLs."""
    url = "https://bucket.s3.amazonaws.com/a"
    artifact = described("a", url=url, upload_destination="s3://bucket/")
    artifact_id = announce(session, artifact).json()["artifact_ids"][0]
    session.job("PUT", "/artifacts", {"artifacts": [{"id": artifact_id, "state": "finished"}]})
    (found,) = search(bk, session, "a").json()
    assert (found["url"], found["upload_destination"]) == (url, "s3://bucket/")


def test_a_search_needs_a_query_and_a_build(bk: Contract, session: Session) -> None:
    assert search(bk, session, "").status_code == 422
    target = "/v3/builds/none/artifacts/search?query=a"
    assert bk.call("GET", target, token=session.job_token).status_code == 404
    assert bk.call("GET", target, token=session.token).status_code == 401


def test_people_list_fetch_and_delete_artifacts(bk: Contract, session: Session) -> None:
    """buildkite/docs pages/apis/rest_api/artifacts.md."""
    artifact_id = keep(session, "dist/app.tar.gz", b"bytes")
    build = "/pipelines/demo/builds/1"
    job = f"{build}/jobs/{session.job_id}"
    (listed,) = bk.rest("GET", f"{build}/artifacts").json()
    assert listed["id"] == artifact_id
    assert (listed["dirname"], listed["filename"]) == ("dist", "app.tar.gz")
    assert (listed["state"], listed["file_size"], listed["glob_path"]) == ("finished", 5, None)
    for target in (f"{job}/artifacts", f"/jobs/{session.job_id}/artifacts"):
        assert bk.rest("GET", target).json() == [listed]
        assert bk.rest("GET", f"{target}/{artifact_id}").json() == listed
        assert bk.rest("GET", f"{target}/none").status_code == 404
    headers = {"Authorization": f"Bearer {bk.buildkite.api_token}"}
    url = listed["download_url"]
    moved = requests.get(url, headers=headers, allow_redirects=False, timeout=5)
    assert moved.status_code == 302
    assert moved.headers["Location"] == moved.json()["url"]
    assert requests.get(moved.headers["Location"], timeout=5).content == b"bytes"
    assert requests.get(url, timeout=5).status_code == 401
    assert bk.rest("DELETE", f"{job}/artifacts/{artifact_id}").status_code == 204
    assert bk.rest("GET", f"{build}/artifacts").json() == []
    assert requests.get(moved.headers["Location"], timeout=5).status_code == 404


def test_the_path_of_an_artifact_must_name_its_own_job_and_build(bk: Contract) -> None:
    first, second = bk.jobs(TWO_STEPS)
    artifact_id = keep(bk.running(first.id), "a")
    bk.running(second.id)
    wrong = f"/jobs/{second.id}/artifacts/{artifact_id}"
    assert bk.rest("GET", wrong).status_code == 404
    other = bk.one_job()
    assert bk.rest("GET", f"/pipelines/demo/builds/1/jobs/{other}/artifacts").status_code == 404


def test_artifact_calls_need_their_scope_and_long_lists_have_pages(
    bk: Contract, session: Session
) -> None:
    """buildkite/docs rest_api/artifacts.md and rest_api.md; the status 403 is an assumption."""
    batch = [described(str(number)) for number in range(30)]
    announce(session, *batch)
    announce(session, described("last"), batch="c")
    target = f"/v2/organizations/example/jobs/{session.job_id}/artifacts"
    reader = bk.buildkite.issue_api_token("read_artifacts")
    listed = bk.call("GET", target, token=reader, scheme="Bearer")
    assert len(listed.json()) == 30
    assert 'rel="next"' in listed.headers["Link"]
    (last,) = bk.call("GET", f"{target}?page=2", token=reader, scheme="Bearer").json()
    assert last["path"] == "last"
    one = f"{target}/{last['id']}"
    assert bk.call("DELETE", one, token=reader, scheme="Bearer").status_code == 403
    writer = bk.buildkite.issue_api_token("write_artifacts")
    assert bk.call("GET", one, token=writer, scheme="Bearer").status_code == 403
    assert bk.call("DELETE", one, token=writer, scheme="Bearer").status_code == 204
