"""What is told to be missing is what would be launched if nothing held launches up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mayfly.provision.decide import decide
from mayfly.provision.held import held
from mayfly.provision.view import ProvisionView
from mayfly.records.ledger import Losses
from tests.unit.builders import NOW, SHAPE, TYPES, a_claim, a_config, a_ledger
from tests.unit.test_decide_retire import OLD, a_view, coming, launched, ready

NARROW = replace(SHAPE, instance_types=TYPES[:1])
ENDED = {str(SHAPE): Losses(5, NOW, "instance i-1: stopped")}
SCENES: dict[str, tuple[ProvisionView, int, int]] = {
    "jobs without an instance": (a_view(coming(0), waiting=3), 0, 2),
    "jobs and a pool": (a_view(ready(0), waiting=1), 2, 2),
    "an instance of one type is none of the pool": (a_view(ready(0, shape=NARROW)), 2, 2),
    "an instance of one type serves a job": (a_view(ready(0, shape=NARROW), waiting=2), 0, 1),
    "outdated instances of a pool get successors": (a_view(ready(0, 0, OLD)), 1, 1),
    "a pool that ends by itself is not filled": (a_view(ledger=a_ledger(idle_ends=ENDED)), 2, 0),
    "a job that is not reserved gets nothing": (
        replace(a_view(), waiting=(a_claim(reserved_until=None),)),
        0,
        0,
    ),
}


@pytest.mark.parametrize("scene", SCENES)
def test_the_warning_tells_as_many_instances_as_would_be_launched(scene: str) -> None:
    view, hot, missing = SCENES[scene]
    full: dict[str, Any] = {"hot": hot, "max_instances": 1}
    assert launched(decide(view, a_config(hot=hot), NOW)) == missing
    lines = [
        line
        for _, line in held(
            replace(view, ledger=replace(view.ledger, live=1)), a_config(**full), NOW
        )
    ]
    told = [f"{missing} more instances are wanted; limits/max-instances is 1, and 1 are in use"]
    assert lines == (told if missing else [])
