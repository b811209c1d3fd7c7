"""Groups, matrices and concurrency groups in a build.

Source of each expectation, unless the test says otherwise: buildkite/docs
pages/pipelines/configure/step_types/group_step.md, workflows/{build_matrix,
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


def test_steps_of_groups_wait_apart_and_dependents_wait_for_a_whole_group(bk: Contract) -> None:
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


def test_skip_and_if_of_a_group_apply_to_all_its_steps(bk: Contract) -> None:
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


def test_matrix_adjustments_skip_soft_fail_and_add_combinations(bk: Contract) -> None:
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


def test_an_ordered_concurrency_group_runs_builds_in_turn(bk: Contract) -> None:
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


def test_an_eager_concurrency_group_runs_the_highest_priority_first(bk: Contract) -> None:
    a, b, c = builds(bk, "eager")
    a.end("a", "0")
    assert (b.states(), c.states()) == ({"b": "limited"}, {"c": "scheduled"})


@pytest.mark.parametrize(("method", "second"), [("ordered", "limited"), ("eager", "scheduled")])
def test_a_waiting_job_keeps_its_turn_in_an_ordered_group_but_not_in_an_eager_one(
    bk: Contract, method: str, second: str
) -> None:
    gate = f"concurrency: 1, concurrency_group: g, concurrency_method: {method}"
    Run(bk, f"steps: [{{command: x}}, wait, {{command: a, {gate}}}]")
    bk.clock.advance(seconds=1)
    assert Run(bk, f"steps: [{{command: b, {gate}}}]").states() == {"b": second}


def test_a_job_behind_a_block_does_not_count_in_its_concurrency_group(bk: Contract) -> None:
    gate = "concurrency: 1, concurrency_group: g"
    Run(bk, f"steps: [{{block: Go}}, {{command: a, {gate}}}]")
    bk.clock.advance(seconds=1)
    assert Run(bk, f"steps: [{{command: b, {gate}}}]").states() == {"b": "scheduled"}


def test_a_job_with_cancel_on_build_failing_is_canceled_in_a_failing_build(bk: Contract) -> None:
    """step_types/command_step.md: cancel_on_build_failing."""
    run = Run(bk, "steps: [{command: a}, {command: b, cancel_on_build_failing: true}]")
    bk.running(run.job_id("b"))
    run.end("a", "1")
    assert run.states()["b"] == "canceling"
    assert shown(bk)["failing_at"] is not None
