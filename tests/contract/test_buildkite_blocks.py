"""Block and input steps, groups, matrices and concurrency groups in a build.

Source of each expectation, unless the test says otherwise: buildkite/docs
pages/pipelines/configure/step_types/{block,input,group}_step.md, workflows/{build_matrix,
controlling_concurrency}.md and apis/rest_api/jobs.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.buildkite_client import Contract, Run, contract

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


def test_a_block_holds_what_follows_until_a_person_lets_it_go(bk: Contract) -> None:
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
def test_a_blocked_build_shows_the_state_that_its_block_names(
    bk: Contract, given: str, state: str
) -> None:
    run = Run(bk, f"steps: [{{block: Go, blocked_state: {given}}}, {{command: a}}]")
    assert (run.state, shown(bk)["state"]) == ("blocked", state)


def test_a_block_may_be_let_go_before_its_turn(bk: Contract) -> None:
    """buildkite/docs issues 1415 and 2606."""
    run = Run(bk, BLOCKED)
    assert (block(bk)["state"], block(bk)["unblockable"]) == ("waiting", True)
    assert unblock(bk).status_code == 200
    assert run.states()["b"] == "waiting"
    run.end("a", "0")
    assert run.states()["b"] == "scheduled"


@pytest.mark.parametrize("wait", ["", "{wait: ~, continue_on_failure: true}, "])
def test_a_failure_before_a_block_ends_the_build(bk: Contract, wait: str) -> None:
    """Also where a forgiving wait stands before the block (`_block_wait.md`)."""
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
def test_answers_that_do_not_fit_leave_the_block_alone(
    bk: Contract, fields: dict[str, str]
) -> None:
    """422 is an assumption: the page names no answer for this."""
    run = Run(bk, FORM)
    assert unblock(bk, {"fields": fields}).status_code == 422
    assert run.states()["a"] == "blocked"


def test_what_is_no_block_or_is_over_is_not_unblocked(bk: Contract) -> None:
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
    """The page lets scheduled, running and failing builds be cancelled; a blocked one: assumed."""
    run = Run(bk, "steps: [{block: Go}, {command: a}]")
    assert bk.rest("PUT", f"{BUILD}/cancel").json()["state"] == "canceled"
    assert run.states() == {"a": "canceled"}


def test_an_input_holds_only_who_names_it(bk: Contract) -> None:
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


GROUPS = """
steps:
  - command: first
    key: first
  - group: one
    key: one
    depends_on: first
    steps: [{command: a}, wait, {command: b}]
  - group: ~
    label: two
    steps: [{command: c, key: c}, wait, {command: d}]
  - {command: e, depends_on: one}
  - wait
  - command: f
