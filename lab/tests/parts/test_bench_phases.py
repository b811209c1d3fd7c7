"""The phases of a job in `bench`: their moments, and their statistics."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from buildkite_emulator import JobState, JobView
from buildkite_emulator.memory.records import Build, Job, Person, Pipeline, Timeline
from buildkite_emulator.memory.views import job_view
from buildkite_emulator.pipelines.steps import CommandStep
from mayfly_lab.aws.front.journal import Entry
from mayfly_lab.bench.figures import GOALS, PERCENTS, Summary, figures, summary, table
from mayfly_lab.bench.idle import Idle, lines
from mayfly_lab.bench.phases import PHASES, Marks, durations, marks_of
from mayfly_lab.bench.prices import of_call
from mayfly_lab.report.evidence import Evidence

MARKS = Marks(100.0, 100.5, 100.625, 100.75, 101.0, 101.0625, 101.25, 101.375, 101.5, 101.75)


def test_every_bench_phase_lies_between_two_moments_of_a_job() -> None:
    assert len(PHASES) == len(fields(Marks)) - 1
    assert durations(MARKS) == {
        "listing": 0.5,
        "reserving": 0.125,
        "binding": 0.125,
        "mailbox poll": 0.25,
        "secrets": 0.0625,
        "agent start": 0.1875,
        "acquire": 0.125,
        "checkout": 0.125,
        "command": 0.25,
    }


def test_phases_add_up_to_the_total_even_if_two_clocks_disagree() -> None:
    # The host's report may reach AWS after its agent's call reaches Buildkite.
    late = Marks(100.0, 100.5, 100.625, 100.75, 101.3, 101.3, 101.25, 101.375, 101.5, 101.75)
    found = durations(late)
    assert found["agent start"] == 0
    assert sum(found.values()) == pytest.approx(1.75)
    assert min(found.values()) >= 0


def row(key: str, **state: Any) -> dict[str, Any]:
    table = "mayfly-mailbox" if "i-1" in key else "mayfly-fleet"
    operation = "PutItem" if state else "UpdateItem"
    return {"table": table, "key": key, "attributes": ["x"], "state": state, "operation": operation}


def call(at: float, *rows: dict[str, Any], error: str = "") -> Entry:
    return Entry(at, "AROA:x", "function", "dynamodb", "Put", {"rows": list(rows)}, error=error)


def look(at: float, by: str, error: str = "") -> Entry:
    """A read of the host's row by the principal `by`."""
    read = {**READ, "key": "AROA:i-1", "operation": "GetItem"}
    return Entry(at, by, "sandbox", "dynamodb", "GetItem", {"rows": [read]}, error=error)


READ: dict[str, Any] = {
    "table": "mayfly-fleet",
    "key": None,
    "attributes": ["x"],
    "state": {},
    "operation": "Query",
}
LOOK = {**READ, "key": "claim#j", "operation": "GetItem"}
JOURNAL = [
    call(0.5, READ, LOOK),
    call(1.0, row("claim#j"), error="Conflict"),
    call(2.0, row("claim#j")),
    call(3.0, row("claim#j")),
    look(4.0, by="AROA:i-1"),
    call(5.0, row("AROA:i-1", assignment={"job": "j"}), row("claim#j")),
    look(5.25, by="AROA:x"),
    look(5.5, by="AROA:i-1", error="ThrottlingException"),
    look(6.0, by="AROA:i-1"),
    look(6.5, by="AROA:i-1"),
]


def at(second: float) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def job(timeline: Timeline) -> JobView:
    step = CommandStep(id="s", key=None, label="", command="", queue="default", agents=())
    mine = Job("j", 1, "b", step, JobState.RUNNING, timeline)
    pipeline = Pipeline("p", "app", "app", "", "")
    person = Person("", "")
    build = Build("b", 1, pipeline, (), "", "", "", "", "", person, {}, None, at(0))
    return replace(job_view(mine, build, None), agent_registered=at(7))


