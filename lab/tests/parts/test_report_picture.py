"""The HTML file of a run says the same as its JSON file."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from mayfly_cli.ends import BrokenError
from mayfly_cli.html_report import model
from mayfly_cli.html_report.render import page
from mayfly_cli.operations.waiting import nearest
from mayfly_lab.report.alarms import AlarmLine
from mayfly_lab.report.checks import Check
from mayfly_lab.report.document import document
from mayfly_lab.report.files import Files
from mayfly_lab.report.phases import spans
from mayfly_lab.report.picture import report
from mayfly_lab.report.result import FaultLine, Result
from mayfly_lab.report.timeline import InstanceLine, JobLine
from mayfly_lab.report.waits import waits

COLD = JobLine(
    id="j-1", label=":hammer: echo hello", queue="default", path="cold", outcome="passed",
    exit_status=0, agent="buildkite-agent 3.83.1", instance="i-1", attempt=1, reason="",
    seconds={
        "waiting": 1.826, "reserved": 1.962, "launched": 2.117, "booted": 7.955,
        "bootstrapped": 9.808, "swapped": 10.717, "proven": 12.232, "assigned": 12.481,
        "accepted": 13.72, "command": 15.28, "first_output": 15.291, "ended": 15.305,
        "terminated": 17.25,
    },
    began=0.25, log_tail=("hello",),
)  # fmt: skip
HOT = replace(
    COLD, id="j-2", path="hot", instance="i-2", began=4.0, outcome="failed", exit_status=-1,
    signal_reason="agent_stop",
    seconds={
        "reserved": 0.4, "launched": -9.0, "booted": -5.0, "bootstrapped": -4.0, "swapped": -3.1,
        "proven": -2.0, "assigned": 0.5, "accepted": 1.2, "command": 1.9, "ended": 5.0,
        "terminated": 6.0,
    },
)  # fmt: skip
DENIED = replace(
    COLD, id="j-3", path="", instance="", attempt=0, outcome="failed", exit_status=-1,
    signal_reason="stack_error", reason="no policy line allows it", seconds={"reserved": 0.7},
    notes=((0.5, "Waiting."),), log_tail=(),
)  # fmt: skip
PROFILES = ((0.125, "bootstrap"), (8.599, "sandbox"))
STATES = ((0.0, "launching"), (5.8, "booting"), (15.367, "terminated"))


def a_result() -> Result:
    jobs = [COLD, HOT, DENIED]
    return Result(
        command="mayfly-lab run pipeline.yml",
        verdict="the build failed; 1 checks are BROKEN",
        passed=False,
        seconds=31.4,
        started=1_790_000_000.0,
        began=1_790_000_004.5,
        facts=[("Agent", "buildkite-agent 3.83.1")],
        jobs=jobs,
        instances=[
            InstanceLine("i-1", "default", "j-1", PROFILES, STATES, "done", 2.367, 15.133),
            InstanceLine("i-2", "default", "j-2", PROFILES, STATES, "done", -5.0, 15.0),
            InstanceLine("i-3", "default", "", PROFILES, STATES, "idle", -5.0, None),
        ],
        checks=[Check("order", "in order", ()), Check("bounded", "bounded", ("17, limit 16",))],
        alarms=[AlarmLine("mayfly-NoCapacity", 6.0, None, "no capacity", "1 >= 1")],
        faults=[FaultLine("machine-dies=*", "the machine loses power", 2)],
        waits=waits(jobs),
    )


def test_jobs_have_the_numbers_of_the_json() -> None:
    told = document(a_result())
    (table,) = [s for s in report(a_result()).sections if isinstance(s, model.Jobs)]
    for job, row in zip(told["jobs"], table.jobs, strict=True):
        assert (row.id, row.outcome, row.exit_status) == (
            *(job["id"], job["outcome"], job["exit_status"]),
        )
        assert (row.signal_reason, row.reason) == (job["signal_reason"], job["reason"])
        assert (row.path if row.path != "none" else "") == job["path"]
        assert row.wait == (job["seconds"].get("command"))
        assert row.took == (job["seconds"].get("ended", 0.7))
        assert [(s.phase, s.begin, s.end) for s in row.spans] == [
            (p["phase"], round(job["began"] + p["from"], 3), round(job["began"] + p["to"], 3))
            for p in job["phases"]
        ]


def test_instances_have_the_numbers_of_the_json_and_the_last_profile_ends_with_the_instance() -> (
    None
):
    told = document(a_result())["instances"]
    (table,) = [s for s in report(a_result()).sections if isinstance(s, model.Instances)]
    ends = [each["ended"] or each["states"][-1]["seconds"] for each in told]
    assert [[(b.profile, b.begin, b.end) for b in row.bands] for row in table.instances] == [
        [
            ("bootstrap", round(each["launched"] + 0.125, 3), round(each["launched"] + 8.599, 3)),
            ("sandbox", round(each["launched"] + 8.599, 3), round(each["launched"] + end, 3)),
        ]
        for each, end in zip(told, ends, strict=True)
    ]
    (chart,) = [s for s in report(a_result()).sections if isinstance(s, model.Chart)]
    assert [each.id for each in chart.idle] == ["i-3"]


def test_waits_faults_alarms_and_checks_are_those_of_the_json() -> None:
    told, shown = document(a_result()), page(report(a_result()))
    for wait in told["waits"]:
        row = f'data-path="{wait["path"]}" data-phase="{wait["phase"] or "wait"}"'
        (found,) = re.findall(rf"<tr {row}.*?</tr>", shown, re.DOTALL)
        values = [float(each) for each in re.findall(r'<data value="([^"]+)">', found)]
        assert values == [wait["p50"], wait["p99"]]
        assert f'<td class="n">{wait["jobs"]}</td>' in found
    assert '<td class="n">2</td>' in shown.partition("machine-dies=*")[2]
    # Alarms count from the run's start, the picture from the build's.
    assert '<code>mayfly-NoCapacity</code> from <data value="1.5">' in shown
    assert "17, limit 16" in shown


def test_phases_follow_each_other_and_fill_the_time_of_a_job() -> None:
    for line in (COLD, HOT):
        found = list(spans(line.path, line.seconds))
        assert found[0].begin == 0
        assert found[-1].end == line.seconds["terminated"]
        assert all(a.end == b.begin for a, b in pairwise(found))
    assert [span.phase for span in spans("hot", HOT.seconds)] == [
        *("reserve", "assign", "checkout", "command", "end"),
    ]


@pytest.mark.parametrize(
    ("points", "last"),
    [
        ({"reserved": 0.4, "ended": 2.0}, model.Phase.ASSIGN),
        ({"reserved": 0.4, "accepted": 1.0, "ended": 2.0}, model.Phase.CHECKOUT),
        ({"reserved": 0.4, "accepted": 1.0, "command": 1.5, "ended": 2.0}, model.Phase.COMMAND),
    ],
)
def test_a_job_without_a_command_shows_none(points: dict[str, float], last: model.Phase) -> None:
    assert [(s.phase, s.end) for s in spans("", points)][-1] == (last, 2.0)


def test_the_proof_of_a_stopped_instance_is_its_start() -> None:
    seconds = {**HOT.seconds, "proven": 0.45, "assigned": 0.46}
    assert [s.phase for s in spans("stopped", seconds)][:3] == ["reserve", "start", "assign"]


def test_waits_are_told_by_path_and_phase() -> None:
    found = {(wait.path, wait.phase): wait for wait in waits([COLD, HOT, HOT, DENIED])}
    assert found["hot", None].jobs == 2
    assert found["hot", None].p50 == 1.9
    assert found["cold", model.Phase.LAUNCH].p99 == 5.993
    assert not any(path == "none" for path, _ in found)


@pytest.mark.parametrize(
    ("values", "percent", "found"),
    [([3.0], 99, 3.0), ([1.0, 2.0], 50, 1.0), ([*range(1, 101)], 99, 99), ([1.0, 9.0], 99, 9.0)],
)
def test_a_percentile_is_one_of_the_values(values: list[float], percent: int, found: float) -> None:
    assert nearest(values, percent) == found


def test_each_file_is_written_and_one_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    Files(tmp_path / "a.json", tmp_path / "a.html").write(a_result())
    assert json.loads((tmp_path / "a.json").read_text())["verdict"] == a_result().verdict
    assert "The build failed; 1 checks are BROKEN" in (tmp_path / "a.html").read_text()
    Files(None, None).write(a_result())
    with pytest.raises(BrokenError, match=r"^--html: .*a: Is a directory|--html: .*: Is a dir"):
        Files(None, tmp_path).write(a_result())


def bands_of(line: InstanceLine) -> list[tuple[str, float, float]]:
    (table,) = [
        section
        for section in report(replace(a_result(), instances=[line])).sections
        if isinstance(section, model.Instances)
    ]
    return [(band.profile, band.begin, band.end) for band in table.instances[0].bands]


@pytest.mark.parametrize(
    ("off", "ended", "bands"),
    [
        (((9.0, 11.0),), 15.0, [("sandbox", 8.0, 9.0), ("sandbox", 11.0, 15.0)]),
        (((9.0, None),), None, [("sandbox", 8.0, 9.0)]),
        (((9.0, 15.0),), 15.0, [("sandbox", 8.0, 9.0)]),
        (
            ((9.0, 10.0), (11.0, 12.0)),
            15.0,
            [("sandbox", 8.0, 9.0), ("sandbox", 10.0, 11.0), ("sandbox", 12.0, 15.0)],
        ),
    ],
)
def test_the_band_of_an_instance_has_a_gap_while_the_instance_is_stopped(
    off: tuple[tuple[float, float | None], ...],
    ended: float | None,
    bands: list[tuple[str, float, float]],
) -> None:
    profiles = ((0.5, "bootstrap"), (8.0, "sandbox"))
    line = InstanceLine("i-1", "default", "", profiles, STATES, "", 0.0, ended, off)
    assert bands_of(line) == [("bootstrap", 0.5, 8.0), *bands]
    (told,) = document(replace(a_result(), instances=[line]))["instances"]
    assert [(each["from"], each["to"]) for each in told["off"]] == list(off)
