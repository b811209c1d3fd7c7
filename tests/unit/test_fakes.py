"""The fakes beyond their ports: scripted faults, lists that lag, cancelled jobs."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mayfly.errors import Conflict, Transient
from mayfly.records.changes import Save
from mayfly.records.model import saved
from mayfly.records.states import ClaimState
from mayfly_fakes import FakeBuildkite, FakeFleet, FakeMailbox, FakeNudges
from tests.unit.builders import a_claim, a_job

NEW = a_claim(version=0)


@pytest.fixture
def fleet() -> FakeFleet:
    return FakeFleet(FakeMailbox())


def test_a_scripted_fault_is_raised_once_and_has_no_effect(fleet: FakeFleet) -> None:
    fleet.fail_next("write", Transient("throttled"))
    with pytest.raises(Transient, match="throttled"):
        fleet.write([Save(NEW)])
    assert fleet.claim("job-1") is None
    fleet.write([Save(NEW)])
    assert fleet.claim("job-1") == saved(NEW)
    assert fleet.calls == {"write": 2, "claim": 2}


def test_a_scripted_lost_answer_has_its_effect(fleet: FakeFleet) -> None:
    fleet.fail_next("write", Transient("lost"), done=True)
    with pytest.raises(Transient, match="lost"):
        fleet.write([Save(NEW)])
    assert fleet.claim("job-1") == saved(NEW)
    with pytest.raises(Conflict):
        fleet.write([Save(NEW)])


def test_faults_are_raised_in_the_order_of_the_script() -> None:
    nudges = FakeNudges()
    nudges.fail_next("send", Transient("a"), times=2)
    nudges.fail_next("send", Conflict("b"))
    errors = []
    for _ in range(4):
        try:
            nudges.send("now")
        except (Transient, Conflict) as error:
            errors.append(str(error))
    assert errors == ["a", "a", "b"]
    assert nudges.sent == ["now"]


def test_scripting_an_unknown_method_raises(fleet: FakeFleet) -> None:
    with pytest.raises(AttributeError):
        fleet.fail_next("wriet", Transient("never"))


def test_lists_lag_until_they_catch_up_and_single_reads_do_not_lag(fleet: FakeFleet) -> None:
    fleet.write([Save(NEW)])
    fleet.lag()
    running = a_claim(state=ClaimState.RUNNING, version=1)
    fleet.write([Save(running), Save(a_claim("job-2", version=0))])
    assert fleet.claims("deploy", [ClaimState.WAITING, ClaimState.RUNNING]) == [saved(NEW)]
    assert fleet.claim("job-1") == saved(running)
    fleet.catch_up()
    assert fleet.claims("deploy", [ClaimState.RUNNING]) == [saved(running)]
    assert [claim.job for claim in fleet.all(type(NEW))] == ["job-1", "job-2"]


def test_a_cancelled_job_ends_at_once_or_with_its_agent() -> None:
    buildkite = FakeBuildkite(lambda: datetime(2026, 11, 20, tzinfo=UTC))
    buildkite.add_queue("deploy")
    for name in ("waits", "runs"):
        buildkite.schedule("deploy", a_job(name))
    buildkite.reserve(["runs"], 60)
    buildkite.accept("runs", buildkite.tokens(["runs"], 60)["runs"])
    buildkite.start("runs")
    buildkite.cancel("waits")
    buildkite.cancel("runs")
    assert buildkite.states(["waits", "runs"]) == {"waits": "canceled", "runs": "canceling"}
    buildkite.end("runs", -1)
    assert buildkite.states(["runs"]) == {"runs": "canceled"}
    assert buildkite.jobs("deploy").jobs == ()
