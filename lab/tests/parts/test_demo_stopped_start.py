"""The demo's check of its stopped start tells each way in which the start was not as promised."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from buildkite_emulator import JobView
from mayfly.records.model import Instance, Pinned, Shape, SlotKey, Step
from mayfly.records.states import InstanceState
from mayfly_lab.aws.ec2.moments import Aspect, Moment
from mayfly_lab.aws.front.journal import Entry
from mayfly_lab.demo.stopped import CYCLE, NIGHTLY, check_start
from mayfly_lab.report.evidence import Evidence

ROW = "AROASANDBOX:i-1"
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
JOB = cast("JobView", SimpleNamespace(id="j-1", step_key=NIGHTLY))
STATES = ["launching", *CYCLE, "running", "terminated"]


def an_instance(states: list[str]) -> Instance:
    history = tuple(Step(s, START + timedelta(seconds=n), "") for n, s in enumerate(states))
    return Instance(
        key=SlotKey("l-1", 0),
        queue=NIGHTLY,
        shape=Shape(NIGHTLY, "x86_64", ("m7i.large",), "on-demand"),
        state=InstanceState.TERMINATED,
        since=START,
        created=START,
        spec="spec",
        pinned=Pinned("", "AROABOOTSTRAP", "", "AROASANDBOX"),
        history=history,
        instance_id="i-1",
        job="j-1",
    )


def write(at: float, by: str = ROW, **state: Any) -> Entry:
    row = {"table": "mayfly-mailbox", "key": ROW, "attributes": list(state), "state": state}
    return Entry(at, by, "role", "dynamodb", "UpdateItem", {"rows": [row]})


def proof(at: float, boot: str, by: str = ROW) -> Entry:
    return write(at, by, report={"phase": "sandboxed", "boot": boot})


GIVEN = write(9, "provision", assignment={"boot": "b-2"})
WHOLE = Evidence(
    0,
    (JOB,),
    {},
    {"i-1": an_instance(STATES)},
    {},
    [Moment(5, "i-1", Aspect.STATE, "stopped")],
    [proof(3, "b-1"), proof(8, "b-2"), GIVEN],
    {},
    {},
    {},
)
WRONG = {
    "no instance": (replace(WHOLE, instances={}), "no instance ran"),
    "a cold start": (
        replace(WHOLE, instances={"i-1": an_instance(["launching", "ready", "assigned"])}),
        "went through launching, ready, assigned",
    ),
    "no second proof": (replace(WHOLE, journal=[proof(3, "b-1"), GIVEN]), "1 boots were proven"),
    "the second proof by another": (
        replace(WHOLE, journal=[proof(3, "b-1"), proof(8, "b-2", "provision"), GIVEN]),
        "1 boots were proven",
    ),
    "proven before the stop": (
        replace(WHOLE, journal=[proof(3, "b-1"), proof(4, "b-2"), GIVEN]),
        "in this order",
    ),
    "proven after the assignment": (
        replace(WHOLE, journal=[proof(3, "b-1"), GIVEN, proof(10, "b-2")]),
        "in this order",
    ),
    "for the first boot": (
        replace(WHOLE, journal=[*WHOLE.journal[:2], write(9, "p", assignment={"boot": "b-1"})]),
        "not for the second boot",
    ),
}


def test_a_start_with_a_second_proof_before_the_assignment_holds() -> None:
    assert check_start(WHOLE).broken == ()


@pytest.mark.parametrize(("evidence", "told"), WRONG.values(), ids=WRONG)
def test_any_other_start_is_broken(evidence: Evidence, told: str) -> None:
    (line,) = check_start(evidence).broken
    assert told in line
