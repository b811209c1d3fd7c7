"""A stack's calls about a job: finish, and notifications.

Source of each expectation, unless the test says otherwise: buildkite/docs
pages/apis/agent_api/stacks.md.
"""

from __future__ import annotations

import pytest

from mayfly_cli.check_buildkite.suite.client import Client


def test_a_job_is_finished_at_most_once(bk: Client) -> None:
    job_id = bk.one_job()
    assert bk.stack("POST", f"/jobs/{job_id}/finish", {"detail": "x"}).status_code == 200
    assert bk.stack("POST", f"/jobs/{job_id}/finish", {"detail": "x"}).status_code == 422


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"detail": ""}, 422),
        ({"detail": "é" * 2049}, 422),
        ({"detail": 7}, 400),
        ({"detail": "x", "exit_status": "7"}, 400),
        ({"detail": "x" * 4096, "exit_status": 7}, 200),
    ],
)
def test_finish_checks_its_parameters(bk: Client, body: dict[str, object], status: int) -> None:
    job_id = bk.one_job()
    assert bk.stack("POST", f"/jobs/{job_id}/finish", body).status_code == status


def notify(bk: Client, *notes: dict[str, object]) -> list[dict[str, object]]:
    """Buildkite's errors for notes on the pages of jobs; its API calls them notifications."""
    answer = bk.stack("POST", "/notifications", {"notifications": list(notes)})
    assert answer.status_code == 200
    errors: list[dict[str, object]] = answer.json()["errors"]
    return errors


def test_a_reserved_job_takes_a_note_on_its_page_of_255_bytes(bk: Client) -> None:
    job_id = bk.one_job()
    bk.reserve(job_id)
    assert notify(bk, {"job_uuid": job_id, "detail": "é" * 127 + "x"}) == []


def test_a_job_that_has_just_ended_takes_a_note_on_its_page(bk: Client) -> None:
    """Why an instance was lost is written after the job's end, too."""
    job_id = bk.one_job()
    assert bk.stack("POST", f"/jobs/{job_id}/finish", {"detail": "x"}).status_code == 200
    assert notify(bk, {"job_uuid": job_id, "detail": "EC2 ended the instance"}) == []


def test_a_note_that_is_refused_keeps_no_other_note_from_the_page(bk: Client) -> None:
    job_id = bk.one_job()
    notes: list[dict[str, object]] = [
        {"job_uuid": job_id, "detail": detail} for detail in ("first", "", "last")
    ]
    [error] = notify(bk, *notes)
    assert error["indexes"] == [1]


def test_a_job_has_at_most_a_hundred_notes(bk: Client) -> None:
    job_id = bk.one_job()
    notes: list[dict[str, object]] = [
        {"job_uuid": job_id, "detail": str(number)} for number in range(101)
    ]
    errors = notify(bk, *notes)
    assert errors == [{"error": "job stack notification count exceeded", "indexes": [100]}]


def test_a_job_that_no_stack_has_reserved_takes_a_note_on_its_page(bk: Client) -> None:
    """No source names a reservation as a condition; jobs that are left alone depend on it."""
    assert notify(bk, {"job_uuid": bk.one_job(), "detail": "no queue meets rule gpu=yes"}) == []


def test_notes_are_a_list_of_at_most_a_thousand(bk: Client) -> None:
    many = [{"job_uuid": "x", "detail": "y"}] * 1001
    assert bk.stack("POST", "/notifications", {"notifications": many}).status_code == 422
    assert bk.stack("POST", "/notifications", {"notifications": "x"}).status_code == 400
