"""What becomes of a claim by Buildkite's word, its instance, its token and the clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import pytest

from mayfly.actions import Write
from mayfly.decide.claims import (
    ACCEPTED,
    ENDED,
    STILL_OURS,
    WITH_AGENT,
    BindTimes,
    ClaimsView,
    bound,
    settle,
)
from mayfly.errors import Illegal
from mayfly.model import Claim, Instance, SlotKey
from mayfly.ports import Save, Unassign
from mayfly.states import ClaimState, InstanceState
from tests.unit.builders import (
    NOW,
    a_claim,
    ago,
    an_instance,
    assigned,
    later,
    row,
    saves,
    slot,
)

ASSIGNED = an_instance(InstanceState.ASSIGNED)
GONE = an_instance(InstanceState.TERMINATED, reason="EC2 ended it: spot")


def settled(
    claim: Claim,
    word: str = "",
    instance: Instance | None = ASSIGNED,
    *,
    attempts: int = 3,
    paused: bool = False,
) -> list[Write]:
    states = {claim.job: word} if word else {}
    instances: dict[SlotKey, Instance] = {instance.key: instance} if instance else {}
    return list(settle(ClaimsView((claim,), states, instances, attempts, paused), NOW))


# -- waiting ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Waiting:
    story: str
    word: str = "reserved"
    claim: Claim = field(default_factory=a_claim)
    paused: bool = False
    reason: str = ""
    """Why it is released; empty when it goes on waiting."""


WAITING = [
    Waiting("a reserved job goes on waiting"),
    Waiting("so does one of which Buildkite says nothing", word=""),
    Waiting("so does one whose state says nothing about us", word="limiting"),
    Waiting("a cancelled job is released", "canceled", reason="Buildkite says canceled"),
    Waiting("one being cancelled too", "canceling", reason="Buildkite says canceling"),
    Waiting("one that ran elsewhere too", "finished", reason="Buildkite says finished"),
    Waiting("one that timed out too", "timed_out", reason="Buildkite says timed_out"),
    Waiting("one that expired too", "expired", reason="Buildkite says expired"),
    Waiting("one whose step is skipped too", "skipped", reason="Buildkite says skipped"),
    Waiting("an accepted job is somebody else's", "accepted", reason="taken by someone else"),
    Waiting("so is one that an agent was given", "assigned", reason="taken by someone else"),
    Waiting("so is one that runs", "running", reason="taken by someone else"),
    Waiting("an hour is waited", claim=a_claim(since=ago(60))),
    Waiting("and not longer", claim=a_claim(since=ago(60, seconds=1)), reason="it waited an hour"),
    Waiting(
        "not even when Buildkite says nothing",
        "",
        a_claim(since=ago(60, seconds=1)),
        reason="it waited an hour",
    ),
    Waiting("a pause leaves what is reserved", paused=True),
    Waiting(
        "and lets go of it when the reservation has run out",
        "scheduled",
        a_claim(reserved_until=NOW),
        paused=True,
        reason="the queue is paused",
    ),
    Waiting(
        "and of what never was reserved",
        "scheduled",
        a_claim(reserved_until=None),
        paused=True,
        reason="the queue is paused",
    ),
    Waiting("a reservation that ran out may be made again", claim=a_claim(reserved_until=ago(1))),
    Waiting("so may one that could not be made yet", claim=a_claim(reserved_until=None)),
    Waiting(
        "a job that Buildkite reserves for us no more is left to others",
        claim=a_claim(reserved_until=ago(1, seconds=1)),
        reason="Buildkite does not reserve it for us",
    ),
    Waiting(
        "so is one that it never did",
        "scheduled",
        a_claim(since=ago(1, seconds=1), reserved_until=None),
        reason="Buildkite does not reserve it for us",
    ),
    Waiting(
        "which nobody knows while Buildkite says nothing",
        "",
        a_claim(since=ago(2), reserved_until=None),
    ),
]


@pytest.mark.parametrize("row_", WAITING, ids=lambda row_: row_.story)
def test_a_waiting_claim(row_: Waiting) -> None:
    writes = settled(row_.claim, row_.word, paused=row_.paused)
    if not row_.reason:
        assert writes == []
        return
    (write,) = writes
    (change,) = write.changes  # no instance is touched: it serves the next job
    assert isinstance(change, Save)
    assert saves(write)["Claim"].state is ClaimState.RELEASED
    assert row_.reason in write.reason
    assert saves(write)["Claim"].reason == write.reason


# -- assigned --------------------------------------------------------------------------------------

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
def test_an_assigned_claim(row_: Bound) -> None:
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


def test_another_attempt_starts_from_nothing_but_the_reservation() -> None:
    (write,) = settled(assigned(attempt=2, reserved_until=later(4)), "reserved", GONE)
    claim = saves(write)["Claim"]
    assert (claim.state, claim.attempt, claim.since) == (ClaimState.WAITING, 3, NOW)
    assert (claim.slot, claim.token_until) == (None, None)
    assert claim.reserved_until == later(4)
    assert claim.reason == f"attempt 2 failed: instance {GONE.instance_id}: EC2 ended it: spot"


def test_a_job_that_failed_here_is_yet_to_be_told_with_the_cause_of_the_last_attempt() -> None:
    (write,) = settled(assigned(attempt=3), "reserved", GONE)
    claim = saves(write)["Claim"]
    assert not claim.told
    assert claim.open
    assert claim.reason.startswith("Mayfly gave up after 3 attempts; the last one: instance i-")
    assert claim.reason.endswith("EC2 ended it: spot")


def test_a_job_on_time_without_effect_is_told_so() -> None:
    (write,) = settled(DEAD, "reserved")
    assert "did not start the job in time" in saves(write)["Claim"].reason
    assert saves(write)["Instance"].reason == "its attempt at a job is over"


# -- running and closed ----------------------------------------------------------------------------


@pytest.mark.parametrize("word", sorted(ENDED))
def test_a_running_claim_ends_with_its_job(word: str) -> None:
    (write,) = settled(assigned(state=ClaimState.RUNNING), word)
    assert saves(write)["Claim"].state is ClaimState.FINISHED
    assert list(saves(write)) == ["Claim"]  # the host leaves by itself


@pytest.mark.parametrize("word", ["", *sorted(WITH_AGENT | STILL_OURS)])
def test_what_was_accepted_is_never_repeated_nor_finished(word: str) -> None:
    accepted = assigned(state=ClaimState.RUNNING, token_until=ago(60), attempt=1)
    assert settled(accepted, word, GONE) == []


@pytest.mark.parametrize("state", [ClaimState.FINISHED, ClaimState.RELEASED, ClaimState.FAILED])
@pytest.mark.parametrize("word", ["", "canceled", "reserved", "running", "finished"])
def test_a_closed_claim_stays_as_it_is(state: ClaimState, word: str) -> None:
    assert settled(a_claim(state=state, told=False), word) == []


def test_every_word_of_buildkite_has_one_meaning() -> None:
    assert not STILL_OURS & WITH_AGENT
    assert not (STILL_OURS | WITH_AGENT) & ENDED
    assert ACCEPTED < WITH_AGENT


# -- binding ---------------------------------------------------------------------------------------


def test_a_binding_ties_claim_and_instance() -> None:
    claim, instance = bound(a_claim(), an_instance(), {"max_minutes": 30}, BindTimes(NOW, later(5)))
    assert (claim.state, claim.slot, claim.token_until) == (C.ASSIGNED, slot(), later(5))
    assert (instance.state, instance.job, instance.max_minutes) == (S.ASSIGNED, "job-1", 30)
    assert claim.since == instance.since == NOW


@pytest.mark.parametrize("state", [s for s in InstanceState if s is not InstanceState.READY])
def test_only_a_ready_instance_can_be_bound(state: InstanceState) -> None:
    times = BindTimes(NOW, later(5))
    with pytest.raises(Illegal):
        bound(a_claim(), an_instance(state), {"max_minutes": 30}, times)


@pytest.mark.parametrize("state", [s for s in ClaimState if s is not ClaimState.WAITING])
def test_only_a_waiting_claim_can_be_bound(state: ClaimState) -> None:
    times = BindTimes(NOW, later(5))
    with pytest.raises(Illegal):
        bound(a_claim(state=state), an_instance(), {"max_minutes": 30}, times)


def at(when: datetime, view: ClaimsView) -> list[Write]:
    return list(settle(view, when))


def test_each_claim_is_settled_for_itself() -> None:
    claims = (a_claim("job-1"), assigned("job-2"), a_claim("job-3"))
    view = ClaimsView(
        claims, {"job-1": "canceled", "job-2": "running", "job-3": "reserved"}, {}, 3, paused=False
    )
    assert [saves(write)["Claim"].job for write in at(NOW, view)] == ["job-1", "job-2"]
