"""Commands inside a job: one table for a real buildkite-agent and for the stand-in.

The expectations are observations of buildkite-agent 3.83.1. Tests with the real agent are skipped
if none is on PATH.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildkite_emulator import AnnotationView, JobView
from emulator.buildkite_agents import Room, room
from mayfly_lab.standin import interpolation
from mayfly_lab.standin.options import UsageError
from mayfly_lab.standin.upload import main as upload


@pytest.fixture(params=["real", "stand-in"])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Room]:
    with room(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[Room]:
    with room("stand-in", tmp_path) as made:
        yield made


def run(lab: Room, command: str, attributes: str = "") -> JobView:
    """Run a job; its `buildkite-agent` is the program that runs the job, not the one on PATH."""
    path = f"{lab.program.parent}:{os.environ['PATH']}"
    return lab.run(command, attributes, PATH=path)[1]


def log_of(lab: Room, job_id: str) -> str:
    return lab.buildkite.log(job_id).decode()


def test_artifacts_are_uploaded_found_and_downloaded(lab: Room) -> None:
    command = (
        "mkdir -p out/deep down; printf '\\r\\n--x\\0y' > out/a.bin; echo b > out/deep/b.txt\n"
        "buildkite-agent artifact upload 'out/**/*;nothing/*'\n"
        "buildkite-agent artifact download 'out/*' down/\n"
        "diff -r out down/out && echo same-$((1 + 1))\n"
        "echo sum=$(buildkite-agent artifact shasum out/a.bin)=$(sha1sum < out/a.bin)\n"
        "buildkite-agent artifact search '*.txt' --format 'found=%p\\n'\n"
        "buildkite-agent artifact download 'out/*' out && echo merged-$((1 + 1))\n"
        "buildkite-agent artifact search 'none*' || echo searched=$?\n"
        "buildkite-agent artifact download out/a.bin missing || echo missing=$?\n"
    )
    job = run(lab, command)
    log = log_of(lab, job.id)
    assert job.outcome == "passed", log
    for said in ("same-2", "merged-2", "\x07searched=1", "\x07missing=1", "found=out/deep/b.txt"):
        assert said in log
    sums = re.search(r"\x07sum=(\w+)=(\w+)", log)
    assert sums
    assert sums[1] == sums[2]
    held = {artifact.path: artifact for artifact in lab.buildkite.artifacts(job.build_id)}
    assert sorted(held) == ["out/a.bin", "out/deep/b.txt"]
    assert {artifact.state for artifact in held.values()} == {"finished"}
    assert held["out/a.bin"].content == b"\r\n--x\0y"


@pytest.mark.parametrize("status", [0, 3])
def test_artifact_paths_are_uploaded_after_the_command_for_any_exit_status(
    lab: Room, status: int
) -> None:
    """Seen: 61 files in batches of 30, 30 and 1; a failed command keeps its status."""
    lab.hook("pre-artifact", "echo hook-before")
    lab.hook("post-artifact", "echo hook-after")
    command = f"mkdir out; for i in $(seq 61); do echo $i > out/$i.txt; done; exit {status}"
    job = run(lab, command, "artifact_paths: ['out/*', 'nothing/*']")
    assert job.exit_status == status
    assert len(lab.buildkite.artifacts(job.build_id)) == 61
    log = log_of(lab, job.id)
    assert log.index("\x07hook-before") < log.index("\x07hook-after")


def test_a_refused_artifact_upload_fails_a_job_with_exit_status_zero(lab: Room) -> None:
    """Seen: the agent does not repeat create after 422, and the job's status is 1."""
    lab.buildkite.faults.answer("agent.artifacts-create", 422)
    job = run(lab, "echo a > a", "artifact_paths: a")
    assert job.exit_status == 1


def test_a_failing_pre_artifact_hook_prevents_the_upload(lab: Room) -> None:
    """Seen: its status replaces a command's 0, but not a failed command's 4."""
    lab.hook("pre-artifact", "exit 41")
    for command, status in (("echo a > a", 41), ("echo a > a; exit 4", 4)):
        job = run(lab, command, "artifact_paths: a")
        assert job.exit_status == status
        assert lab.buildkite.artifacts(job.build_id) == ()


def test_annotations_are_written_appended_and_removed(lab: Room) -> None:
    command = (
        "buildkite-agent annotate 'hello **b**' --style info --context ctx.1\n"
        "echo ' more' | buildkite-agent annotate --append --context ctx.1 --priority 7\n"
        "buildkite-agent annotate gone\n"
        "buildkite-agent annotation remove\n"
    )
    job = run(lab, command)
    assert lab.buildkite.annotations(job.build_id) == (
        AnnotationView("ctx.1", "info", 7, "build", "hello **b** more\n"),
    )


