"""What becomes of an assigned claim: accepted, withdrawn, tried again, or failed."""

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
    """The state in which the instance is saved; None when it is not."""


C, S = ClaimState, InstanceState
BOUND = [
    Bound("a reserved job is given time to be accepted", "reserved"),
    Bound("so is one whose reservation ran out", "scheduled"),
    Bound("an agent that has it must still accept it", "assigned"),
    Bound("of an unknown state nothing follows", ""),
    Bound("not even when the token is dead", "", DEAD),
    Bound("nor when the instance is gone", "", instance=GONE),
    Bound("accepted, it runs", "accepted", state=C.RUNNING, then=S.RUNNING),
    Bound("started, it runs", "running", state=C.RUNNING, then=S.RUNNING),
    Bound("being cancelled, it is its agent's", "canceling", state=C.RUNNING, then=S.RUNNING),
    Bound("timing out, it is its agent's", "timing_out", state=C.RUNNING, then=S.RUNNING),
    Bound("finished before we looked", "finished", state=C.FINISHED, then=S.RUNNING),
    Bound("timed out before we looked", "timed_out", state=C.FINISHED, then=S.RUNNING),
    Bound("accepted with a dead token", "accepted", DEAD, state=C.RUNNING, then=S.RUNNING),
    Bound("accepted on an instance that is gone", "running", instance=GONE, state=C.RUNNING),
    Bound("accepted, its instance without a record", "running", instance=None, state=C.RUNNING),
    Bound(
        "accepted on a condemned instance",
        "running",
        instance=an_instance(S.CONDEMNED, job="job-1"),
        state=C.RUNNING,
    ),
    Bound("cancelled, it takes its instance along", "canceled", state=C.RELEASED, then=S.CONDEMNED),
    Bound("skipped too", "skipped", state=C.RELEASED, then=S.CONDEMNED),
    Bound("broken too", "broken", state=C.RELEASED, then=S.CONDEMNED),
    Bound("expired too", "expired", state=C.RELEASED, then=S.CONDEMNED),
    Bound("cancelled with the instance gone", "canceled", instance=GONE, state=C.RELEASED),
    Bound("an instance gone ends the attempt", "reserved", instance=GONE, state=C.WAITING),
    Bound("reserved or not", "scheduled", instance=GONE, state=C.WAITING),
    Bound("so does an instance without a record", "reserved", instance=None, state=C.WAITING),
    Bound("so does a dead token", "reserved", DEAD, state=C.WAITING, then=S.CONDEMNED),
    Bound(
        "a condemned instance may still start the job",
        "reserved",
        instance=an_instance(S.CONDEMNED, job="job-1"),
    ),
    Bound(
        "until its token is dead",
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
        "more attempts than there may be now, too",
        "reserved",
        assigned(attempt=5),
        GONE,
        state=C.FAILED,
    ),
    Bound(
        "an hour after its instance ended, what Buildkite does not know is given up",
        "",
        assigned(since=ago(60, seconds=1)),
        GONE,
        state=C.RELEASED,
    ),
    Bound(
        "or what is in no state of ours",
        "assigned",
        assigned(since=ago(60, seconds=1)),
        GONE,
        state=C.RELEASED,
    ),
    Bound(
        "but not while its instance lives and may run it",
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
