"""The tables of states: every edge, every deadline, every trait."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from datetime import timedelta
from enum import StrEnum
from typing import Any

import pytest

from mayfly.errors import Illegal
from mayfly.records.model import HISTORY, move_claim, move_instance, settle_launch
from mayfly.records.states import (
    CLAIM_STATES,
    INSTANCE_STATES,
    LAUNCH_STATES,
    OPEN_CLAIMS,
    OPEN_INSTANCES,
    OPEN_LAUNCHES,
    REPEAT_LAUNCH,
    Agent,
    Allowance,
    ClaimState,
    ClaimTraits,
    Ending,
    HostEnd,
    InstanceState,
    InstanceTraits,
    LaunchState,
    LaunchTraits,
    Reaping,
    Running,
    SetUp,
    SpotWarning,
    Stop,
    Supply,
    Watch,
    claim_states,
    exhaustive,
    instance_states,
)
from mayfly_instance.limits import Limits
from tests.unit.builders import NOW, a_claim, a_launch, an_instance, later

# Written by hand after the way of a job in docs/architecture.md; the stopped pool is not built yet.
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
    "ready": {"assigned", "stopping", "condemned", "terminated"},
    "assigned": {"running", "condemned", "terminated"},
    "running": {"done", "condemned", "terminated"},
    "done": {"terminated"},
    "condemned": {"terminated"},
    "terminated": set(),
    "stopping": {"stopped", "condemned", "terminated"},
    "stopped": {"starting", "condemned", "terminated"},
    "starting": {"ready", "stopped", "condemned", "terminated"},
}
LAUNCH = {"open": {"settled"}, "settled": set()}

TABLES: list[tuple[type[StrEnum], Mapping[Any, Any], dict[str, set[str]]]] = [
    (ClaimState, CLAIM_STATES, CLAIM),
    (InstanceState, INSTANCE_STATES, INSTANCE),
    (LaunchState, LAUNCH_STATES, LAUNCH),
]


@pytest.mark.parametrize(("states", "table", "by_hand"), TABLES)
def test_a_table_of_states_has_exactly_the_edges_written_by_hand(
    states: type[StrEnum], table: Mapping[StrEnum, Any], by_hand: dict[str, set[str]]
) -> None:
    assert {str(old): {str(new) for new in row.edges} for old, row in table.items()} == by_hand
    assert set(by_hand) == {str(state) for state in states}


@pytest.mark.parametrize(("states", "table", "by_hand"), TABLES)
def test_every_edge_has_a_cause(
    states: type[StrEnum], table: Mapping[StrEnum, Any], by_hand: dict[str, set[str]]
) -> None:
    assert all(cause.strip() for row in table.values() for cause in row.edges.values())


@pytest.mark.parametrize(("states", "table", "by_hand"), TABLES)
def test_every_state_can_be_reached_and_leads_to_an_end(
    states: type[StrEnum], table: Mapping[StrEnum, Any], by_hand: dict[str, set[str]]
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
    return [
        (states(old), states(new)) for old in table for new in table if (new in table[old]) is legal
    ]


@pytest.mark.parametrize(("old", "new"), _moves(CLAIM, ClaimState, legal=True))
def test_a_claim_moves_along_an_edge(old: ClaimState, new: ClaimState) -> None:
    moved = move_claim(a_claim(state=old), new, later(1), "because")
    assert (moved.state, moved.since, moved.reason) == (new, later(1), "because")
    assert moved.history[-1].state == new
    assert moved.version == 1


@pytest.mark.parametrize(("old", "new"), _moves(CLAIM, ClaimState, legal=False))
def test_a_claim_move_without_an_edge_is_illegal(old: ClaimState, new: ClaimState) -> None:
    with pytest.raises(Illegal, match=rf"ClaimState: no edge from {old} to {new}"):
        move_claim(a_claim(state=old), new, NOW, "because")


@pytest.mark.parametrize(("old", "new"), _moves(INSTANCE, InstanceState, legal=True))
def test_an_instance_moves_along_an_edge(old: InstanceState, new: InstanceState) -> None:
    moved = move_instance(an_instance(old), new, later(1), "because")
    assert (moved.state, moved.since, moved.reason) == (new, later(1), "because")
    assert moved.history[-1].at == later(1)
    assert moved.version == 3


@pytest.mark.parametrize(("old", "new"), _moves(INSTANCE, InstanceState, legal=False))
def test_an_instance_move_without_an_edge_is_illegal(
    old: InstanceState, new: InstanceState
) -> None:
    with pytest.raises(Illegal, match=rf"InstanceState: no edge from {old} to {new}"):
        move_instance(an_instance(old), new, NOW, "because")


def test_a_launch_is_settled_once() -> None:
    settled = settle_launch(a_launch(), later(1), "EC2 launched 1 of 1")
    assert (settled.state, settled.since) == (LaunchState.SETTLED, later(1))
    assert [step.state for step in settled.history] == ["open", "settled"]
    with pytest.raises(Illegal):
        settle_launch(settled, later(2), "again")


def test_a_record_is_open_if_its_state_has_an_edge() -> None:
    assert {str(s) for s in OPEN_CLAIMS} == {s for s, edges in CLAIM.items() if edges}
    assert {str(s) for s in OPEN_INSTANCES} == {s for s, edges in INSTANCE.items() if edges}
    assert all(a_claim(state=s).open is (s in OPEN_CLAIMS) for s in ClaimState)
    assert all(an_instance(s).open is (s in OPEN_INSTANCES) for s in InstanceState)
    assert {str(s) for s in OPEN_LAUNCHES} == {s for s, edges in LAUNCH.items() if edges}
    assert a_launch().open
    assert not settle_launch(a_launch(), NOW, "answered").open


def test_a_failed_claim_stays_open_until_buildkite_is_told() -> None:
    assert a_claim(state=ClaimState.FAILED, told=False).open
    assert not a_claim(state=ClaimState.FAILED, told=True).open


def test_states_that_count_as_coming_or_stopped_are_the_other_states_that_lead_to_ready() -> None:
    before_ready = {s for s in INSTANCE if "ready" in _reachable(INSTANCE, s)} - {"ready"}
    coming = instance_states(lambda row: row.supply in {Supply.COMING, Supply.STOPPED})
    assert {str(state) for state in coming} == before_ready


def deadlines(table: Mapping[Any, Any]) -> dict[Any, timedelta]:
    return {state: row.deadline for state, row in table.items() if row.deadline is not None}


def test_every_state_that_waits_has_a_deadline() -> None:
    # READY is bounded by the queue's own max-idle-hours, STOPPED by its max-stopped-hours.
    instances, claims = deadlines(INSTANCE_STATES), deadlines(CLAIM_STATES)
    assert set(instances) == OPEN_INSTANCES - {InstanceState.READY, InstanceState.STOPPED}
    assert set(claims) == OPEN_CLAIMS - {ClaimState.RUNNING}
    assert all(timedelta() < each <= timedelta(hours=1) for each in instances.values())
    assert all(timedelta() < each <= timedelta(hours=1) for each in claims.values())
    assert instances[InstanceState.REQUESTED] == REPEAT_LAUNCH


def test_the_history_of_a_record_keeps_the_latest_steps() -> None:
    claim = a_claim()
    for number in range(HISTORY):
        claim = move_claim(claim, ClaimState.ASSIGNED, later(number), f"bound {number}")
        claim = move_claim(claim, ClaimState.WAITING, later(number), f"attempt {number} failed")
    assert len(claim.history) == HISTORY
    assert claim.history[-1].reason == f"attempt {HISTORY - 1} failed"
    assert claim.history[0].reason == f"bound {HISTORY // 2}"


def test_every_step_of_an_instance_fits_into_its_history() -> None:
    instance = an_instance(InstanceState.REQUESTED)
    warm = [InstanceState.STOPPING, InstanceState.STOPPED, InstanceState.STARTING]
    life = [s for s in InstanceState if s not in {*warm, InstanceState.CONDEMNED}]
    ready = life.index(InstanceState.READY)
    stopped_once = [*life[1 : ready + 1], *warm, *life[ready:]]
    for state in stopped_once:
        instance = move_instance(instance, state, NOW, f"now {state}")
    assert [step.state for step in instance.history] == stopped_once


def test_the_time_limits_of_a_host_end_before_the_deadlines_of_the_control_plane() -> None:
    host, limits = Limits(), deadlines(INSTANCE_STATES)
    last = host.last_report
    assert timedelta(seconds=host.set_up + last) < limits[InstanceState.BOOTING]
    assert timedelta(seconds=host.gate + last) < limits[InstanceState.SWAPPING]
    assert timedelta(seconds=host.delivery + last) < limits[InstanceState.RUNNING]


# -- a state without an answer ---------------------------------------------------------------------


@pytest.mark.parametrize(("states", "table", "by_hand"), TABLES)
def test_every_state_has_a_row_in_the_order_of_the_states(
    states: type[StrEnum], table: Mapping[StrEnum, Any], by_hand: dict[str, set[str]]
) -> None:
    assert list(table) == list(states)
    assert all(state.traits is row for state, row in table.items())  # type: ignore[attr-defined]


@pytest.mark.parametrize(("states", "table", "by_hand"), TABLES)
def test_a_table_that_lacks_a_state_is_a_type_error(
    states: type[StrEnum], table: Mapping[StrEnum, Any], by_hand: dict[str, set[str]]
) -> None:
    for left_out in states:
        rows = {state: row for state, row in table.items() if state is not left_out}
        with pytest.raises(TypeError, match=f"{states.__name__}: no row for {left_out}"):
            exhaustive(states, rows)


def test_two_states_cannot_share_a_rank() -> None:
    open_row, settled = LAUNCH_STATES.values()
    with pytest.raises(TypeError, match=r"LaunchState: states share a rank: \[0, 0\]"):
        exhaustive(LaunchState, {LaunchState.OPEN: open_row, LaunchState.SETTLED: open_row})
    rows = {LaunchState.SETTLED: settled, LaunchState.OPEN: open_row}
    assert list(exhaustive(LaunchState, rows)) == list(LaunchState)


@pytest.mark.parametrize("traits", [ClaimTraits, InstanceTraits, LaunchTraits])
def test_no_trait_has_a_default(traits: type[Any]) -> None:
    """A default would silently answer for a new state."""
    for each in fields(traits):
        assert each.default is MISSING
        assert each.default_factory is MISSING


# -- traits ----------------------------------------------------------------------------------------

COMING = "requested launching booting bootstrapped swapping"
INSTANCE_TRAITS: list[tuple[str, Callable[[InstanceTraits], bool]]] = [
    (f"{COMING} starting", lambda row: row.supply is Supply.COMING),
    ("stopping stopped", lambda row: row.supply is Supply.STOPPED),
    ("ready", lambda row: row.supply is Supply.READY),
    ("requested", lambda row: row.awaits_launch),
    ("launching", lambda row: row.notes_instance_id),
    ("launching booting bootstrapped swapping starting", lambda row: row.set_up is not SetUp.NONE),
    ("launching", lambda row: row.set_up is SetUp.AWAITED),
    ("booting", lambda row: row.set_up is SetUp.UNDER_WAY),
    ("bootstrapped", lambda row: row.set_up is SetUp.COMPLETE),
    ("swapping", lambda row: row.set_up is SetUp.TO_BE_PROVEN),
    ("starting", lambda row: row.set_up is SetUp.TO_BE_PROVEN_AGAIN),
    ("launching starting", lambda row: row.allowance is Allowance.BOOT),
    ("booting", lambda row: row.allowance is Allowance.SCRIPT),
    ("running", lambda row: row.allowance is Allowance.JOB),
    ("assigned", lambda row: row.awaits_acceptance),
    ("condemned terminated", lambda row: row.explains_attempt),
    ("requested terminated", lambda row: row.reaping is Reaping.NONE),
    ("done", lambda row: row.reaping is Reaping.AWAIT_POWER_OFF),
    ("condemned", lambda row: row.reaping is Reaping.TERMINATE),
    ("ready assigned", lambda row: row.host_end is HostEnd.CONDEMNS),
    ("running", lambda row: row.host_end is HostEnd.ENDS_JOB),
    ("done condemned terminated", lambda row: row.ending is Ending.EXPECTED),
    (
        "launching booting bootstrapped swapping ready assigned stopping stopped starting",
        lambda row: row.ending is Ending.CONDEMNS,
    ),
    (
        "launching booting bootstrapped swapping ready assigned",
        lambda row: row.stop is Stop.CONDEMNS,
    ),
    ("running", lambda row: row.stop is Stop.CONDEMNS_AT_END),
    ("stopping", lambda row: row.stop is Stop.COMPLETES),
    ("stopped", lambda row: row.running is Running.CONDEMNS),
    (
        "launching booting bootstrapped swapping ready stopping stopped starting",
        lambda row: row.spot_warning is SpotWarning.CONDEMNS,
    ),
    ("assigned running", lambda row: row.spot_warning is SpotWarning.REACHES_HOST),
]
CLAIM_TRAITS: list[tuple[str, Callable[[ClaimTraits], bool]]] = [
    ("waiting assigned finished failed", lambda row: row.watch is Watch.ALWAYS),
    ("running", lambda row: row.watch is Watch.WIDE),
    ("waiting", lambda row: row.waits),
    ("assigned", lambda row: row.bound),
    ("running", lambda row: row.agent is Agent.RUNS),
    ("finished", lambda row: row.agent is Agent.ENDED),
    ("failed", lambda row: row.told_to_buildkite),
    ("released failed", lambda row: row.given_up),
]


@pytest.mark.parametrize(("states", "question"), INSTANCE_TRAITS)
def test_each_instance_trait_holds_for_exactly_these_states(
    states: str, question: Callable[[InstanceTraits], bool]
) -> None:
    assert instance_states(question) == set(map(InstanceState, states.split()))


@pytest.mark.parametrize(("states", "question"), CLAIM_TRAITS)
def test_each_claim_trait_holds_for_exactly_these_states(
    states: str, question: Callable[[ClaimTraits], bool]
) -> None:
    assert claim_states(question) == set(map(ClaimState, states.split()))


def test_a_state_is_overstayed_only_after_its_deadline() -> None:
    moment = timedelta(microseconds=1)
    rows: list[ClaimTraits | InstanceTraits] = [*CLAIM_STATES.values(), *INSTANCE_STATES.values()]
    for row in rows:
        limit = row.deadline
        assert row.overstayed(timedelta.max) is (limit is not None)
        assert limit is None or not row.overstayed(limit)
        assert limit is None or row.overstayed(limit + moment)


def test_closed_states_have_no_deadline_and_no_task() -> None:
    for claim in CLAIM_STATES.values():
        assert claim.open or (claim.deadline, claim.waits, claim.bound) == (None, False, False)
    for row in INSTANCE_STATES.values():
        done = (row.deadline, row.supply, row.set_up, row.reaping)
        assert row.open or done == (None, Supply.NONE, SetUp.NONE, Reaping.NONE)
