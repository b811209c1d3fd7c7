"""Artifacts: announced, uploaded to a storage, found again.

Sources: "seen" stands for what buildkite-agent 3.83.1 was seen to do; the rest is named per test.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import requests

from mayfly_lab.buildkite.artifacts import agent_api
from tests.contract.buildkite_client import Contract, Session, contract

TWO_STEPS = "steps: [{command: a, key: one}, {command: b, key: two, label: Two}]"


@pytest.fixture
def bk() -> Iterator[Contract]:
    with contract() as made:
        yield made


@pytest.fixture
def session(bk: Contract) -> Session:
    return bk.running(bk.one_job())


def described(path: str, size: int = 2, **more: object) -> dict[str, object]:
    return {
        "id": "",
        "path": path,
        "absolute_path": f"/x/{path}",
        "glob_path": "",
        "file_size": size,
        "sha1sum": f"sha1-of-{path}",
        "sha256sum": f"sha256-of-{path}",
        "job_id": "",
        "created_at": "0001-01-01T00:00:00Z",
        "content_type": "text/plain",
        **more,
    }


def announce(
    session: Session, *artifacts: dict[str, object], batch: str = "b", **more: object
) -> requests.Response:
    body = {"id": batch, "artifacts": list(artifacts), "upload_destination": "", **more}
    return session.job("POST", "/artifacts", body)


def send(answer: requests.Response, path: str, content: bytes, **fields: str) -> requests.Response:
    instructions = answer.json()["upload_instructions"]
    action = instructions["action"]
    # Seen: the fields come in any order, the file after them; no Authorization.
    data = {
        name: value.replace("${artifact:path}", path)
        for name, value in reversed(instructions["data"].items())
    }
    files = {action["file_input"]: (path, content, "application/octet-stream")}
    url = action["url"] + action["path"]
    method = action["method"]
    return requests.request(method, url, data={**data, **fields}, files=files, timeout=5)


def keep(session: Session, path: str, content: bytes = b"xy", batch: str = "b") -> str:
    answer = announce(session, described(path, len(content)), batch=batch)
    assert send(answer, path, content).ok
    artifact_id: str = answer.json()["artifact_ids"][0]
    states = {"artifacts": [{"id": artifact_id, "state": "finished"}]}
    assert session.job("PUT", "/artifacts", states).ok
    return artifact_id


def search(bk: Contract, session: Session, query: str, **more: str) -> requests.Response:
    build = bk.buildkite.job(session.job_id).build_id
    wanted = "&".join(f"{name}={value}" for name, value in {"query": query, **more}.items())
    return bk.call("GET", f"/v3/builds/{build}/artifacts/search?{wanted}", token=session.job_token)


def paths(answer: requests.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [artifact["path"] for artifact in answer.json()]


def test_a_batch_is_answered_with_ids_in_its_order_and_a_form(session: Session) -> None:
    """buildkite/agent api/artifacts.go; seen: the template's variable is filled in per file."""
    answer = announce(session, described("out/a"), described("out/b"))
    content = answer.json()
    assert answer.status_code == 201
    assert content["id"] == "b"
    assert len(set(content["artifact_ids"])) == 2
    action = content["upload_instructions"]["action"]
    assert (action["method"], action["file_input"]) == ("POST", "file")
    assert "${artifact:path}" in content["upload_instructions"]["data"]["key"]


def test_the_same_batch_again_gets_the_same_answer(session: Session) -> None:
    """buildkite/agent internal/artifact/batch_creator.go: the id makes it idempotent."""
    first = announce(session, described("a")).json()["artifact_ids"]
    assert announce(session, described("a")).json()["artifact_ids"] == first
    assert announce(session, described("a"), batch="c").json()["artifact_ids"] != first


