"""Commands inside a job, run by a real buildkite-agent against the emulator.

Each expectation is what buildkite-agent 3.83.1 was seen to do, or the page named by the test.
Skipped where no agent is on PATH.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mayfly_lab.buildkite import AnnotationView
from tests.contract.buildkite_agents import Room, room


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Room]:
    with room("real", tmp_path) as made:
        yield made


def test_artifacts_go_up_and_come_down_as_they_were(lab: Room) -> None:
    command = (
        "mkdir -p out/deep down; printf '\\r\\n--x\\0y' > out/a.bin; echo b > out/deep/b.txt\n"
        "buildkite-agent artifact upload 'out/**/*'\n"
        "buildkite-agent artifact download 'out/*' down/\n"
        "cmp out/a.bin down/out/a.bin && cmp out/deep/b.txt down/out/deep/b.txt && echo same-$((1+1))\n"
        "echo sum=$(buildkite-agent artifact shasum out/a.bin) $(sha1sum < out/a.bin)\n"
        "buildkite-agent artifact search '*.txt' --format 'found=%p\n'"
    )
    _, job = lab.run(command)
    log = lab.buildkite.log(job.id).decode()
    assert job.outcome == "passed", log
    assert "same-2" in log
    held = {a.path: a for a in lab.buildkite.artifacts(job.build_id)}
    assert sorted(held) == ["out/a.bin", "out/deep/b.txt"]
    assert {a.state for a in held.values()} == {"finished"}
    assert held["out/a.bin"].content == b"\r\n--x\0y"
    assert "found=out/deep/b.txt" in log


def test_annotations_are_written_appended_and_removed(lab: Room) -> None:
    command = (
        "buildkite-agent annotate 'hello **b**' --style info --context ctx.1\n"
        "echo ' more' | buildkite-agent annotate --append --context ctx.1 --priority 7\n"
        "buildkite-agent annotate gone\n"
        "buildkite-agent annotation remove\n"
    )
    _, job = lab.run(command)
    assert job.outcome == "passed"
    assert lab.buildkite.annotations(job.build_id) == (
        AnnotationView("ctx.1", "info", 7, "build", "hello **b** more\n"),
    )
