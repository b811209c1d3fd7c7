"""How a claim is settled: by Buildkite's state of its job, reservation, pause and time."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from mayfly.dispatch.bound import TOKEN_LIFE, TOKEN_SLACK, bind_pair
from mayfly.dispatch.settled import (
    ACCEPTED,
    BEFORE_AGENT,
    ENDED,
    UNKNOWN,
    WITH_AGENT,
    claims_after,
    settle,
)
from mayfly.dispatch.view import QueueView
from mayfly.errors import Illegal
from mayfly.records.changes import Save
from mayfly.records.model import Claim
from mayfly.records.states import ClaimState, InstanceState
from tests.unit.builders import (
    NOW,
    SPEC,
    a_claim,
    a_config,
    ago,
    an_instance,
    assigned,
    saves,
    slot,
)
from tests.unit.claims_views import GONE, settled

# -- waiting ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Waiting:
    story: str
    word: str = "reserved"
    claim: Claim = field(default_factory=a_claim)
    paused: bool = False
    reason: str = ""
    """Why the claim is released; empty when the claim goes on waiting."""


WAITING = [
    Waiting("a reserved job goes on waiting"),
    Waiting("a job without a state from Buildkite goes on waiting", word=""),
    Waiting("a job in an unrelated state goes on waiting", word="limiting"),
    Waiting("a cancelled job is released", "canceled", reason="Buildkite says canceled"),
    Waiting("a job being cancelled is released", "canceling", reason="Buildkite says canceling"),
    Waiting("a job that ran elsewhere is released", "finished", reason="Buildkite says finished"),
    Waiting("a timed-out job is released", "timed_out", reason="Buildkite says timed_out"),
    Waiting("an expired job is released", "expired", reason="Buildkite says expired"),
    Waiting("a skipped job is released", "skipped", reason="Buildkite says skipped"),
    Waiting(
        "a job accepted by another agent is released", "accepted", reason="taken by someone else"
    ),
    Waiting(
        "a job assigned to another agent is released", "assigned", reason="taken by someone else"
    ),
    Waiting("a job that runs elsewhere is released", "running", reason="taken by someone else"),
    Waiting("a reserved claim may wait for days", claim=a_claim(since=ago(60 * 72))),
    Waiting(
        "a claim that Buildkite does not know may wait for an hour after its reservation",
        UNKNOWN,
        a_claim(since=ago(600), reserved_until=ago(60)),
    ),
    Waiting(
        "without an answer of Buildkite a claim waits for longer",
        "",
        a_claim(since=ago(600), reserved_until=ago(120)),
    ),
    Waiting(
        "a claim that Buildkite does not know is released an hour after its reservation",
        UNKNOWN,
        a_claim(since=ago(600), reserved_until=ago(60, seconds=1)),
        reason="for an hour Buildkite has neither reserved nor known the job",
    ),
    Waiting("a pause leaves a reserved claim waiting", paused=True),
    Waiting(
        "a pause releases a claim after its reservation",
        "scheduled",
        a_claim(reserved_until=NOW),
        paused=True,
        reason="the queue is paused",
    ),
    Waiting(
        "a pause releases a claim that was never reserved",
        "scheduled",
        a_claim(reserved_until=None),
        paused=True,
        reason="the queue is paused",
    ),
    Waiting(
        "an expired reservation has a minute to be renewed", claim=a_claim(reserved_until=ago(1))
    ),
    Waiting("a new claim has a minute to be reserved", claim=a_claim(reserved_until=None)),
    Waiting(
        "a claim is released a minute after its reservation",
        claim=a_claim(reserved_until=ago(1, seconds=1)),
        reason="Buildkite does not reserve the job for Mayfly",
    ),
    Waiting(
        "a claim that is never reserved is released after a minute",
        "scheduled",
        a_claim(since=ago(1, seconds=1), reserved_until=None),
        reason="Buildkite does not reserve the job for Mayfly",
    ),
    Waiting(
        "without a state from Buildkite an unreserved claim goes on waiting",
        "",
        a_claim(since=ago(2), reserved_until=None),
    ),
]


@pytest.mark.parametrize("row_", WAITING, ids=lambda row_: row_.story)
def test_how_a_waiting_claim_is_settled(row_: Waiting) -> None:
    writes = settled(row_.claim, row_.word, paused=row_.paused)
    if not row_.reason:
        assert writes == []
        return
    (write,) = writes
    (change,) = write.changes  # no instance is written: an idle instance serves the next job
    assert isinstance(change, Save)
    assert saves(write)["Claim"].state is ClaimState.RELEASED
    assert row_.reason in write.reason
    assert saves(write)["Claim"].reason == write.reason


# -- running and closed ----------------------------------------------------------------------------


@pytest.mark.parametrize("word", sorted(ENDED))
def test_a_running_claim_ends_with_its_job(word: str) -> None:
    (write,) = settled(assigned(state=ClaimState.RUNNING), word)
    assert saves(write)["Claim"].state is ClaimState.FINISHED
    assert list(saves(write)) == ["Claim"]  # the host powers itself off


@pytest.mark.parametrize("word", ["", *sorted(WITH_AGENT | BEFORE_AGENT)])
def test_an_accepted_claim_is_neither_repeated_nor_failed(word: str) -> None:
    accepted = assigned(state=ClaimState.RUNNING, token_until=ago(60), attempt=1)
    assert settled(accepted, word, GONE) == []


@pytest.mark.parametrize("state", [ClaimState.FINISHED, ClaimState.RELEASED, ClaimState.FAILED])
@pytest.mark.parametrize("word", ["", "canceled", "reserved", "running", "finished"])
def test_a_closed_claim_is_not_written(state: ClaimState, word: str) -> None:
    assert settled(a_claim(state=state, told=False), word) == []


def test_every_buildkite_state_has_one_meaning() -> None:
    assert not BEFORE_AGENT & WITH_AGENT
    assert not (BEFORE_AGENT | WITH_AGENT) & ENDED
    assert ACCEPTED < WITH_AGENT


# -- binding ---------------------------------------------------------------------------------------


def test_a_binding_assigns_claim_and_instance_to_each_other() -> None:
    claim, instance = bind_pair(a_claim(), an_instance(), 30, NOW)
    until = NOW + TOKEN_LIFE + TOKEN_SLACK
    assert (claim.state, claim.slot, claim.token_until) == (ClaimState.ASSIGNED, slot(), until)
    assert (instance.state, instance.job, instance.max_minutes) == (
        InstanceState.ASSIGNED,
        "job-1",
        30,
    )
    assert claim.since == instance.since == NOW


@pytest.mark.parametrize("state", [s for s in InstanceState if s is not InstanceState.READY])
def test_only_a_ready_instance_can_be_bound(state: InstanceState) -> None:
    with pytest.raises(Illegal):
        bind_pair(a_claim(), an_instance(state), 30, NOW)


@pytest.mark.parametrize("state", [s for s in ClaimState if s is not ClaimState.WAITING])
def test_only_a_waiting_claim_can_be_bound(state: ClaimState) -> None:
    with pytest.raises(Illegal):
        bind_pair(a_claim(state=state), an_instance(), 30, NOW)


def test_claims_are_settled_independently() -> None:
    claims = (a_claim("job-1"), assigned("job-2"), a_claim("job-3"))
    states = {"job-1": "canceled", "job-2": "running", "job-3": "reserved"}
    writes = settle(QueueView(SPEC, claims, states=states), a_config(), NOW)
    assert [saves(write)["Claim"].job for write in writes] == ["job-1", "job-2"]


def test_only_written_and_untouched_claims_remain_in_the_view() -> None:
    claims = (a_claim("done"), a_claim("failed"), a_claim("untouched"))
    states = {"done": "canceled", "failed": "canceled"}
    planned = list(settle(QueueView(SPEC, claims, states=states), a_config(), NOW))
    standing = claims_after(claims, planned, planned[:1])
    assert [(claim.job, claim.state, claim.version - claims[0].version) for claim in standing] == [
        ("done", ClaimState.RELEASED, 1),
        ("untouched", ClaimState.WAITING, 0),
    ]