def test_bytes_are_the_same_after_upload_and_download(bk: Contract, session: Session) -> None:
    content = b"\r\n--boundary\r\n\x00\xff"
    keep(session, "out/a b+c.bin", content)
    (found,) = search(bk, session, "out/*", state="finished").json()
    assert requests.get(found["url"], timeout=5).content == content
    assert found["sha1sum"] == "sha1-of-out/a b+c.bin"
    assert found["sha256sum"] == "sha256-of-out/a b+c.bin"
    assert found["file_size"] == len(content)
    assert found["job_id"] == session.job_id


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"signature": "x"}, 403, "SignatureDoesNotMatch"),
        ({"policy": "e30="}, 403, "SignatureDoesNotMatch"),
        ({"AWSAccessKeyId": "x"}, 403, "InvalidAccessKeyId"),
        ({"key": "elsewhere/a"}, 403, "AccessDenied"),
        ({"acl": "public-read"}, 403, "AccessDenied"),
    ],
)
def test_a_form_that_was_tampered_with_is_refused(
    session: Session, fields: dict[str, str], status: int, code: str
) -> None:
    """Amazon S3, "POST policy" and "Error responses"."""
    refused = send(announce(session, described("a")), "a", b"xy", **fields)
    assert refused.status_code == status
    assert f"<Code>{code}</Code>" in refused.text


def test_forms_and_urls_expire(bk: Contract, session: Session) -> None:
    """buildkite/docs apis/rest_api/artifacts.md: a URL is good for 60 seconds."""
    answer = announce(session, described("a"))
    keep(session, "b", batch="other")
    url = search(bk, session, "b").json()[0]["url"]
    bk.clock.advance(seconds=59)
    assert requests.get(url, timeout=5).status_code == 200
    bk.clock.advance(seconds=1)
    assert requests.get(url, timeout=5).status_code == 403
    assert requests.get(url.replace("Expires=1", "Expires=2"), timeout=5).status_code == 403
    bk.clock.advance(hours=1)
    assert send(answer, "a", b"xy").status_code == 403


def test_what_was_never_uploaded_is_not_there(bk: Contract, session: Session) -> None:
    """An assumption: whether Buildkite looks before it believes `finished` is not known."""
    artifact_id = announce(session, described("a")).json()["artifact_ids"][0]
    assert paths(search(bk, session, "a", state="finished")) == []
    session.job("PUT", "/artifacts", {"artifacts": [{"id": artifact_id, "state": "finished"}]})
    (found,) = search(bk, session, "a", state="finished").json()
    assert requests.get(found["url"], timeout=5).status_code == 404


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
def test_a_star_stands_for_any_text_and_nothing_else_is_special(
    bk: Contract, session: Session, query: str, found: list[str]
) -> None:
    """buildkite/docs agent/cli/reference/artifact.md, "Artifact download pattern syntax"."""
    for number, path in enumerate(("log/a.txt", "log/deep/b.txt", "x[1]?.txt", "log.bin")):
        keep(session, path, batch=str(number))
    quoted = quote(query, safe="")
    assert paths(search(bk, session, quoted)) == found


def test_a_name_that_two_steps_used_is_ambiguous_unless_it_is_scoped(bk: Contract) -> None:
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
    # A pattern takes the most recent; `artifact search` asks for all.
    assert [each["job_id"] for each in search(bk, two, "a*").json()] == [second.id]
    assert len(search(bk, two, "a", include_duplicates="true").json()) == 2


def test_a_parallel_step_gives_one_artifact_for_each_of_its_jobs(bk: Contract) -> None:
    """buildkite/docs pipelines/configure/artifacts.md; the older CLI page says otherwise."""
    jobs = bk.jobs("steps: [{command: a, key: many, parallelism: 2}]")
    sessions = [bk.running(job.id) for job in jobs]
    for session in sessions:
        keep(session, "a")
    assert len(search(bk, sessions[0], "a", scope="many").json()) == 2


def test_artifacts_of_a_retried_job_are_left_out_unless_they_are_asked_for(bk: Contract) -> None:
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


@pytest.mark.parametrize(
    ("artifacts", "status"),
    [
        ([], 422),
        ([described("a")] * 31, 422),
        ([described("a", 10 * 2**30 + 1)], 403),
        ([described("a", 10 * 2**30)] * 6, 403),
        ([described("a", 10 * 2**30)] * 5, 201),
        ([described("")], 422),
    ],
)
def test_limits_of_a_batch(
    session: Session, artifacts: list[dict[str, object]], status: int
) -> None:
    """buildkite/docs platform/limits.md; 403 by buildkite/agent internal/artifact."""
    assert announce(session, *artifacts).status_code == status


