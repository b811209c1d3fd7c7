"""The job's own log names what ended the job, under the real agent and under the stand-in."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from buildkite_emulator import BuildRequest
from mayfly_lab.lab import LabChoices
from stories.stage import BOOT, QUICK, Stage, a_stage

_AGENT = shutil.which("buildkite-agent")
SPOT, THEIRS = "spot", "theirs"
HOOK = """#!/bin/bash
set -eu
echo 'echo the hook of the operators ran' >"$MAYFLY_HOOKS_DIR/pre-exit"
"""
KEYLESS = "git@127.0.0.1:acme/private.git"


@pytest.fixture(scope="module", params=["buildkite-agent", "stand-in"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    real = request.param == "buildkite-agent"
    if real and _AGENT is None:
        pytest.skip("no buildkite-agent is on PATH")
    choices = LabChoices(
        queues=(SPOT, THEIRS),
        agent=Path(_AGENT) if real and _AGENT else None,
        delays=replace(QUICK, spot_warning=40.0),
        boot_seconds=BOOT,
        parameters={SPOT: {"launch/purchase": "spot"}},
        scripts={SPOT: HOOK},
    )
    with a_stage(choices) as stage:
        yield stage


def test_a_job_on_an_interrupted_spot_instance_is_told_so_in_its_log(stage: Stage) -> None:
    job = stage.push(SPOT, "echo started; sleep 600")
    stage.lab.aws.ec2.interrupt(stage.running(job))
    ended = stage.ended(job)
    assert ended.outcome == "failed"
    log = stage.log_of(job)
    assert "+++ Mayfly: EC2 takes this spot instance back at " in log
    assert "signal_reason agent_stop" in log
    assert "the hook of the operators ran" in log


def test_a_checkout_over_ssh_without_a_key_is_told_so_in_its_log(stage: Stage) -> None:
    lab = stage.lab
    step = f"steps: [{{label: keyless, command: 'true', agents: {{queue: {THEIRS}}}}}]"
    lab.buildkite.add_pipeline("keyless", step, KEYLESS)
    job = lab.buildkite.create_build("keyless", BuildRequest(branch="main")).jobs[0].id
    stage.ended(job)
    log = stage.log_of(job)
    assert f"+++ Mayfly: queue {THEIRS} has no key for 127.0.0.1: " in log
