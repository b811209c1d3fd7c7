"""Block and input steps in a build.

Source of each expectation, unless the test says otherwise: buildkite/docs
pages/pipelines/configure/step_types/{block,input,group}_step.md, workflows/{build_matrix,
controlling_concurrency}.md and apis/rest_api/jobs.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from emulator.buildkite_client import Contract, Run, contract

BUILD = "/pipelines/demo/builds/1"


@pytest.fixture
def bk() -> Iterator[Contract]:
    with contract() as made:
        yield made


def shown(bk: Contract) -> dict[str, Any]:
    content: dict[str, Any] = bk.rest("GET", BUILD).json()
    return content


def block(bk: Contract) -> dict[str, Any]:
    [job] = [job for job in shown(bk)["jobs"] if job["type"] == "manual"]
    return dict(job)


def unblock(bk: Contract, body: object = None) -> Any:
    return bk.rest("PUT", f"/jobs/{block(bk)['id']}/unblock", {} if body is None else body)


BLOCKED = "steps: [{command: a}, {block: Go}, {command: b}]"


def test_a_block_holds_the_following_steps_until_a_person_unblocks_it(bk: Contract) -> None:
    """A blocked build shows its blocked_state, and `blocked` beside it (`_build_states.md`)."""
    run = Run(bk, BLOCKED)
    assert run.states() == {"a": "scheduled", "b": "blocked"}
    assert (shown(bk)["state"], shown(bk)["blocked"]) == ("scheduled", False)
    run.end("a", "0")
    assert (shown(bk)["state"], shown(bk)["blocked"]) == ("passed", True)
    assert run.state == "blocked"
    assert (block(bk)["state"], block(bk)["label"], block(bk)["unblockable"]) == (
        "blocked",
        "Go",
        True,
    )
    answer = unblock(bk)
    assert (answer.status_code, answer.json()["state"]) == (200, "unblocked")
    assert (answer.json()["unblockable"], answer.json()["unblocked_by"]["name"]) == (False, "Lab")
    assert run.states()["b"] == "scheduled"
    env = bk.stack("GET", f"/jobs/{run.job_id('b')}").json()["env"]
    assert env["BUILDKITE_UNBLOCKER"] == "Lab"
    run.end("b", "0")
    assert run.state == "passed"


@pytest.mark.parametrize(("given", "state"), [("failed", "failed"), ("running", "running")])
def test_a_blocked_build_shows_its_blocks_blocked_state(
    bk: Contract, given: str, state: str
) -> None:
    run = Run(bk, f"steps: [{{block: Go, blocked_state: {given}}}, {{command: a}}]")
    assert (run.state, shown(bk)["state"]) == ("blocked", state)


def test_a_block_may_be_unblocked_before_its_turn(bk: Contract) -> None:
    """buildkite/docs issues 1415 and 2606."""
    run = Run(bk, BLOCKED)
    assert (block(bk)["state"], block(bk)["unblockable"]) == ("waiting", True)
    assert unblock(bk).status_code == 200
    assert run.states()["b"] == "waiting"
    run.end("a", "0")
    assert run.states()["b"] == "scheduled"


@pytest.mark.parametrize("wait", ["", "{wait: ~, continue_on_failure: true}, "])
def test_a_failure_before_a_block_ends_the_build(bk: Contract, wait: str) -> None:
    """The failure also ends a build with a forgiving wait before the block (`_block_wait.md`)."""
    run = Run(bk, f"steps: [{{command: a}}, {wait}{{block: Go}}, {{command: b}}]")
    run.end("a", "1")
    assert (run.states()["b"], run.state) == ("blocked_failed", "failed")
    assert (block(bk)["state"], unblock(bk).status_code) == ("blocked_failed", 422)


def test_a_retry_by_hand_opens_the_block_again(bk: Contract) -> None:
    run = Run(bk, BLOCKED)
    run.end("a", "1")
    bk.buildkite.retry_job(run.job_id("a"))
    assert run.states()["b"] == "blocked"
    run.end("a", "0")
    assert run.state == "blocked"


FORM = """
steps:
  - block: Release
    prompt: Fill it in
    fields:
      - {text: Name, key: name, hint: any}
      - {text: Note, key: note, required: false, default: none}
      - select: Stream
        key: stream
        options: [{label: Beta, value: beta}, {label: Stable, value: stable}]
      - select: Regions
        key: regions
        multiple: true
        required: false
        options: [{label: EU, value: eu}, {label: US, value: us}]
  - command: a
"""


def test_the_answers_to_a_blocks_fields_become_meta_data(bk: Contract) -> None:
    run = Run(bk, FORM)
    fields = {"name": "Flying\r\nDolphin", "stream": "beta", "regions": ["eu", "us"]}
    assert unblock(bk, {"fields": fields}).status_code == 200
    assert shown(bk)["meta_data"] == {
        "name": "Flying\nDolphin",
        "note": "none",
        "stream": "beta",
        "regions": "eu\nus",
    }
    assert run.states()["a"] == "scheduled"


@pytest.mark.parametrize(
    "fields",
    [{}, {"name": "x"}, {"name": "x", "stream": "gamma"},
     {"name": "x", "stream": "beta", "regions": "mars"}],
)  # fmt: skip
def test_invalid_answers_leave_the_step_blocked(bk: Contract, fields: dict[str, str]) -> None:
    """422 is an assumption: the page names no answer for this."""
    run = Run(bk, FORM)
    assert unblock(bk, {"fields": fields}).status_code == 422
    assert run.states()["a"] == "blocked"


def test_command_jobs_and_canceled_blocks_cannot_be_unblocked(bk: Contract) -> None:
    run = Run(bk, BLOCKED)
    answer = bk.rest("PUT", f"/jobs/{run.job_id('a')}/unblock", {})
    assert (answer.status_code, answer.json()["message"]) == (
        400,
        "This job type cannot be unblocked",
    )
    assert bk.rest("PUT", "/jobs/none/unblock", {}).status_code == 404
    unknown = unblock(bk, {"unblocker": "someone"})
    assert unknown.json()["message"] == "Unblocker is not a valid user id for this organization"
    bk.buildkite.cancel_build(run.id)
    canceled = unblock(bk)
    assert (canceled.status_code, canceled.json()["message"]) == (
        422,
        "Jobs from canceled builds cannot be unblocked",
    )


def test_a_blocked_build_can_be_canceled(bk: Contract) -> None:
    """The page names scheduled, running and failing builds; a blocked build is an assumption."""
    run = Run(bk, "steps: [{block: Go}, {command: a}]")
    assert bk.rest("PUT", f"{BUILD}/cancel").json()["state"] == "canceled"
    assert run.states() == {"a": "canceled"}


def test_an_input_holds_only_steps_that_name_it(bk: Contract) -> None:
    steps = (
        "[{input: Who, key: who}, {command: a}, wait, {command: b}, {command: c, depends_on: who}]"
    )
    run = Run(bk, f"steps: {steps}")
    assert run.states() == {"a": "scheduled", "b": "waiting", "c": "blocked"}
    run.end("a", "0")
    run.end("b", "0")
    assert run.state == "blocked"
    unblock(bk)
    assert run.states()["c"] == "scheduled"
