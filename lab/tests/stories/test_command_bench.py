"""The hot path, measured by `mayfly-lab bench`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mayfly_instance.limits import Limits
from mayfly_lab.bench.phases import PHASES
from stories.commands import Command, left_of, run

pytestmark = pytest.mark.slow


def test_every_bench_job_is_hot_and_its_phases_add_up_to_the_total(tmp_path: Path) -> None:
    report = tmp_path / "figures.json"
    code, output = run(
        tmp_path,
        *("bench", "--jobs", "3", "--pool", "2", "--json", str(report)),
        *("--latency", "buildkite=20ms,aws=5ms"),
    )
    assert code == 0, output
    assert "3 of 3 jobs have run" in output
    found = json.loads(report.read_text())
    assert found["latency"] == "buildkite=20ms,aws=5ms"
    assert len(found["jobs"]) == 3
    for way in found["jobs"].values():
        assert list(way) == [phase.name for phase in PHASES]
        # Each of these phases contains a call to Buildkite.
        assert min(way["reserving"], way["binding"], way["acquire"]) >= 0.01
    assert found["idle"]["host_calls_per_second"] == pytest.approx(1 / Limits().poll, rel=0.2)
    assert found["idle"]["buildkite_calls"]["stacks.list-scheduled-jobs"] > 5


def test_ctrl_c_in_the_middle_leaves_nothing_behind(tmp_path: Path) -> None:
    command = Command(tmp_path, ("bench", "--jobs", "2"))
    while "agent:" not in (
        line := command.process.stdout.readline() if command.process.stdout else ""
    ):
        assert line, command.ended()
    code, output = command.interrupt()
    assert code == 130, output
    assert left_of(command.temporary) == []
