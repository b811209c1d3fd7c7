"""Steps of tests about job acquisition tokens."""

from __future__ import annotations

from typing import Any

from mayfly_cli.check_buildkite.suite.client import Client


def issue(bk: Client, *ids: str, **more: object) -> dict[str, Any]:
    answer = bk.stack("POST", "/job-acquisition-tokens", {"job_uuids": list(ids), **more})
    assert answer.status_code == 201
    content: dict[str, Any] = answer.json()
    return content


def token_for(bk: Client, job_id: str, **more: object) -> str:
    [issued] = issue(bk, job_id, **more)["job_acquisition_tokens"]
    token: str = issued["job_acquisition_token"]
    return token


def reserved_job(bk: Client, seconds: int = 900) -> str:
    job_id = bk.one_job()
    bk.reserve(job_id, reservation_expiry_seconds=seconds)
    return job_id
