"""Commands inside a job, run by a real buildkite-agent against the emulator.

Each expectation is an observation of buildkite-agent 3.83.1, or has its page named by the test. The
tests are skipped if no agent is on PATH.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildkite_emulator import AnnotationView
from emulator.buildkite_agents import Room, room
from emulator.buildkite_tokens import claims_of


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Room]:
    with room("real", tmp_path) as made:
        yield made


def test_downloaded_artifacts_equal_the_uploaded_ones(lab: Room) -> None:
    command = (
        "mkdir -p out/deep down; printf '\\r\\n--x\\0y' > out/a.bin; echo b > out/deep/b.txt\n"
        "buildkite-agent artifact upload 'out/**/*'\n"
        "buildkite-agent artifact download 'out/*' down/\n"
        "diff -r out down/out && echo same-$((1 + 1))\n"
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
    sums = re.search(r"\x07sum=(\w+) (\w+)", log)
    assert sums
    assert sums[1] == sums[2]


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


def test_a_large_artifact_is_uploaded_in_parts(lab: Room) -> None:
    command = (
        "head -c 70000000 /dev/urandom > big\n"
        "buildkite-agent artifact upload big\n"
        "mkdir down; buildkite-agent artifact download big down/\n"
        "cmp big down/big && echo same-$((1 + 1))\n"
    )
    _, job = lab.run(command)
    assert job.outcome == "passed", lab.buildkite.log(job.id).decode()
    (held,) = lab.buildkite.artifacts(job.build_id)
    assert (held.size, held.state) == (70_000_000, "finished")


def test_an_agent_repeats_an_upload_that_the_storage_refused(lab: Room) -> None:
    """Seen: ten tries, then state error; this test checks only one refusal and the repeat."""
    lab.buildkite.faults.answer("storage.upload", 403, times=1)
    begin = time.monotonic()
    _, job = lab.run("echo a > a; buildkite-agent artifact upload a")
    assert job.outcome == "passed"
    assert time.monotonic() - begin > 5


def test_a_job_reads_meta_data_keys_and_defaults(lab: Room) -> None:
    command = (
        "printf 'two\\nlines' | buildkite-agent meta-data set k2\n"
        "buildkite-agent meta-data set k1 v1\n"
        "echo keys=$(buildkite-agent meta-data keys | tr '\\n' ,)\n"
        "echo default=$(buildkite-agent meta-data get none --default d-$((1 + 1)))\n"
        "buildkite-agent meta-data get none || echo status=$?\n"
        "buildkite-agent meta-data set blank ' ' || echo refused=$?\n"
    )
    _, job = lab.run(command)
    log = lab.buildkite.log(job.id).decode()
    assert "keys=buildkite:git:commit,k1,k2," in log
    assert "default=d-2" in log
    assert "\x07status=1" in log
    assert "\x07refused=1" in log
    assert lab.buildkite.meta_data(job.build_id)["k2"] == "two\nlines"


def test_a_job_reads_and_changes_its_own_step(lab: Room) -> None:
    command = (
        "echo label=$(buildkite-agent step get label) state=$(buildkite-agent step get state)\n"
        "buildkite-agent step update label ' and more' --append\n"
        "echo then=$(buildkite-agent step get label)\n"
        "buildkite-agent step get agents || echo status=$?\n"
        "buildkite-agent step get --format json > step.json && cat step.json\n"
    )
    _, job = lab.run(command, "label: One\n    agents: {queue: default}")
    log = lab.buildkite.log(job.id).decode()
    assert "label=One state=running" in log
    assert "then=One and more" in log
    assert "\x07status=1" in log
    assert lab.buildkite.job(job.id).label == "One and more"


def test_a_secret_is_given_to_the_job_and_kept_out_of_its_log(lab: Room) -> None:
    lab.buildkite.add_secret("MYSEC", "hunter-two-22", "- pipeline_slug: demo")
    lab.buildkite.add_secret("OTHER", "never-shown-33", "- pipeline_slug: another")
    command = (
        'secret=$(buildkite-agent secret get MYSEC); echo "length=${#secret} value=$secret"\n'
        "buildkite-agent secret get OTHER || echo denied=$?\n"
        "buildkite-agent secret get NONE || echo missing=$?\n"
    )
    _, job = lab.run(command)
    log = lab.buildkite.log(job.id).decode()
    assert "length=13 value=[REDACTED]" in log
    assert "\x07denied=1" in log
    assert "\x07missing=1" in log
    assert "hunter-two-22" not in log


def test_a_job_gets_an_oidc_token_for_itself(lab: Room) -> None:
    command = (
        "buildkite-agent oidc request-token --audience sts.amazonaws.com --lifetime 60"
        " --claim organization_id --aws-session-tag step_key > token && cat token\n"
        "buildkite-agent oidc request-token --lifetime 7201 || echo refused=$?\n"
    )
    _, job = lab.run(command, "key: one")
    log = lab.buildkite.log(job.id).decode()
    token = re.search(r"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+", log)
    assert token, log
    said = claims_of(token[0], lab.buildkite.url)
    assert said["aud"] == "sts.amazonaws.com"
    assert said["exp"] - said["iat"] == 60
    assert said["job_id"] == job.id
    assert said["organization_id"] == lab.buildkite.settings.organization_id
    assert said["https://aws.amazon.com/tags"] == {"principal_tags": {"step_key": ["one"]}}
    assert "\x07refused=1" in log


def test_the_agent_itself_serves_locks_and_the_environment_to_its_job(lab: Room) -> None:
    """The agent serves both without a call to Buildkite; the emulator must not interfere."""
    command = (
        "buildkite-agent env get BUILDKITE_JOB_ID\n"
        "buildkite-agent env set ADDED=by-$((1 + 1)) && buildkite-agent env get ADDED\n"
    )
    _, job = lab.run(command)
    log = lab.buildkite.log(job.id).decode()
    assert job.outcome == "passed", log
    assert "by-2" in log