"""


def test_groups_wait_apart_and_are_waited_for_whole(bk: Contract) -> None:
    run = Run(bk, GROUPS)
    waiting = {name for name, state in run.states().items() if state == "waiting"}
    assert waiting == {"a", "b", "d", "e", "f"}
    run.end("first", "0")
    run.end("c", "0")
    assert {name: run.states()[name] for name in "abde"} == {
        "a": "scheduled",
        "b": "waiting",
        "d": "scheduled",
        "e": "waiting",
    }
    run.end("a", "0")
    run.end("b", "0")
    assert run.states()["e"] == "scheduled"
    assert run.states()["f"] == "waiting"
    run.end("d", "0")
    run.end("e", "0")
    assert run.states()["f"] == "scheduled"
    keys = {job.get("command"): job.get("group_key") for job in shown(bk)["jobs"]}
    assert (keys["a"], keys["c"], keys["f"]) == ("one", None, None)
    env = bk.stack("GET", f"/jobs/{run.job_id('d')}").json()["env"]
    assert (env["BUILDKITE_GROUP_LABEL"], env["BUILDKITE_GROUP_KEY"]) == ("two", "")


def test_a_group_is_skipped_or_left_out_whole(bk: Contract) -> None:
    skipped = "{group: g, skip: later, steps: [{command: a}]}"
    steps = f"[{skipped}, {{group: h, if: 'false', steps: [{{command: b}}]}}]"
    assert Run(bk, f"steps: {steps}").states() == {"a": "skipped", "b": "broken"}


MATRIX = """
steps:
  - label: "{{matrix}} build"
    command: make {{ matrix }}
    key: m
    env: {TARGET: "{{matrix}}"}
    agents: {os: "{{matrix}}", queue: default}
    plugins: [{docker#v1: {image: "go-{{matrix}}"}}]
    matrix: [linux, 7, true]
  - {command: after, depends_on: m}
"""


def test_a_matrix_makes_a_job_of_each_element(bk: Contract) -> None:
    run = Run(bk, MATRIX)
    names = ["linux", "7", "true"]
    assert list(run.states()) == [f"make {name}" for name in names] + ["after"]
    jobs = shown(bk)["jobs"][:3]
    assert [job["name"] for job in jobs] == [f"{name} build" for name in names]
    assert [job["agent_query_rules"][0] for job in jobs] == [f"os={name}" for name in names]
    assert [job["matrix"] for job in jobs] == names
    env = bk.stack("GET", f"/jobs/{run.job_id('make 7')}").json()["env"]
    assert env["TARGET"] == "7"
    assert env["BUILDKITE_PLUGINS"] == (
        '[{"github.com/buildkite-plugins/docker-buildkite-plugin#v1":{"image":"go-7"}}]'
    )
    for name in names:
        assert run.states()["after"] == "waiting"
        run.end(f"make {name}", "0")
    assert run.states()["after"] == "scheduled"


ADJUSTED = """
steps:
  - command: "{{matrix.os}}-{{matrix.arch}}"
    matrix:
      setup: {os: [linux, mac], arch: [arm, x86]}
      adjustments:
        - {with: {os: mac, arch: x86}, skip: no machine}
        - {with: {os: linux, arch: arm}, soft_fail: true}
        - {with: {os: plan9, arch: arm}}
"""


def test_adjustments_leave_out_forgive_and_add(bk: Contract) -> None:
    run = Run(bk, ADJUSTED)
    states = run.states()
    assert states.pop("mac-x86") == "skipped"
    assert set(states) == {"linux-arm", "linux-x86", "mac-arm", "plan9-arm"}
    run.end("linux-arm", "1")
    for command in set(states) - {"linux-arm"}:
        run.end(command, "0")
    assert (run.states()["linux-arm"], run.state) == ("soft_failed", "passed")


LIMITED = (
    "steps: [{command: %s, concurrency: 1, concurrency_group: g,"
    " concurrency_method: %s, priority: %d}]"
)


def builds(bk: Contract, method: str) -> list[Run]:
    runs = []
    for number, name in enumerate("abc"):
        runs.append(Run(bk, LIMITED % (name, method, number)))
        bk.clock.advance(seconds=1)
    return runs


def test_an_ordered_group_takes_builds_in_turn(bk: Contract) -> None:
    a, b, c = builds(bk, "ordered")
    assert [run.states() for run in (a, b, c)] == [
        {"a": "scheduled"},
        {"b": "limited"},
        {"c": "limited"},
    ]
    assert bk.rest("GET", f"/jobs/{b.job_id('b')}").json()["state"] == "scheduled"
    locked = bk.agent().acquire(b.job_id("b"))
    assert (locked.status_code, locked.headers["Retry-After"]) == (423, "2")
    session = bk.running(a.job_id("a"))
    assert b.states() == {"b": "limited"}
    session.finish("0")
    assert (b.states(), c.states()) == ({"b": "scheduled"}, {"c": "limited"})
    bk.buildkite.cancel_build(b.id)
    assert c.states() == {"c": "scheduled"}


def test_an_eager_group_takes_the_highest_priority(bk: Contract) -> None:
    a, b, c = builds(bk, "eager")
    a.end("a", "0")
    assert (b.states(), c.states()) == ({"b": "limited"}, {"c": "scheduled"})


@pytest.mark.parametrize(("method", "second"), [("ordered", "limited"), ("eager", "scheduled")])
def test_a_job_that_still_waits_keeps_its_turn_in_an_ordered_group_alone(
    bk: Contract, method: str, second: str
) -> None:
    gate = f"concurrency: 1, concurrency_group: g, concurrency_method: {method}"
    Run(bk, f"steps: [{{command: x}}, wait, {{command: a, {gate}}}]")
    bk.clock.advance(seconds=1)
    assert Run(bk, f"steps: [{{command: b, {gate}}}]").states() == {"b": second}


def test_a_job_behind_a_block_has_not_joined_its_group_yet(bk: Contract) -> None:
    gate = "concurrency: 1, concurrency_group: g"
    Run(bk, f"steps: [{{block: Go}}, {{command: a, {gate}}}]")
    bk.clock.advance(seconds=1)
    assert Run(bk, f"steps: [{{command: b, {gate}}}]").states() == {"b": "scheduled"}


def test_a_job_may_be_canceled_as_soon_as_its_build_is_failing(bk: Contract) -> None:
    """step_types/command_step.md: cancel_on_build_failing."""
    run = Run(bk, "steps: [{command: a}, {command: b, cancel_on_build_failing: true}]")
    bk.running(run.job_id("b"))
    run.end("a", "1")
    assert run.states()["b"] == "canceling"
    assert shown(bk)["failing_at"] is not None
