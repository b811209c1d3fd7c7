"""Why work is done otherwise than wanted: the tool tells it while it is so, and no longer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from mayfly.records.why import Code
from mayfly_lab.commands.lines import aws_variables
from mayfly_lab.lab import LabChoices
from stories.stage import BOOT, QUICK, Stage, a_stage
from stories.test_stopped_pool import S, stopped
from stories.tool import asked

SPOT, WARM = "spot", "warm"
PARAMETERS = {
    SPOT: {"launch/purchase": "spot-then-on-demand", "launch/instance-types": "m7i.large"},
    WARM: {"pool/stopped": "1", "pool/grace-minutes": "0"},
}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    choices = LabChoices(
        queues=tuple(PARAMETERS),
        delays=replace(QUICK, minute=8.0),
        boot_seconds=BOOT,
        parameters=PARAMETERS,
    )
    with a_stage(choices) as stage:
        yield stage
        stage.lab.aws.faults.clear()


def told(stage: Stage, *words: str) -> str:
    """What a command says on a screen of 80 columns, without its line breaks."""
    return asked(words, aws_variables(stage.lab), width=80).words


def in_json(stage: Stage, queue: str, code: Code) -> dict[str, Any]:
    """The reason in the JSON of `mayfly status`."""
    words = ("status", queue, "--json")
    (shown,) = json.loads(asked(words, aws_variables(stage.lab), errors=False).said)["queues"]
    (found,) = [each for each in shown["reasons"] if each["code"] == code.value]
    return dict(found)


def appears(stage: Stage, queue: str, code: Code) -> None:
    stage.until(f"{code} holds", lambda: code in stage.reasons(queue))


def goes(stage: Stage, queue: str, code: Code) -> None:
    stage.until(f"{code} is over", lambda: code not in stage.reasons(queue))


def test_dry_spot_is_told_while_jobs_run_on_demand_and_spot_comes_back(stage: Stage) -> None:
    stage.lab.aws.faults.set("no-capacity", "*/spot")
    job = stage.push(SPOT)
    appears(stage, SPOT, Code.SPOT_DRY)
    text = told(stage, "explain", SPOT)
    assert "SPOT DRY spot has too few m7i.large in us-east-1" in text
    assert re.search("on-demand instances are bought until .* UTC, since .*, next try in", text)
    assert "-> Add types to `launch/instance-types`, or zones to the stack." in text
    assert in_json(stage, SPOT, Code.SPOT_DRY)["next_try"] is not None
    assert stage.ended(job).outcome == "passed"
    assert stage.served(job).market == "on-demand"
    stage.lab.aws.faults.clear()
    again = stage.push(SPOT)
    assert stage.ended(again).outcome == "passed"
    assert stage.served(again).market == "on-demand", "dry spot is remembered for a while"
    stage.forget_refusals(SPOT)
    goes(stage, SPOT, Code.SPOT_DRY)
    last = stage.push(SPOT)
    assert stage.ended(last).outcome == "passed"
    assert stage.served(last).market == "spot"
    assert "SPOT DRY" not in told(stage, "status", SPOT)


def test_a_refused_start_is_told_while_jobs_get_launches_and_the_instance_serves_later(
    stage: Stage,
) -> None:
    warm = stopped(stage, WARM)
    stage.lab.aws.faults.set("no-capacity-at-start", "*")
    job = stage.push(WARM)
    appears(stage, WARM, Code.START_REFUSED)
    text = told(stage, "status", WARM)
    assert "START REFUSED EC2 did not start a stopped instance (" in text
    assert re.search(": jobs get launches, since .*, next try in", text)
    assert in_json(stage, WARM, Code.START_REFUSED)["next_try"] is not None
    listed = told(stage, "instances", WARM)
    assert re.search(f"{warm.instance_id} {WARM} stopped .*InsufficientInstanceCap", listed)
    assert "Insufficient capacity, may be started again in" in listed
    assert "START REFUSED" in told(stage, "pool", WARM, "1", "--stopped")
    assert stage.ended(job).outcome == "passed"
    assert stage.served(job).instance_id != warm.instance_id
    stage.lab.aws.faults.clear()
    stage.forget_refusals(WARM)
    goes(stage, WARM, Code.START_REFUSED)
    assert "START REFUSED" not in told(stage, "status", WARM)
    again = stage.push(WARM)
    assert stage.ended(again).outcome == "passed"
    assert stage.served(again).instance_id == warm.instance_id


def test_a_pause_keeps_the_stopped_pool_and_a_refused_stop_is_told(stage: Stage) -> None:
    stopped(stage, WARM)
    stage.lab.put_parameter(WARM, "paused", "true")
    appears(stage, WARM, Code.STOPPED_KEPT)
    assert "1 stopped instance is kept, and none is started" in told(stage, "explain", WARM)
    stage.lab.aws.faults.set("error", "ec2:StopInstances", value="IncorrectInstanceState", count=99)
    stage.lab.put_parameter(WARM, "paused", "false")
    stage.lab.put_parameter(WARM, "pool/stopped", "2")
    late = stage.until(
        "EC2 refuses a stop", lambda: [i for i in stage.instances(WARM) if i.state is S.STOPPING]
    )[0]
    stage.age(str(late.instance_id), 2)
    appears(stage, WARM, Code.STOP_REFUSED)
    text = told(stage, "status", WARM)
    assert "STOP REFUSED EC2 has not stopped an instance since" in text
    assert "STOPPED KEPT" not in text
    stage.lab.aws.faults.clear()
    goes(stage, WARM, Code.STOP_REFUSED)
    stage.until(
        "the pool is full",
        lambda: [i.state for i in stage.instances(WARM) if i.open] == [S.STOPPED, S.STOPPED],
    )