WAY = Timeline(at(0), runnable=at(1), reserved=at(2.5), accepted=at(8), started=at(8.5))


def evidence(timeline: Timeline) -> Evidence:
    jobs = (job(timeline),)
    return Evidence(0, jobs, {}, {}, {}, (), JOURNAL, {"j": 10.0}, {"j": 9.0}, {})


def test_each_moment_is_read_from_its_own_source() -> None:
    """The first accepted write of the claim, and the host's first read after it."""
    assert marks_of(evidence(WAY)) == {"j": Marks(1, 2, 2.5, 5, 6, 6, 7, 8.5, 9, 10)}


def test_the_last_answer_with_secrets_of_this_host_ends_their_phase() -> None:
    read = [
        Entry(6.125, "AROA:i-1", "sandbox", "ssm", "GetParametersByPath"),
        Entry(6.25, "AROA:i-1", "sandbox", "ssm", "GetParameters"),
        Entry(6.5, "AROA:i-2", "sandbox", "ssm", "GetParametersByPath"),
        Entry(5.75, "AROA:i-1", "sandbox", "ssm", "GetParametersByPath"),
    ]
    found = marks_of(replace(evidence(WAY), journal=[*JOURNAL, *read]))
    assert found["j"].given == 6.25


def test_a_job_without_all_its_moments_has_no_marks() -> None:
    assert marks_of(evidence(replace(WAY, started=None))) == {}


def test_percentiles_cover_all_jobs_and_shares_cover_the_total_time() -> None:
    ways = [{phase.name: float(n) for phase in PHASES} for n in range(101)]
    found = summary(ways)
    assert found.jobs == 101
    assert found.phases["binding"].percentiles == {50: 50.0, 90: 90.0, 99: 99.0}
    assert found.whole.percentiles[50] == 450.0
    assert sum(each.share for each in found.phases.values()) == pytest.approx(1)


def test_without_jobs_there_are_no_figures() -> None:
    with pytest.raises(ValueError, match="no job started its command"):
        summary([])


@pytest.mark.parametrize(("seconds", "told"), [(1.4, "met"), (1.6, "MISSED")])
def test_a_goal_is_met_or_missed(seconds: float, told: str) -> None:
    whole = figures([seconds], seconds)
    shown = list(table(Summary(1, {}, whole)))
    assert shown[-2] == f"goal p50 at most {GOALS[50]:g} s: {told}"
    assert set(GOALS) <= set(PERCENTS)


def a_read(operation: str, **request: Any) -> Entry:
    return Entry(1.0, "AROA:i-1", "sandbox", "dynamodb", operation, request=request)


def test_a_consistent_read_costs_twice_an_eventually_consistent_one() -> None:
    unit = 0.125e-6
    assert of_call(a_read("GetItem", ConsistentRead=True)) == unit
    assert of_call(a_read("GetItem")) == unit / 2
    assert of_call(a_read("Query")) == unit / 2
    assert of_call(a_read("BatchGetItem", RequestItems={"t": {"ConsistentRead": True}})) == unit
    assert of_call(a_read("BatchGetItem", RequestItems={"t": {"Keys": []}})) == unit / 2
    assert of_call(replace(a_read("GetParameter"), service="ssm")) == 0


def test_the_cost_of_idle_machines_is_the_cost_of_their_reads() -> None:
    reads = [
        a_read("GetItem", ConsistentRead=False),
        replace(a_read("GetItem", ConsistentRead=False), principal="AROA:i-2"),
    ]
    idle = Idle(seconds=1.0, hosts=2, calls=reads, buildkite={"list": 2})
    assert idle.per_host == 1
    assert idle.host_month == pytest.approx(30.4 * 24 * 3600 * 0.125e-6 / 2)
    assert any("list" in line and "120.0 calls a minute" in line for line in lines(idle))
