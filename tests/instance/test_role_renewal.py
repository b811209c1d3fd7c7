"""When a job's role is renewed, and what the job gets while it cannot be."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mayfly_instance.aws import AwsError, Denied, Unavailable
from mayfly_instance.job_role import Renewal, refusal
from mayfly_instance.role_session import RoleSession
from mayfly_instance.scrub import Scrubber
from mayfly_instance.sigv4 import Credentials
from tests.instance.fakes import FakeClock, credentials

ARN = "arn:aws:iam::123456789012:role/ci/deploy-app"


class Sts:
    """Sessions of one role, which begin when they are asked for; or the errors of a test."""

    def __init__(self, clock: FakeClock, seconds: int) -> None:
        self.clock = clock
        self.seconds = seconds
        self.error: AwsError | None = None
        self.asked: list[float] = []

    def assume(self) -> Credentials:
        self.asked.append(self.clock.passed)
        if self.error is not None:
            raise self.error
        return self.begin()

    def begin(self) -> Credentials:
        expires = self.clock.now() + timedelta(seconds=self.seconds)
        return credentials(f"role-at-{self.clock.passed:.0f}", expires)


class Kept:
    """A renewal whose thread turns as the clock goes on."""

    def __init__(self, seconds: int) -> None:
        self.clock = FakeClock()
        self.sts = Sts(self.clock, seconds)
        session = RoleSession(ARN, "app-7-j", seconds, {})
        scrub = Scrubber()
        scrub.learn("a-secret-of-sts")
        first = self.sts.begin()
        self.renewal = Renewal(session, first, self.sts.assume, self.clock, scrub)

    def run(self, seconds: float) -> None:
        until = self.clock.passed + seconds
        while (pause := self.renewal.turn()) + self.clock.passed < until:
            assert pause <= 60
            self.clock.sleep(pause)
        self.clock.sleep(until - self.clock.passed)

    @property
    def left(self) -> float:
        """Seconds of life of what the endpoint answers."""
        answer = self.renewal.answer()
        assert answer.status == 200
        ends = self.clock.now().fromisoformat(answer.body["Expiration"])
        return (ends - self.clock.now()).total_seconds()


@pytest.mark.parametrize("seconds", [900, 1800, 3600])
def test_a_session_is_renewed_at_half_of_its_life_and_once(seconds: int) -> None:
    kept = Kept(seconds)
    for _ in range(100):
        kept.run(seconds / 10)
        assert kept.left >= seconds / 2 - 1
    halves = [n * seconds / 2 for n in range(1, len(kept.sts.asked) + 1)]
    assert kept.sts.asked == pytest.approx(halves, abs=0.5)
    assert 19 <= len(halves) <= 20


def test_the_answer_is_that_of_the_protocol() -> None:
    kept = Kept(3600)
    assert dict(kept.renewal.answer().body) == {
        "AccessKeyId": "ASIA-role-at-0",
        "SecretAccessKey": "secret-key-of-role-at-0-0123456789abcdef",
        "Token": "session-token-of-role-at-0-0123456789abcdef",
        "Expiration": "2026-11-21T09:00:00Z",
        "RoleArn": ARN,
    }
    assert "secret-key" not in repr(kept.renewal.answer())


def test_a_role_that_cannot_be_renewed_serves_its_session_to_the_end_and_then_says_why() -> None:
    kept = Kept(900)
    kept.sts.error = Denied("sts: 403 AccessDenied: no a-secret-of-sts")
    kept.run(899)
    assert kept.renewal.answer().status == 200
    assert not kept.renewal.lost()
    kept.run(2)
    answer = kept.renewal.answer()
    assert answer.status == 400
    assert answer.body["code"] == answer.body["Code"] == "ExpiredToken"
    why = (
        f"the session of {ARN} ended at 08:15:00 UTC and cannot be renewed since 08:07:30: "
        "sts: 403 AccessDenied: no [secret]"
    )
    assert answer.body["message"] == answer.body["Message"] == kept.renewal.lost() == why
    # Once for each new reason, however often it failed.
    assert kept.renewal.notes() == [
        f"the role {ARN} cannot be renewed: sts: 403 AccessDenied: no [secret]"
    ]
    assert kept.renewal.notes() == []


def test_failed_renewals_come_ever_slower_and_go_on() -> None:
    kept = Kept(900)
    kept.sts.error = Unavailable("sts: 500 InternalFailure: ")
    kept.run(3600)
    pauses = [b - a for a, b in zip(kept.sts.asked, kept.sts.asked[1:], strict=False)]
    assert pauses[:5] == pytest.approx([5, 10, 20, 40, 60], abs=0.1)
    assert set(map(round, pauses[5:])) == {60}


def test_a_role_that_comes_back_is_served_again() -> None:
    kept = Kept(900)
    kept.sts.error = Unavailable("sts: 503 : ")
    kept.run(1000)
    assert kept.renewal.answer().status == 400
    kept.sts.error = None
    kept.run(61)
    assert kept.left > 800
    assert kept.renewal.notes()[-1] == f"the role {ARN} is assumed again"
    assert not kept.renewal.lost()


def test_a_clock_that_is_set_forward_makes_no_storm_of_calls() -> None:
    kept = Kept(900)
    kept.sts.seconds = 100  # As if the sessions that STS gives were half over at once.
    kept.run(1800)
    assert len(kept.sts.asked) <= 1800 / 60


def test_a_refusal_names_role_and_code_and_asks_what_may_be_wrong_with_trust() -> None:
    told = refusal(ARN, Denied("sts: 403 AccessDenied: User: x is not authorized"))
    assert told.startswith(f"the role {ARN} cannot be assumed (does it exist, ")
    assert "sts:TagSession" in told
    assert told.endswith(": sts: 403 AccessDenied: User: x is not authorized")
    told = refusal(ARN, Denied("sts: 403 SignatureDoesNotMatch: Signature expired"))
    assert (
        told
        == f"the role {ARN} cannot be assumed: sts: 403 SignatureDoesNotMatch: Signature expired"
    )
