"""Provision: what follows when EC2 refuses to stop or to start an instance."""

from __future__ import annotations

import pytest

from mayfly.errors import Conflict, Failure, Misconfigured, NoCapacity, NotFound, Transient
from mayfly.provision.actions import StartInstance, StopInstance
from mayfly.provision.refused import PAUSE, after_refusal
from mayfly.records.changes import NoteBoot, Save
from mayfly.records.model import Instance
from mayfly.records.states import InstanceState
from tests.unit.builders import NOW, an_instance

S = InstanceState
START = StartInstance(an_instance(S.STARTING, starts=1), "a job waits")
STOP = StopInstance(an_instance(S.STOPPING), "for the pool")


@pytest.mark.parametrize("action", [START, STOP])
@pytest.mark.parametrize("refusal", [Transient("slow"), Conflict("IncorrectInstanceState")])
def test_what_a_later_tick_decides_better_changes_nothing(
    action: StartInstance | StopInstance, refusal: Failure
) -> None:
    assert after_refusal(action, refusal, NOW) == ()


def test_without_capacity_the_instance_stays_stopped_and_is_not_started_for_a_while() -> None:
    (change,) = after_refusal(START, NoCapacity("InsufficientInstanceCapacity"), NOW)
    assert isinstance(change, Save)
    assert isinstance(change.record, Instance)
    assert (change.record.state, change.record.start_after) == (S.STOPPED, NOW + PAUSE)
    assert change.record.reason == "EC2 could not start the instance: InsufficientInstanceCapacity"


@pytest.mark.parametrize(
    ("action", "refusal"),
    [
        (START, NotFound("gone")),
        (START, Misconfigured("UnauthorizedOperation")),
        (STOP, NotFound("gone")),
        (STOP, Misconfigured("UnsupportedOperation")),
    ],
)
def test_what_ec2_never_does_ends_the_instance_and_counts_for_the_pool(
    action: StartInstance | StopInstance, refusal: Failure
) -> None:
    save, note = after_refusal(action, refusal, NOW)
    assert isinstance(save, Save)
    assert isinstance(save.record, Instance)
    assert save.record.state is S.CONDEMNED
    assert str(refusal) in save.record.reason
    assert isinstance(note, NoteBoot)
    assert note.boot.set_up == "idle"
