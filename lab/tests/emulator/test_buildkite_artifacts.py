"""Artifacts: announcement, and upload to a storage.

"Seen" marks an observation of buildkite-agent 3.83.1; other sources are named per test.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from buildkite_emulator.artifacts import agent_api
from emulator.buildkite_artifacts import announce, described, keep, paths, search, send
from emulator.buildkite_client import Contract, Session, contract


@pytest.fixture
def bk() -> Iterator[Contract]:
    with contract() as made:
        yield made


@pytest.fixture
def session(bk: Contract) -> Session:
    return bk.running(bk.one_job())


def test_announcing_a_batch_returns_ids_in_order_and_an_upload_form(session: Session) -> None:
    """buildkite/agent api/artifacts.go; seen: the agent interpolates the variable per file."""
    answer = announce(session, described("out/a"), described("out/b"))
    content = answer.json()
    assert answer.status_code == 201
    assert content["id"] == "b"
    assert len(set(content["artifact_ids"])) == 2
    action = content["upload_instructions"]["action"]
    assert (action["method"], action["file_input"]) == ("POST", "file")
    assert "${artifact:path}" in content["upload_instructions"]["data"]["key"]


def test_a_repeated_batch_gets_the_same_answer(session: Session) -> None:
    """buildkite/agent internal/artifact/batch_creator.go: the id makes the call idempotent."""
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
def test_a_changed_upload_form_is_refused(
    session: Session, fields: dict[str, str], status: int, code: str
) -> None:
    """Amazon S3, "POST policy" and "Error responses"."""
    refused = send(announce(session, described("a")), "a", b"xy", **fields)
    assert refused.status_code == status
    assert f"<Code>{code}</Code>" in refused.text


def test_forms_and_urls_expire(bk: Contract, session: Session) -> None:
    """buildkite/docs apis/rest_api/artifacts.md: a URL is valid for 60 seconds."""
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


def test_an_artifact_without_an_upload_has_no_content(bk: Contract, session: Session) -> None:
    """An assumption: no source says if Buildkite verifies the upload on `finished`."""
    artifact_id = announce(session, described("a")).json()["artifact_ids"][0]
    assert paths(search(bk, session, "a", state="finished")) == []
    session.job("PUT", "/artifacts", {"artifacts": [{"id": artifact_id, "state": "finished"}]})
    (found,) = search(bk, session, "a", state="finished").json()
    assert requests.get(found["url"], timeout=5).status_code == 404


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
def test_a_batch_of_artifacts_has_limits(
    session: Session, artifacts: list[dict[str, object]], status: int
) -> None:
    """buildkite/docs platform/limits.md; 403 by buildkite/agent internal/artifact."""
    assert announce(session, *artifacts).status_code == status


def test_a_job_has_a_limited_number_of_artifacts(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """buildkite/docs platform/limits.md: 5,000 per job; lowered in this test for speed."""
    assert agent_api.MAX_PER_JOB == 5000
    monkeypatch.setattr(agent_api, "MAX_PER_JOB", 3)
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


def test_large_files_are_uploaded_in_parts_if_the_agent_supports_parts(
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


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"artifacts": [{"id": "none", "state": "finished"}]}, 404),
        ({"artifacts": [{"id": "", "state": "finished"}]}, 422),
        ({"artifacts": "x"}, 400),
        ({}, 400),
    ],
)
def test_an_update_of_unknown_artifacts_or_without_artifacts_is_refused(
    session: Session, body: dict[str, object], status: int
) -> None:
    assert session.job("PUT", "/artifacts", body).status_code == status


def test_an_update_takes_only_the_states_finished_and_error(session: Session) -> None:
    """buildkite/agent api/artifacts.go: finished or error."""
    artifact_id = announce(session, described("a")).json()["artifact_ids"][0]
    for state, status in (("new", 422), ("deleted", 422), ("error", 200)):
        body = {"artifacts": [{"id": artifact_id, "state": state}]}
        assert session.job("PUT", "/artifacts", body).status_code == status
