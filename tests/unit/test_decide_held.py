"""Each instance that is wanted and not launched has one reason, made by the decision."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mayfly.provision.decide import decided
from mayfly.provision.shares import LAUNCH_AT_ONCE
from mayfly.provision.view import ProvisionView
from mayfly.records.brakes import set_up
from mayfly.records.ledger import Boot, Losses
from mayfly.records.why import Code
from tests.unit.builders import NOW, SHAPE, SPEC, TYPES, a_claim, a_config, a_ledger, ago, later
from tests.unit.provision_views import slots_of
from tests.unit.test_decide_retire import OLD, a_view, coming, ready

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
def test_what_is_not_launched_has_a_reason_exactly_where_something_is_missing(scene: str) -> None:
    view, hot, missing = SCENES[scene]
    free = decided(view, a_config(hot=hot), NOW)
    assert (slots_of(list(free.actions)), free.held) == (missing, ())
    ledger = replace(view.ledger, live=1)
    full = decided(replace(view, ledger=ledger), a_config(hot=hot, max_instances=1), NOW)
    limit = "queue deploy has 1 instance, which is its limit"
    assert [each.text for each in full.held] == ([limit] if missing else [])
    assert slots_of(list(full.actions)) == 0


NEXT = NOW + timedelta(seconds=40)
BOOTS = tuple(
    Boot(str(SHAPE), set_up(SPEC, 5), ago(5), ago(seconds=n), f"instance i-{n}: no package")
    for n in (3, 2, 1)
)
STOPS: dict[str, tuple[ProvisionView, dict[str, Any], int, Code]] = {
    "instances": (a_view(waiting=3), {"max_instances": 2}, 2, Code.MAX_INSTANCES),
    "pace": (a_view(waiting=3), {"max_launches_per_minute": 2}, 2, Code.LAUNCH_PACE),
    "roles": (replace(a_view(waiting=1), refused="it has iam:*"), {}, 0, Code.ROLES_REFUSED),
    "no capacity": (
        a_view(ledger=a_ledger(misses={str(SHAPE): 2}, retry_at={str(SHAPE): NEXT}), waiting=1),
        *({}, 0, Code.NO_CAPACITY),
    ),
    "a wait without a known refusal": (
        a_view(ledger=a_ledger(retry_at={str(SHAPE): NEXT}), waiting=1),
        *({}, 0, Code.NO_CAPACITY),
    ),
    "a brake": (a_view(ledger=a_ledger(boots=BOOTS), waiting=2), {}, 0, Code.BRAKED),
    "more than one launch holds": (a_view(waiting=50), {}, LAUNCH_AT_ONCE, Code.NEXT_LAUNCH),
}


@pytest.mark.parametrize("stop", STOPS)
def test_each_launch_that_does_not_happen_has_its_reason(stop: str) -> None:
    view, changes, count, code = STOPS[stop]
    found = decided(view, a_config(**changes), NOW)
    assert slots_of(list(found.actions)) == count
    assert [each.code for each in found.held] == [code]


def test_a_shape_whose_turn_comes_after_a_launch_has_a_reason_too() -> None:
    view = a_view(waiting=1)
    other = a_claim("other", shape=NARROW, reserved_until=later(5), rules=None)
    both = replace(view, waiting=(*view.waiting, other))
    found = decided(both, a_config(), NOW)
    assert slots_of(list(found.actions)) == 1
    assert [(each.code, each.subject) for each in found.held] == [(Code.NEXT_LAUNCH, str(NARROW))]
