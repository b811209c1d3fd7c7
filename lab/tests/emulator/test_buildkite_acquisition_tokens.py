"""Job acquisition tokens: the calls that they authorize, and their end.

Source of each expectation, unless the test says otherwise: buildkite/docs
pages/agent/self_hosted/job_acquisition_tokens.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from emulator.buildkite_client import Contract, contract
from mayfly_cli.check_buildkite.suite.acquisition_tokens import issue, reserved_job, token_for


@pytest.fixture
def bk() -> Iterator[Contract]:
    with contract() as made:
        yield made


@pytest.mark.parametrize(
    ("asked", "reserved", "expected"),
    [(None, 3600, 900), (60, 3600, 60), (3600, 3600, 3600), (3600, 300, 300)],
)
def test_an_acquisition_token_lives_for_its_requested_life_or_until_the_reservation_ends(
    bk: Contract, asked: int | None, reserved: int, expected: int
) -> None:
    job_id = reserved_job(bk, reserved)
    more = {} if asked is None else {"token_lifetime_seconds": asked}
    [issued] = issue(bk, job_id, **more)["job_acquisition_tokens"]
    until = bk.clock.now + timedelta(seconds=expected)
    assert datetime.fromisoformat(issued["expires_at"]) == until
    token = issued["job_acquisition_token"]
    bk.clock.advance(seconds=expected - 1)
    assert bk.registration(token).status_code == 200
    bk.clock.advance(seconds=1)
    assert bk.registration(token).status_code == 401


def test_an_agent_of_another_queue_cannot_acquire_the_job_of_its_token(bk: Contract) -> None:
    """buildkite/agent-stack-k8s pull request 154: the agent must be in the job's queue."""
    job_id = reserved_job(bk)
    agent = bk.agent(token_for(bk, job_id), tags=("queue=deploy",))
    assert agent.acquire(job_id).status_code == 404
    assert bk.state(job_id) == "reserved"


@pytest.mark.parametrize("end", ["reservation expires", "job is canceled", "stack finishes it"])
def test_an_acquisition_token_is_refused_after_the_reservation_ends(bk: Contract, end: str) -> None:
    job_id = reserved_job(bk, 60)
    token = token_for(bk, job_id)
    assert bk.registration(token).status_code == 200
    if end == "reservation expires":
        bk.clock.advance(seconds=60)
    elif end == "job is canceled":
        bk.buildkite.cancel_job(job_id)
    else:
        bk.stack("POST", f"/jobs/{job_id}/finish", {"detail": "x"})
    assert bk.registration(token).status_code == 401


def test_a_later_reservation_does_not_revive_an_acquisition_token(bk: Contract) -> None:
    job_id = reserved_job(bk, 60)
    token = token_for(bk, job_id)
    bk.clock.advance(seconds=61)
    bk.reserve(job_id)
    assert bk.registration(token).status_code == 401


def test_an_acquisition_token_is_refused_after_its_agent_token_is_revoked(bk: Contract) -> None:
    job_id = reserved_job(bk)
    token = token_for(bk, job_id)
    bk.buildkite.faults.refused_tokens.add(bk.buildkite.agent_token)
    assert bk.registration(token).status_code == 401
