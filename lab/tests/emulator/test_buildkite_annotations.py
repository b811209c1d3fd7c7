"""Annotations and meta-data of a build.

"Seen" marks an observation of buildkite-agent 3.83.1; other sources are named per test.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from buildkite_emulator import AnnotationView
from emulator.buildkite_client import Contract, Session, contract

MEBIBYTE = 2**20


@pytest.fixture
def bk() -> Iterator[Contract]:
    with contract() as made:
        yield made


@pytest.fixture
def session(bk: Contract) -> Session:
    return bk.running(bk.one_job())


def annotate(session: Session, **body: object) -> requests.Response:
    return session.job("POST", "/annotations", body)


def shown(bk: Contract, session: Session) -> tuple[AnnotationView, ...]:
    return bk.buildkite.annotations(bk.buildkite.job(session.job_id).build_id)


def test_an_annotation_has_a_context_a_style_and_a_priority(bk: Contract, session: Session) -> None:
    """Seen: the agent omits context and style if not given, and sends priority 3."""
    assert annotate(session, body="plain", priority=3).status_code == 201
    assert annotate(session, body="*b*", context="c", style="error", priority=9).ok
    assert shown(bk, session) == (
        AnnotationView("c", "error", 9, "build", "*b*"),
        AnnotationView("default", None, 3, "build", "plain"),
    )


def test_an_annotation_with_a_used_context_replaces_or_appends(
    bk: Contract, session: Session
) -> None:
    """buildkite/docs agent/cli/reference/annotate.md; that the style stays is an assumption."""
    annotate(session, body="one\n", context="c", style="info")
    annotate(session, body="two\n", context="c", append=True, priority=3)
    assert shown(bk, session) == (AnnotationView("c", "info", 3, "build", "one\ntwo\n"),)
    annotate(session, body="three", context="c", style="success")
    assert shown(bk, session) == (AnnotationView("c", "success", 3, "build", "three"),)
    annotate(session, context="c", style="warning")
    assert shown(bk, session) == (AnnotationView("c", "warning", 3, "build", "three"),)


def test_appending_to_a_missing_annotation_creates_it(bk: Contract, session: Session) -> None:
    annotate(session, body="one", context="c", append=True)
    assert [each.body for each in shown(bk, session)] == ["one"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"body": "x" * MEBIBYTE}, 201),
        ({"body": "x" * (MEBIBYTE + 1)}, 422),
        ({"body": "é" * (MEBIBYTE // 2 + 1)}, 422),
        ({"body": ""}, 422),
        ({}, 422),
        ({"body": "x", "style": "purple"}, 422),
        ({"body": "x", "priority": 0}, 422),
        ({"body": "x", "priority": 11}, 422),
        ({"body": "x", "priority": 10}, 201),
        ({"body": "x", "scope": "pipeline"}, 422),
        ({"body": 7}, 400),
    ],
)
def test_an_annotation_has_limits_of_size_style_and_priority(
    session: Session, body: dict[str, object], status: int
) -> None:
    """buildkite/docs pipelines/configure/annotations.md (in bytes), rest_api/annotations.md."""
    assert annotate(session, **body).status_code == status


def test_the_size_limit_counts_appended_text(session: Session) -> None:
    annotate(session, body="x" * MEBIBYTE, context="c")
    assert annotate(session, body="y", context="c", append=True).status_code == 422


def test_an_annotation_is_removed_by_a_context_with_special_characters(
    bk: Contract, session: Session
) -> None:
    """Seen: a dot is escaped as %2E."""
    for context, escaped in (("ctx.1", "ctx%2E1"), ("a/b c", "a%2Fb%20c")):
        annotate(session, body="x", context=context)
        assert session.job("DELETE", f"/annotations/{escaped}").status_code == 204
        assert session.job("DELETE", f"/annotations/{escaped}").status_code == 404
    assert shown(bk, session) == ()


def test_a_job_has_annotations_of_its_own(bk: Contract, session: Session) -> None:
    """buildkite/agent api/annotations.go: `scope`, from agents newer than 3.83.1."""
    annotate(session, body="of the build", context="c")
    annotate(session, body="of the job", context="c", scope="job")
    assert [(each.scope, each.body) for each in shown(bk, session)] == [
        ("build", "of the build"),
        ("job", "of the job"),
    ]
    assert session.job("DELETE", "/annotations/c?scope=job").status_code == 204
    assert [each.scope for each in shown(bk, session)] == ["build"]


def test_people_list_write_and_delete_annotations(bk: Contract, session: Session) -> None:
    """buildkite/docs pages/apis/rest_api/annotations.md; the emulator does not render Markdown."""
    build = "/pipelines/demo/builds/1/annotations"
    job = f"/jobs/{session.job_id}/annotations"
    annotate(session, body="a < b", context="mine", style="info")
    (listed,) = bk.rest("GET", build).json()
    assert listed["body_html"] == "<p>a &lt; b</p>\n"
    assert (listed["context"], listed["style"], listed["scope"]) == ("mine", "info", "build")
    made = bk.rest("POST", build, {"body": "Hello", "priority": 5, "context": "greeting"})
    assert (made.status_code, made.json()["priority"]) == (201, 5)
    of_job = bk.rest("POST", job, {"body": "42 passed", "style": "success"})
    assert (of_job.status_code, of_job.json()["scope"]) == (201, "job")
    assert bk.rest("GET", f"/pipelines/demo/builds/1{job}").json() == [of_job.json()]
    assert [each["context"] for each in bk.rest("GET", build).json()] == ["greeting", "mine"]
    assert bk.rest("DELETE", f"{build}/{of_job.json()['id']}").status_code == 404
    assert bk.rest("DELETE", f"{build}/{made.json()['id']}").status_code == 204
    assert bk.rest("DELETE", f"{job}/{of_job.json()['id']}").status_code == 204
    assert bk.rest("GET", job).json() == []


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("x" * 102_400, 200),
        ("x" * 102_401, 422),
        ("", 422),
        (" \n\t", 422),
        (" x", 200),
        (7, 400),
    ],
)
def test_meta_data_values_have_limits(session: Session, value: object, status: int) -> None:
    """buildkite/docs configure/build_meta_data.md and agent/cli/reference/meta_data.md."""
    assert session.job("POST", "/data/set", {"key": "k", "value": value}).status_code == status


def test_a_batch_sets_all_meta_data_keys_or_none(bk: Contract, session: Session) -> None:
    """buildkite/agent v3.137.0 api/meta_data.go."""
    good = {"key": "a", "value": "1"}
    refused = session.job("POST", "/data/set-batch", {"items": [good, {"key": "b", "value": " "}]})
    assert refused.status_code == 422
    build = bk.buildkite.job(session.job_id).build_id
    assert bk.buildkite.meta_data(build) == {}
    items = {"items": [good, {"key": "b", "value": "2"}]}
    assert session.job("POST", "/data/set-batch", items).ok
    assert bk.buildkite.meta_data(build) == {"a": "1", "b": "2"}


def test_a_missing_meta_data_key_is_404_and_keys_is_a_list(session: Session) -> None:
    """Seen: the agent uses its default only on 404, and expects a list of keys."""
    missing = session.job("POST", "/data/get", {"key": "none"})
    assert (missing.status_code, missing.json()) == (404, {"message": "No key was found"})
    assert session.job("POST", "/data/keys").json() == []


def test_any_running_job_may_write_meta_data_of_another_build(
    bk: Contract, session: Session
) -> None:
    """buildkite/docs agent/self_hosted/tokens.md: so meta-data must not be trusted."""
    other = bk.buildkite.job(bk.one_job())
    body = {"key": "k", "value": "from elsewhere"}
    target = f"/v3/jobs/{other.id}/data/set"
    assert bk.call("POST", target, body, token=session.job_token).ok
    assert bk.buildkite.meta_data(other.build_id) == {"k": "from elsewhere"}