def test_meta_data_has_keys_defaults_and_other_builds(lab: Room) -> None:
    other = lab.job("true")
    command = (
        "printf 'two\\nlines' | buildkite-agent meta-data set k2\n"
        "buildkite-agent meta-data set k1 v1\n"
        "echo keys=$(buildkite-agent meta-data keys | tr '\\n' ,)\n"
        "echo default=$(buildkite-agent meta-data get none --default d-$((1 + 1)))\n"
        "buildkite-agent meta-data get none || echo status=$?\n"
        "buildkite-agent meta-data set blank ' ' || echo blank=$?\n"
        f"buildkite-agent meta-data set for other --job {other.id}\n"
        f"echo got=$(buildkite-agent meta-data get for --build {other.build_id})\n"
    )
    job = run(lab, command)
    log = log_of(lab, job.id)
    said = ("keys=buildkite:git:commit,k1,k2,", "default=d-2", "\x07status=1", "\x07blank=1")
    for each in (*said, "got=other"):
        assert each in log
    assert lab.buildkite.meta_data(job.build_id)["k2"] == "two\nlines"


def test_steps_are_uploaded_from_json_with_variables_interpolated(lab: Room) -> None:
    pipeline = (
        '{"env": {"TOP": "level"}, "steps": [{"command": "echo ${TOP}-${NONE:-x}-$$HOME",'
        ' "key": "${BUILDKITE_BRANCH}-key"}]}'
    )
    command = f"cat > p.json <<'EOF'\n{pipeline}\nEOF\nbuildkite-agent pipeline upload p.json"
    job = run(lab, command)
    assert job.outcome == "passed", log_of(lab, job.id)
    uploaded = lab.buildkite.build(job.build_id).jobs[-1]
    assert (uploaded.step_key, uploaded.command) == ("main-key", "echo level-x-$HOME")


def test_a_rejected_pipeline_upload_fails_the_command(lab: Room) -> None:
    command = (
        """echo '{"steps": [{"command": "a", "depends_on": 7}]}' """
        "| buildkite-agent pipeline upload || echo rejected=$?"
    )
    job = run(lab, command)
    assert "\x07rejected=1" in log_of(lab, job.id)


def test_the_stand_in_refuses_each_unsupported_command_in_one_line(stand_in: Room) -> None:
    commands = (
        "step get label",
        "secret get X",
        "oidc request-token",
        "lock do x",
        "env get X",
        "redactor add x",
        "artifact upload '{a,b}'",
        "artifact upload a s3://bucket",
        "annotate x --scope job",
        "meta-data frobnicate",
    )
    lines = [f"buildkite-agent {each} 2>&1 || echo status=$?" for each in commands]
    job = run(stand_in, "\n".join(lines))
    output = log_of(stand_in, job.id).split("\x07status=1")
    assert len(output) == len(commands) + 1
    assert all(
        said.count("\x07buildkite-agent: fatal: this is a stand-in: it") == 1
        for said in output[:-1]
    )


def test_the_stand_in_reads_plain_yaml_and_refuses_other_yaml_with_a_reason(stand_in: Room) -> None:
    command = (
        "printf 'steps:\\n  - command: one\\n    label: 2026-11-21\\n' > p.yml\n"
        "if python3 -c 'import yaml'; then buildkite-agent pipeline upload p.yml\n"
        "else buildkite-agent pipeline upload p.yml 2>&1 | grep 'as JSON only'; fi\n"
        "echo read-$?"
    )
    job = run(stand_in, command)
    assert "\x07read-0" in log_of(stand_in, job.id)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("$A ${A} $$A \\$A", "1 1 $A $A"),
        ("${B:-x} ${B-x} ${E:-x} ${E-x}", "x x x "),
        ("${B:-${A}}", "1"),
        ("${L:2} ${L:1:2} ${L:-x} ${L:0}", "cdef bc abcdef abcdef"),
        ("$NONE|${NONE}|100%", "||100%"),
    ],
)
def test_the_stand_in_interpolates_variables_of_a_pipeline(text: str, filled: str) -> None:
    """buildkite/interpolate README.md."""
    env = {"A": "1", "E": "", "L": "abcdef"}
    assert interpolation.filled({"k": [text]}, env) == {"k": [filled]}


@pytest.mark.parametrize("text", ["${NONE?}", "${NONE:?is needed}", "${E:?}", "${A^^}"])
def test_the_stand_in_refuses_unset_required_and_invalid_variables(text: str) -> None:
    """buildkite/interpolate README.md."""
    with pytest.raises(interpolation.InterpolationError):
        interpolation.filled(text, {"E": "", "A": "1"})


def test_a_custom_storage_is_refused_by_the_stand_in() -> None:
    environ = {"BUILDKITE_ARTIFACT_UPLOAD_DESTINATION": "s3://bucket/"}
    with pytest.raises(UsageError, match="own storage only"):
        upload(["x"], environ)