def test_a_job_has_a_limited_number_of_artifacts(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """buildkite/docs platform/limits.md: 5,000 a job; here fewer, to be quick."""
    assert agent_api.PER_JOB_MOST == 5000
    monkeypatch.setattr(agent_api, "PER_JOB_MOST", 3)
    batch = [described(str(number)) for number in range(3)]
    assert announce(session, *batch).status_code == 201
    assert announce(session, described("d"), batch="c").status_code == 403


def test_creating_and_updating_are_limited_to_600_a_minute(bk: Contract, session: Session) -> None:
    """buildkite/docs platform/limits.md; agents repeat a 429."""
    body: dict[str, list[Any]] = {"artifacts": []}
    assert all(session.job("PUT", "/artifacts", body).ok for _ in range(600))
    assert session.job("PUT", "/artifacts", body).status_code == 429
    bk.clock.advance(minutes=1)
    assert session.job("PUT", "/artifacts", body).ok


def test_large_files_go_up_in_parts_where_the_agent_can(
    session: Session, monkeypatch: pytest.MonkeyPatch, bk: Contract
) -> None:
    """buildkite/agent internal/artifact/bk_uploader.go; the size of parts is an assumption."""
    monkeypatch.setattr(agent_api, "PART_BYTES", 4)
    content = b"0123456789"
    old = announce(session, described("old", 10)).json()
    assert old["per_artifact_instructions"] == {}
    answer = announce(session, described("a", 10), batch="c", multipart_supported=True).json()
    (artifact_id,) = answer["artifact_ids"]
    actions = answer["per_artifact_instructions"][artifact_id]["actions"]
    assert [action["part_number"] for action in actions] == [1, 2, 3]
    parts = (content[:4], content[4:7], content[7:])
    etags = [
        requests.request(action["method"], action["url"], data=part, timeout=5).headers["ETag"]
        for action, part in zip(actions, parts, strict=True)
    ]
    tags = [{"part_number": n, "etag": etag} for n, etag in enumerate(etags, start=1)]
    end = {"id": artifact_id, "state": "finished", "multipart": True, "multipart_etags": tags}
    swapped = {**end, "multipart_etags": [{**tags[0], "etag": etags[1]}, *tags[1:]]}
    assert session.job("PUT", "/artifacts", {"artifacts": [swapped]}).status_code == 400
    assert session.job("PUT", "/artifacts", {"artifacts": [end]}).status_code == 200
    assert session.job("PUT", "/artifacts", {"artifacts": [end]}).status_code == 200
    (found,) = search(bk, session, "a").json()
    assert requests.get(found["url"], timeout=5).content == content


def test_files_that_went_elsewhere_are_found_there(bk: Contract, session: Session) -> None:
    """buildkite/agent internal/artifact/: with a destination the agent says where it put them."""
    url = "https://bucket.s3.amazonaws.com/a"
    artifact = described("a", url=url, upload_destination="s3://bucket/")
    artifact_id = announce(session, artifact).json()["artifact_ids"][0]
    session.job("PUT", "/artifacts", {"artifacts": [{"id": artifact_id, "state": "finished"}]})
    (found,) = search(bk, session, "a").json()
    assert (found["url"], found["upload_destination"]) == (url, "s3://bucket/")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"artifacts": [{"id": "none", "state": "finished"}]}, 404),
        ({"artifacts": [{"id": "", "state": "finished"}]}, 422),
        ({"artifacts": "x"}, 400),
        ({}, 400),
    ],
)
def test_an_update_of_nothing_is_refused(
    session: Session, body: dict[str, object], status: int
) -> None:
    assert session.job("PUT", "/artifacts", body).status_code == status


def test_only_two_ends_can_be_told(session: Session) -> None:
    """buildkite/agent api/artifacts.go: finished or error."""
    artifact_id = announce(session, described("a")).json()["artifact_ids"][0]
    for state, status in (("new", 422), ("deleted", 422), ("error", 200)):
        body = {"artifacts": [{"id": artifact_id, "state": state}]}
        assert session.job("PUT", "/artifacts", body).status_code == status


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


def test_an_artifact_is_under_its_own_job_and_build_only(bk: Contract) -> None:
    first, second = bk.jobs(TWO_STEPS)
    artifact_id = keep(bk.running(first.id), "a")
    bk.running(second.id)
    wrong = f"/jobs/{second.id}/artifacts/{artifact_id}"
    assert bk.rest("GET", wrong).status_code == 404
    other = bk.one_job()
    assert bk.rest("GET", f"/pipelines/demo/builds/1/jobs/{other}/artifacts").status_code == 404
