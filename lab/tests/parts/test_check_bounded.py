"""The check `bounded`: no queue exceeds its limit, and launches whose boots fail become rare."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mayfly.records.model import Instance, Pinned, Shape, SlotKey, Step
from mayfly.records.states import InstanceState
from mayfly_lab.aws.ec2.moments import Aspect, Moment
from mayfly_lab.report.braking import unbraked
from mayfly_lab.report.checks import check_all
from mayfly_lab.report.evidence import Evidence

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SHAPE = Shape("deploy", "x86_64", ("m7i.large",), "on-demand")


def a_boot(
    launched: float,
    ended: float,
    *,
    state: str = "terminated",
    reason: str = "EC2 ended it",
    slots: int = 1,
    spec: str = "spec",
) -> list[Instance]:
    """The instances of a launch; times in seconds after START."""
    at = START + timedelta(seconds=ended)
    return [
        Instance(
            key=SlotKey(f"launch-{launched}", number),
            queue=SHAPE.queue,
            shape=SHAPE,
            state=InstanceState.TERMINATED,
            since=at,
            created=START + timedelta(seconds=launched),
            spec=spec,
            pinned=Pinned("", "", "", ""),
            history=(Step(state, at, reason),),
        )
        for number in range(slots)
    ]


THREE = [*a_boot(0, 5), *a_boot(10, 15), *a_boot(20, 25)]
HELD = {
    "three failures": THREE,
    "a trial a minute later": [*THREE, *a_boot(86, 90)],
    "trials after ever longer pauses": [*THREE, *a_boot(86, 90), *a_boot(211, 215)],
    "a ready one in between": [*THREE, *a_boot(21, 26, state="ready"), *a_boot(30, 35, slots=9)],
    "spot took them": [
        *(x for n in range(9) for x in a_boot(n, n, reason="it is shutting down: Server.Spot…")),
    ],
    "another spec": [*THREE, *a_boot(30, 35, slots=9, spec="other")],
    "one launch that failed together": a_boot(0, 5, slots=20),
}
BROKEN = {
    "a fourth at once": ([*THREE, *a_boot(30, 35)], "trial 1"),
    "a second trial too early": ([*THREE, *a_boot(86, 90), *a_boot(120, 125)], "trial 2"),
    "two instances in a trial": ([*THREE, *a_boot(86, 90, slots=2)], "2 instances"),
    "a new burst": ([*a_boot(0, 5, slots=20), *a_boot(8, 12, slots=20)], "20 instances"),
}


@pytest.mark.parametrize("boots", HELD.values(), ids=HELD)
def test_launches_that_the_brake_allows_are_not_told(boots: list[Instance]) -> None:
    assert list(unbraked(boots)) == []


@pytest.mark.parametrize(("boots", "told"), BROKEN.values(), ids=BROKEN)
def test_a_launch_that_failures_should_have_held_back_is_told(
    boots: list[Instance], told: str
) -> None:
    (line,) = unbraked(boots)
    assert line.startswith(told)
    assert str(SHAPE) in line


def bounded(*states: tuple[str, str]) -> tuple[str, ...]:
    """The violations of a queue with the limit 1, by the states of its instances in order."""
    instances = {
        name: replace(instance, instance_id=name)
        for name, instance in zip(("i-1", "i-2"), a_boot(0, 100, slots=2), strict=True)
    }
    moments = [Moment(at, name, Aspect.STATE, state) for at, (name, state) in enumerate(states)]
    limits = {SHAPE.queue: 1}
    evidence = Evidence(0, (), {}, instances, {}, moments, (), {}, {}, {}, limits=limits)
    (check,) = [check for check in check_all(evidence) if check.name == "bounded"]
    return check.broken


LIFE = [("i-1", state) for state in ("pending", "running", "stopping", "stopped")]


def test_an_instance_that_is_stopped_and_started_again_counts_once() -> None:
    again = [("i-1", state) for state in ("pending", "running", "shutting-down", "terminated")]
    assert bounded(*LIFE, *again, ("i-2", "pending")) == ()


def test_a_stopped_instance_counts_as_one_of_its_queue() -> None:
    assert bounded(*LIFE, ("i-2", "pending")) == ("queue deploy had 2 instances, limit 1",)
