"""How an assigned claim is settled: accepted, withdrawn, tried again, or failed."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from mayfly.records.changes import Unassign
from mayfly.records.model import Claim, Instance
from mayfly.records.states import ClaimState, InstanceState
from tests.unit.builders import (
    NOW,
    ago,
    an_instance,
    assigned,
    later,
    row,
    saves,
)
from tests.unit.claims_views import ASSIGNED, GONE, settled

DEAD = assigned(token_until=NOW)


@dataclass(frozen=True)
class Bound:
    story: str
    word: str
    claim: Claim = field(default_factory=assigned)
    instance: Instance | None = ASSIGNED
    state: ClaimState = ClaimState.ASSIGNED
    then: InstanceState | None = None
    """The state in which the instance is saved; None when no instance is saved."""


C, S = ClaimState, InstanceState
BOUND = [
    Bound("a reserved job is given time to be accepted", "reserved"),
    Bound("a job without a reservation is given time to be accepted", "scheduled"),
    Bound("a job assigned to an agent is given time to be accepted", "assigned"),
    Bound("a job without a state stays assigned", ""),
    Bound("a job without a state stays assigned beyond its token", "", DEAD),
    Bound("a job without a state stays assigned beyond its instance", "", instance=GONE),
    Bound("an accepted job runs", "accepted", state=C.RUNNING, then=S.RUNNING),
    Bound("a started job runs", "running", state=C.RUNNING, then=S.RUNNING),
    Bound("a job being cancelled by its agent runs", "canceling", state=C.RUNNING, then=S.RUNNING),
    Bound("a job being timed out by its agent runs", "timing_out", state=C.RUNNING, then=S.RUNNING),
    Bound(
        "a job that finished between ticks is finished",
        "finished",
        state=C.FINISHED,
        then=S.RUNNING,
    ),
    Bound(
        "a job that timed out between ticks is finished",
        "timed_out",
        state=C.FINISHED,
        then=S.RUNNING,
    ),
    Bound(
        "a job accepted with a token now expired runs",
        "accepted",
        DEAD,
        state=C.RUNNING,
        then=S.RUNNING,
    ),
    Bound("a job is lost with its terminated instance", "running", instance=GONE, state=C.FINISHED),
    Bound(
        "a job is lost with an instance without record", "running", instance=None, state=C.FINISHED
    ),
    Bound(
        "a job runs on a condemned instance",
        "running",
        instance=an_instance(S.CONDEMNED, job="job-1"),
        state=C.RUNNING,
    ),
    Bound("a cancelled job condemns its instance", "canceled", state=C.RELEASED, then=S.CONDEMNED),
    Bound("a skipped job condemns its instance", "skipped", state=C.RELEASED, then=S.CONDEMNED),
    Bound("a broken job condemns its instance", "broken", state=C.RELEASED, then=S.CONDEMNED),
    Bound("an expired job condemns its instance", "expired", state=C.RELEASED, then=S.CONDEMNED),
    Bound(
        "a cancelled job of a terminated instance is released",
        "canceled",
        instance=GONE,
        state=C.RELEASED,
    ),
    Bound("a terminated instance ends the attempt", "reserved", instance=GONE, state=C.WAITING),
    Bound(
        "a terminated instance ends the attempt of an unreserved job",
        "scheduled",
        instance=GONE,
        state=C.WAITING,
    ),
    Bound(
        "an instance without record ends the attempt", "reserved", instance=None, state=C.WAITING
    ),
    Bound("an expired token ends the attempt", "reserved", DEAD, state=C.WAITING, then=S.CONDEMNED),
    Bound(
        "a condemned instance may still start the job",
        "reserved",
        instance=an_instance(S.CONDEMNED, job="job-1"),
    ),
    Bound(
        "an expired token ends the attempt on a condemned instance",
        "reserved",
        DEAD,
        an_instance(S.CONDEMNED, job="job-1"),
        state=C.WAITING,
    ),
    Bound(
        "the last attempt fails the job",
        "reserved",
        assigned(attempt=3),
        GONE,
        state=C.FAILED,
    ),
    Bound(
        "an attempt beyond a lowered limit fails the job",
        "reserved",
        assigned(attempt=5),
        GONE,
        state=C.FAILED,
    ),
    Bound(
        "a job without a state is given up after an hour, if its instance has ended",
        "",
        assigned(since=ago(60, seconds=1)),
        GONE,
        state=C.RELEASED,
    ),
    Bound(
        "a job assigned to an agent is given up after an hour, if its instance has ended",
        "assigned",
        assigned(since=ago(60, seconds=1)),
        GONE,
        state=C.RELEASED,
    ),
    Bound(
        "a job without a state is not given up while its instance lives",
        "",
        assigned(since=ago(300), token_until=ago(290)),
    ),
]


@pytest.mark.parametrize("row_", BOUND, ids=lambda row_: row_.story)
def test_how_an_assigned_claim_is_settled(row_: Bound) -> None:
    writes = settled(row_.claim, row_.word, row_.instance)
    if row_.state is ClaimState.ASSIGNED:
        assert writes == []
        return
    (write,) = writes
    saved = saves(write)
    assert saved["Claim"].state is row_.state
    assert saved["Claim"].reason
    assert (saved["Instance"].state if "Instance" in saved else None) is row_.then
    removed = [change.row for change in write.changes if isinstance(change, Unassign)]
    assert removed == ([row(row_.instance)] if row_.instance else [])


def test_another_attempt_keeps_only_the_reservation() -> None:
    (write,) = settled(assigned(attempt=2, reserved_until=later(4)), "reserved", GONE)
    claim = saves(write)["Claim"]
    assert (claim.state, claim.attempt, claim.since) == (ClaimState.WAITING, 3, NOW)
    assert (claim.slot, claim.token_until) == (None, None)
    assert claim.reserved_until == later(4)
    assert (
        claim.reason
        == f"attempt 2 failed: instance {GONE.instance_id}: EC2 ended the instance: spot"
    )


def test_a_failed_claim_is_untold_and_names_the_cause_of_the_last_attempt() -> None:
    (write,) = settled(assigned(attempt=3), "reserved", GONE)
    claim = saves(write)["Claim"]
    assert not claim.told
    assert claim.open
    assert claim.reason.startswith("Mayfly gave up after 3 attempts; the last one: instance i-")
    assert claim.reason.endswith("EC2 ended the instance: spot")


def test_an_expired_token_is_the_reason_of_a_failed_attempt() -> None:
    (write,) = settled(DEAD, "reserved")
    assert "did not start the job in time" in saves(write)["Claim"].reason
    assert saves(write)["Instance"].reason == "the attempt to start its job is over"
