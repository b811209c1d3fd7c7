"""The times of a claim's phases, in whatever order the world shows them."""

from __future__ import annotations

from mayfly.dispatch.bound import with_reservations
from mayfly.records.model import Claim, move_claim
from mayfly.records.phases import NO_PHASES, Phases
from mayfly.records.states import ClaimState
from tests.unit.builders import NOW, a_claim, later

_S = ClaimState


def moved(claim: Claim, *states: ClaimState) -> Claim:
    """The claim after these states, a minute apart, the first at minute 1."""
    for minute, state in enumerate(states, start=1):
        claim = move_claim(claim, state, later(minute), "because")
    return claim


def test_a_job_that_runs_has_the_time_of_each_phase() -> None:
    (claim,) = with_reservations([a_claim(reserved_until=None)], {"job-1"}, NOW)
    ended = moved(claim, _S.ASSIGNED, _S.RUNNING, _S.FINISHED)
    assert ended.phases == Phases(NOW, later(1), later(2), later(3))


def test_a_renewed_reservation_keeps_the_time_of_the_first() -> None:
    (claim,) = with_reservations([a_claim(reserved_until=None)], {"job-1"}, NOW)
    (again,) = with_reservations([claim], {"job-1"}, later(4))
    assert again.phases == Phases(reserved=NOW)
    assert again.reserved_until != claim.reserved_until


def test_a_claim_that_buildkite_does_not_reserve_has_no_such_time() -> None:
    assert with_reservations([a_claim()], {"another"}, NOW)[0].phases == NO_PHASES


def test_a_later_attempt_has_its_own_time_of_assignment() -> None:
    waits = moved(a_claim(), _S.ASSIGNED, _S.WAITING)
    assert waits.phases == NO_PHASES
    assert moved(a_claim(), _S.ASSIGNED, _S.WAITING, _S.ASSIGNED).phases == Phases(
        assigned=later(3)
    )


def test_a_claim_that_ends_before_an_agent_has_the_job_was_never_accepted() -> None:
    assert moved(a_claim(), _S.RELEASED).phases == Phases(finished=later(1))
    assert moved(a_claim(), _S.FAILED).phases == Phases(finished=later(1))
    ended = moved(a_claim(), _S.ASSIGNED, _S.FAILED)
    assert ended.phases == Phases(assigned=later(1), finished=later(2))


def test_a_job_that_was_accepted_and_ended_between_two_ticks_has_both_times() -> None:
    """`dispatch` moves such a claim twice at one time."""
    running = move_claim(moved(a_claim(), _S.ASSIGNED), _S.RUNNING, later(9), "Buildkite says")
    ended = move_claim(running, _S.FINISHED, later(9), "Buildkite says")
    assert ended.phases == Phases(None, later(1), later(9), later(9))
