"""The agent token's limits, as a person sets them at Buildkite: what is said, and the recovery."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest

from buildkite_emulator import JobState
from mayfly_lab.lab import LabChoices
from stories.stage import BOOT, QUICK, Stage, a_stage

QUEUE, OTHER = "default", "other"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    choices = LabChoices(
        queues=(QUEUE, OTHER),
        delays=replace(QUICK, minute=3.0),
        boot_seconds=BOOT,
        parameters={OTHER: {"pool/hot": "1"}},
    )
    with a_stage(choices) as stage:
        yield stage


def has_problem(stage: Stage, begins: str, words: str) -> bool:
    problems = stage.problems("dispatch")
    return any(each.startswith(begins) and words in each for each in problems)


def test_a_queue_without_access_is_named_and_the_next_queue_is_served(stage: Stage) -> None:
    stage.lab.buildkite.limit_agent_token(queues=[OTHER])
    words = f"Buildkite answers 403 This agent token does not have access to the queue {QUEUE}"
    for refused in ("registration of queue", "jobs of queue"):
        stage.until(
            f"dispatch reports the {refused}",
            partial(has_problem, stage, f"{refused} {QUEUE}: ", words),
        )
    job, left = stage.push(OTHER), stage.push(QUEUE)
    assert stage.ended(job).outcome == "passed"
    assert stage.job(left).state is JobState.SCHEDULED
    stage.lab.buildkite.limit_agent_token()
    assert stage.ended(left).outcome == "passed"


def test_an_address_that_is_not_allowed_is_told_in_buildkites_words(stage: Stage) -> None:
    stage.lab.buildkite.limit_agent_token(addresses=["203.0.113.0/24"])
    words = "403 The address 127.0.0.1 may not use this agent token"
    stage.until("the log has the words", lambda: words in stage.log_text("dispatch"))
    stage.until("the log has our words", lambda: "allowed IP" in stage.log_text("dispatch"))
    job = stage.push(OTHER)
    stage.lab.buildkite.limit_agent_token(addresses=["127.0.0.0/8"])
    assert stage.ended(job).outcome == "passed"


def test_an_expired_token_is_one_problem_and_costs_no_job(stage: Stage) -> None:
    stage.lab.buildkite.limit_agent_token(expires=datetime(2026, 1, 1, tzinfo=UTC))
    stage.until(
        "dispatch says so once",
        lambda: any("revoked, expired" in problem for problem in stage.problems("dispatch")),
    )
    assert len({p for p in stage.problems("dispatch") if "revoked, expired" in p}) == 1
    job = stage.push(OTHER)
    assert stage.job(job).state is JobState.SCHEDULED
    stage.lab.buildkite.limit_agent_token()
    assert stage.ended(job).outcome == "passed"


def test_at_the_end_nothing_is_left_and_every_promise_was_kept(stage: Stage) -> None:
    stage.empty()
    assert stage.broken_promises() == []
