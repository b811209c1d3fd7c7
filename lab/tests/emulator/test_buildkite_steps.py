"""Reads, updates and cancels of steps by their jobs; and builds cancelled by a job.

Source: buildkite/agent api/steps.go and buildkite/docs pages/agent/cli/reference/step.md;
assumptions are named per test.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import requests

from emulator.buildkite_client import Contract, Session, contract

STEPS = (
    "steps: [{command: a, key: one, label: One, agents: {os: linux}, priority: 2},"
    " {command: b, key: two, soft_fail: true}, {command: c, key: three, timeout_in_minutes: 7}]"
)


@pytest.fixture
def bk() -> Iterator[Contract]:
    with contract() as made:
        yield made


@pytest.fixture
def session(bk: Contract) -> Session:
    return bk.running(bk.jobs(STEPS)[0].id)


def step(session: Session, path: str, **body: object) -> requests.Response:
    method = "POST" if "/" in path else "PUT"
    target = f"/v3/steps/{path}"
    return session.contract.call(method, target, body, token=session.job_token)


def read(session: Session, attribute: str, key: str = "one", **more: str) -> str:
    answer = step(session, f"{key}/export", attribute=attribute, **more)
    assert answer.status_code == 200, answer.text
    output: str = answer.json()["output"]
    return output


@pytest.mark.parametrize(
    ("key", "attribute", "output"),
    [
        ("one", "label", "One"),
        ("one", "command", "a"),
        ("one", "type", "command"),
        ("one", "key", "one"),
        ("one", "state", "running"),
        ("two", "state", "ready"),
        ("three", "timeout", "7"),
        ("one", "timeout", ""),
        ("one", "outcome", ""),
    ],
)
def test_step_get_returns_an_attribute_as_text(
    session: Session, key: str, attribute: str, output: str
) -> None:
    """Assumed: the words for the state, and an empty text for null."""
    assert read(session, attribute, key) == output


def test_step_get_of_lists_and_whole_steps_needs_a_format(session: Session) -> None:
    """buildkite/agent clicommand/step_get.go; agents repeat refusals except 400, 401 and 404."""
    assert json.loads(read(session, "agents", format="json")) == ["os=linux"]
    assert json.loads(read(session, "", format="json"))["label"] == "One"
    for body in ({"attribute": "agents"}, {}, {"attribute": "colour"}, {"format": "xml"}):
        assert step(session, "one/export", **body).status_code == 400


def test_a_step_is_found_by_key_or_id_in_its_own_build_only(bk: Contract, session: Session) -> None:
    step_id = json.loads(read(session, "", format="json"))["id"]
    assert read(session, "label", step_id) == "One"
    assert step(session, "none/export", attribute="label").status_code == 404
    missing = step(session, "one/export", attribute="label", build_id="none")
    assert missing.status_code == 404
    target = "/v3/steps/one/export"
    assert bk.call("POST", target, {}, token=session.token).status_code == 401


@pytest.mark.parametrize(
    ("key", "status", "outcome"),
    [
        ("one", "0", "passed"),
        ("one", "1", "hard_failed"),
        ("two", "1", "soft_failed"),
        ("one", "cancel", "errored"),
    ],
)
def test_the_outcome_of_a_step_follows_its_jobs(
    bk: Contract, key: str, status: str, outcome: str
) -> None:
    jobs = {job.step_key: job for job in bk.jobs(STEPS)}
    watcher = bk.running(jobs["three"].id)
    if status == "cancel":
        bk.buildkite.cancel_job(jobs[key].id)
    else:
        bk.running(jobs[key].id).finish(status)
    assert read(watcher, "outcome", key) == outcome
    assert read(watcher, "state", key) == "finished"


def test_a_repeated_update_changes_a_label_once_and_append_extends_it(
    bk: Contract, session: Session
) -> None:
    """buildkite/agent api/steps.go: an update has an id, because agents may repeat it."""
    more = {"attribute": "label", "value": " and more", "append": True, "idempotency_uuid": "u1"}
    for _ in range(2):
        assert step(session, "one", **more).status_code == 200
    assert read(session, "label") == bk.buildkite.job(session.job_id).label == "One and more"
    step(session, "one", attribute="label", value="New", idempotency_uuid="u2")
    assert read(session, "label") == "New"


def test_a_step_update_of_the_priority_moves_a_waiting_job_ahead(
    bk: Contract, session: Session
) -> None:
    """buildkite/docs pages/agent/cli/reference/step.md: label, notify and priority."""
    assert step(session, "three", attribute="priority", value="9").ok
    listed = bk.stack("GET", "/scheduled-jobs?queue_key=default").json()["jobs"]
    assert {job["step"]["key"]: job["priority"] for job in listed} == {"two": 0, "three": 9}
    refused = step(session, "three", attribute="priority", value="high")
    assert refused.status_code == 422
    assert step(session, "three", attribute="command", value="rm").status_code == 400


def test_a_step_update_keeps_the_commands_of_matrix_jobs(bk: Contract) -> None:
    steps = "steps: [{command: 'make {{matrix}}', key: m, label: L, matrix: [a, b]}]"
    jobs = bk.jobs(steps)
    first = bk.running(jobs[0].id)
    assert step(first, "m", attribute="label", value=" more", append=True).ok
    after = [bk.buildkite.job(job.id) for job in jobs]
    assert [job.command for job in after] == ["make a", "make b"]
    assert [job.label for job in after] == ["L more", "L more"]


def test_step_get_reads_wait_block_and_input_steps(bk: Contract) -> None:
    """buildkite/docs pages/agent/cli/reference/step.md: `type`, `concurrency_key`, `depends_on`."""
    steps = (
        "steps: [{block: B, key: block}, {wait: ~, key: wait},"
        " {command: a, key: a, depends_on: [], concurrency: 1, concurrency_group: g}]"
    )
    session = bk.running(bk.jobs(steps)[-1].id)
    assert [read(session, "type", key) for key in ("block", "wait", "a")] == [
        "block",
        "wait",
        "command",
    ]
    assert read(session, "label", "block") == "B"
    assert (read(session, "concurrency_key", "a"), read(session, "concurrency_limit", "a")) == (
        "g",
        "1",
    )
    assert json.loads(read(session, "depends_on", "a", format="json")) == []
    assert step(session, "block", attribute="label", value="x").status_code == 400


def test_step_update_notify_sets_or_extends_a_list(session: Session) -> None:
    one, two = [{"slack": "#a"}], [{"slack": "#b"}]
    step(session, "one", attribute="notify", value=json.dumps(one))
    step(session, "one", attribute="notify", value=json.dumps(two), append=True)
    assert json.loads(read(session, "notify", format="json")) == one + two
    assert step(session, "one", attribute="notify", value="x").status_code == 422


def test_a_step_is_cancelled_with_all_its_jobs(bk: Contract) -> None:
    steps = "steps: [{command: a, key: many, parallelism: 3}, {command: b, key: last}]"
    first, second, third, last = bk.jobs(steps)
    watcher = bk.running(last.id)
    running = bk.running(first.id)
    bk.running(second.id).finish("0")
    assert step(watcher, "many/cancel").status_code == 200
    assert [bk.state(job.id) for job in (first, second, third)] == [
        "canceling",
        "finished",
        "canceled",
    ]
    bk.clock.advance(minutes=2)
    assert bk.state(first.id) == "canceling"
    running.finish("-1", signal_reason="cancel")
    assert bk.state(first.id) == "canceled"


def test_a_forced_cancel_ends_jobs_after_the_grace_period(bk: Contract) -> None:
    """buildkite/agent clicommand/step_cancel.go: ten seconds by default."""
    first, second, last = bk.jobs(
        "steps: [{command: a, key: a}, {command: b, key: b}, {command: c}]"
    )
    watcher, lost = bk.running(last.id), bk.running(first.id)
    bk.running(second.id)
    assert step(watcher, "a/cancel", force=True).ok
    assert step(watcher, "b/cancel", force=True, force_grace_period_seconds=60).ok
    bk.clock.advance(seconds=9)
    assert bk.state(first.id) == "canceling"
    bk.clock.advance(seconds=1)
    assert [bk.state(job.id) for job in (first, second)] == ["canceled", "canceling"]
    assert lost.job("GET").status_code == 401
    bk.clock.advance(seconds=50)
    assert bk.state(second.id) == "canceled"


def test_a_job_cancels_its_own_build(bk: Contract, session: Session) -> None:
    """buildkite/agent api/builds.go."""
    build = bk.buildkite.job(session.job_id).build_id
    target = f"/v3/builds/{build}/cancel"
    assert bk.call("POST", target, {}, token=session.job_token).json() == {"uuid": build}
    assert bk.state(session.job_id) == "canceling"
    assert bk.call("POST", "/v3/builds/none/cancel", {}, token=session.job_token).status_code == 404
