"""Steps that wait for each other: cycles, and dependencies that make no cycle.

Source of the dependencies: buildkite/docs pages/pipelines/configure/depends_on.md and
step_types/{group,input,wait}_step.md. Refusing a cycle is the lab's own rule: Buildkite's answer to
a cycle is not published.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence

import pytest

from buildkite_emulator import PipelineError
from emulator.buildkite_client import Contract, Run, Session, contract


@pytest.fixture
def bk() -> Iterator[Contract]:
    with contract() as made:
        yield made


def upload(
    session: Session, steps: Sequence[Mapping[str, str]], **more: bool
) -> tuple[str, str | None]:
    """Upload the steps. Returns the outcome and the reason."""
    name = str(uuid.uuid4())
    session.job(
        "POST", "/pipelines?async=true", {"uuid": name, "pipeline": {"steps": steps}, **more}
    )
    told = session.job("GET", f"/pipelines/{name}").json()
    return told["state"], told["message"]


LATER = "{command: later, key: x}"


@pytest.mark.parametrize(
    "steps",
    [
        f"{{group: G, depends_on: x, steps: [{{command: a}}, wait, {{command: b}}]}}, {LATER}",
        f"{{group: G, depends_on: x, steps: [{{command: a}}, {{block: B}}]}}, {LATER}",
        f"{{input: I, depends_on: x}}, wait, {LATER}",
    ],
)
def test_gates_inside_a_group_and_inputs_make_no_cycle(bk: Contract, steps: str) -> None:
    """group_step.md: waits and blocks of a group hold steps of the group only.

    input_step.md: an input has no implicit dependencies.
    """
    later = next(job for job in bk.jobs(f"steps: [{steps}]") if job.step_key == "x")
    assert later.state == "scheduled"


def test_a_group_behind_a_wait_for_itself_is_a_cycle(bk: Contract) -> None:
    group = "{group: G, key: g, steps: [{command: b}]}"
    with pytest.raises(PipelineError, match="steps wait for each other: "):
        bk.jobs(f"steps: [{{command: a, depends_on: g}}, wait, {group}]")


@pytest.mark.parametrize(
    ("there", "uploaded"),
    [
        ("{command: z, key: z, depends_on: b}", {"command": "y", "key": "b", "depends_on": "z"}),
        ("{command: z, key: z, depends_on: up}", {"command": "y", "depends_on": "z"}),
        ("wait, {command: z, key: z}", {"command": "y", "depends_on": "z"}),
    ],
)
def test_an_upload_that_closes_a_cycle_is_refused_and_changes_nothing(
    bk: Contract, there: str, uploaded: dict[str, str]
) -> None:
    """depends_on.md, "Explicit dependencies in uploaded steps"; wait_step.md."""
    run = Run(bk, f"steps: [{{command: up, key: up}}, {there}]")
    session = bk.running(run.job_id("up"))
    before = run.states()
    state, reason = upload(session, [uploaded])
    assert (state, (reason or "").partition(":")[0]) == ("rejected", "steps wait for each other")
    assert run.states() == before
    session.finish("0")
    assert "waiting" not in run.states().values()


def test_an_upload_makes_no_cycle_with_the_steps_that_it_replaces(bk: Contract) -> None:
    """buildkite/docs agent/cli/reference/pipeline.md, `--replace`."""
    run = Run(bk, "steps: [{command: up}, wait, {command: z, key: z}]")
    session = bk.running(run.job_id("up"))
    steps = [{"command": "y", "depends_on": "z"}, {"command": "w", "key": "z"}]
    assert upload(session, steps, replace=True) == ("applied", None)
    session.finish("0")
    assert run.states() == {"up": "passed", "y": "waiting", "w": "scheduled"}
