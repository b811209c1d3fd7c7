"""Every edge of every transition table, and a deadline for every state that waits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any

import pytest

from mayfly.errors import Illegal
from mayfly.records.model import HISTORY, move_claim, move_instance, settle_launch
from mayfly.records.states import (
    CLAIM_DEADLINES,
    CLAIM_TRANSITIONS,
    COMING,
    DEADLINES,
    INSTANCE_TRANSITIONS,
    LAUNCH_TRANSITIONS,
    OPEN_CLAIMS,
    OPEN_INSTANCES,
    REPEAT_LAUNCH,
    ClaimState,
    InstanceState,
    LaunchState,
)
from mayfly_instance.limits import Limits
from tests.unit.builders import NOW, a_claim, a_launch, an_instance, later

# Written by hand from the way of a job in docs/architecture.md; the stopped pool is not built yet.
CLAIM = {
    "waiting": {"assigned", "released", "failed"},
    "assigned": {"running", "waiting", "released", "failed"},
    "running": {"finished"},
    "finished": set(),
    "released": set(),
    "failed": set(),
}
INSTANCE = {
    "requested": {"launching", "terminated"},
    "launching": {"booting", "condemned", "terminated"},
    "booting": {"bootstrapped", "condemned", "terminated"},
    "bootstrapped": {"swapping", "condemned", "terminated"},
    "swapping": {"ready", "condemned", "terminated"},
    "ready": {"assigned", "condemned", "terminated"},
    "assigned": {"running", "condemned", "terminated"},
    "running": {"done", "condemned", "terminated"},
    "done": {"terminated"},
    "condemned": {"terminated"},
    "terminated": set(),
}
LAUNCH = {"open": {"settled"}, "settled": set()}

TABLES: list[tuple[type[StrEnum], Mapping[Any, Mapping[Any, str]], dict[str, set[str]]]] = [
    (ClaimState, CLAIM_TRANSITIONS, CLAIM),
    (InstanceState, INSTANCE_TRANSITIONS, INSTANCE),
    (LaunchState, LAUNCH_TRANSITIONS, LAUNCH),
]


@pytest.mark.parametrize(("states", "table", "by_hand"), TABLES)
def test_the_table_has_these_edges_and_no_other(
    states: type[StrEnum],
    table: Mapping[StrEnum, Mapping[StrEnum, str]],
    by_hand: dict[str, set[str]],
) -> None:
    assert {str(old): {str(new) for new in edges} for old, edges in table.items()} == by_hand
    assert set(by_hand) == {str(state) for state in states}


@pytest.mark.parametrize(("states", "table", "by_hand"), TABLES)
def test_every_edge_says_what_causes_it(
    states: type[StrEnum],
    table: Mapping[StrEnum, Mapping[StrEnum, str]],
    by_hand: dict[str, set[str]],
) -> None:
    assert all(cause.strip() for edges in table.values() for cause in edges.values())


@pytest.mark.parametrize(("states", "table", "by_hand"), TABLES)
def test_every_state_can_be_reached_and_can_come_to_an_end(
    states: type[StrEnum],
    table: Mapping[StrEnum, Mapping[StrEnum, str]],
    by_hand: dict[str, set[str]],
) -> None:
    first = str(next(iter(states)))
    assert _reachable(by_hand, first) == set(by_hand)
    ends = {state for state, edges in by_hand.items() if not edges}
    assert all(_reachable(by_hand, state) & ends for state in by_hand)


def _reachable(edges: dict[str, set[str]], start: str) -> set[str]:
    found, rest = {start}, [start]
    while rest:
        new = edges[rest.pop()] - found
        found |= new
        rest.extend(new)
    return found


def _moves(
    table: dict[str, set[str]], states: type[StrEnum], *, legal: bool
) -> list[tuple[StrEnum, StrEnum]]:
    return [(old, new) for old in states for new in states if (new in table[old]) is legal]


@pytest.mark.parametrize(("old", "new"), _moves(CLAIM, ClaimState, legal=True))
def test_a_claim_moves_along_an_edge(old: ClaimState, new: ClaimState) -> None:
    moved = move_claim(a_claim(state=old), new, later(1), "because")
    assert (moved.state, moved.since, moved.reason) == (new, later(1), "because")
    assert moved.history[-1].state == new
    assert moved.version == 1


@pytest.mark.parametrize(("old", "new"), _moves(CLAIM, ClaimState, legal=False))
def test_a_claim_moves_along_no_other(old: ClaimState, new: ClaimState) -> None:
    with pytest.raises(Illegal, match=rf"ClaimState: no edge from {old} to {new}"):
        move_claim(a_claim(state=old), new, NOW, "because")


@pytest.mark.parametrize(("old", "new"), _moves(INSTANCE, InstanceState, legal=True))
def test_an_instance_moves_along_an_edge(old: InstanceState, new: InstanceState) -> None:
    moved = move_instance(an_instance(old), new, later(1), "because")
    assert (moved.state, moved.since, moved.reason) == (new, later(1), "because")
    assert moved.history[-1].at == later(1)
    assert moved.version == 3


@pytest.mark.parametrize(("old", "new"), _moves(INSTANCE, InstanceState, legal=False))
def test_an_instance_moves_along_no_other(old: InstanceState, new: InstanceState) -> None:
    with pytest.raises(Illegal, match=rf"InstanceState: no edge from {old} to {new}"):
        move_instance(an_instance(old), new, NOW, "because")


def test_a_launch_is_settled_once() -> None:
    settled = settle_launch(a_launch(), later(1), "EC2 launched 1 of 1")
    assert (settled.state, settled.since) == (LaunchState.SETTLED, later(1))
    assert [step.state for step in settled.history] == ["open", "settled"]
    with pytest.raises(Illegal):
        settle_launch(settled, later(2), "again")


def test_open_means_that_an_edge_leads_on() -> None:
    assert {str(s) for s in OPEN_CLAIMS} == {s for s, edges in CLAIM.items() if edges}
    assert {str(s) for s in OPEN_INSTANCES} == {s for s, edges in INSTANCE.items() if edges}
    assert all(a_claim(state=s).open is (s in OPEN_CLAIMS) for s in ClaimState)
    assert all(an_instance(s).open is (s in OPEN_INSTANCES) for s in InstanceState)
    assert a_launch().open
    assert not settle_launch(a_launch(), NOW, "answered").open


def test_a_failed_claim_stays_open_until_buildkite_is_told() -> None:
    assert a_claim(state=ClaimState.FAILED, told=False).open
    assert not a_claim(state=ClaimState.FAILED, told=True).open


def test_what_is_coming_is_what_has_ready_before_it() -> None:
    before_ready = {s for s in INSTANCE if "ready" in _reachable(INSTANCE, s)} - {"ready"}
    assert {str(state) for state in COMING} == before_ready


def test_every_state_that_waits_has_a_deadline() -> None:
    # READY is bounded by the queue's own max-idle-hours.
    assert set(DEADLINES) == OPEN_INSTANCES - {InstanceState.READY}
    assert set(CLAIM_DEADLINES) == OPEN_CLAIMS - {ClaimState.RUNNING}
    assert all(timedelta() < each <= timedelta(hours=1) for each in DEADLINES.values())
    assert all(timedelta() < each <= timedelta(hours=1) for each in CLAIM_DEADLINES.values())
    assert DEADLINES[InstanceState.REQUESTED] == REPEAT_LAUNCH


def test_history_is_capped_and_keeps_the_latest() -> None:
    claim = a_claim()
    for number in range(HISTORY):
        claim = move_claim(claim, ClaimState.ASSIGNED, later(number), f"bound {number}")
        claim = move_claim(claim, ClaimState.WAITING, later(number), f"attempt {number} failed")
    assert len(claim.history) == HISTORY
    assert claim.history[-1].reason == f"attempt {HISTORY - 1} failed"
    assert claim.history[0].reason == f"bound {HISTORY // 2}"


def test_a_whole_life_fits_into_the_history_of_an_instance() -> None:
    instance = an_instance(InstanceState.REQUESTED)
    for state in list(InstanceState)[1:]:
        if state is not InstanceState.CONDEMNED:
            instance = move_instance(instance, state, NOW, f"now {state}")
    assert [step.state for step in instance.history] == [
        state for state in INSTANCE if state not in {"requested", "condemned"}
    ]


def test_a_host_gives_up_and_says_why_before_the_control_plane_gives_it_up() -> None:
    host = Limits()
    last = host.last_report
    assert timedelta(seconds=host.set_up + last) < DEADLINES[InstanceState.BOOTING]
    assert timedelta(seconds=host.gate + last) < DEADLINES[InstanceState.SWAPPING]
    assert timedelta(seconds=host.delivery + last) < DEADLINES[InstanceState.RUNNING]
