"""Credentials of a host: their renewal in time, and their secrecy."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from mayfly_instance.imds import ImdsError
from mayfly_instance.keys import Keys
from mayfly_instance.scrub import Scrubber
from tests.instance.fakes import LIFE, START, FakeClock, FakeMetadata, credentials
from tests.instance.worlds import SANDBOX_ROW, World

HOUR = 3600.0


@pytest.fixture
def metadata() -> FakeMetadata:
    served = FakeMetadata(FakeClock())
    served.roles = ["sandbox"]
    return served


@pytest.fixture
def keys(metadata: FakeMetadata) -> Keys:
    return Keys(metadata, "sandbox", metadata.clock, Scrubber())


def reads(metadata: FakeMetadata) -> int:
    return metadata.requests.count("credentials of sandbox")


def test_credentials_are_read_once_while_they_are_fresh(keys: Keys, metadata: FakeMetadata) -> None:
    first = keys.current()
    metadata.clock.passed = 5.9 * HOUR
    assert keys.current() is first
    assert reads(metadata) == 1


def test_credentials_are_renewed_in_their_last_five_minutes(
    keys: Keys, metadata: FakeMetadata
) -> None:
    assert keys.current().expires == START + LIFE
    metadata.clock.passed = 6 * HOUR - 299
    assert keys.current().expires == START + 2 * LIFE
    assert reads(metadata) == 2


def test_current_credentials_are_valid_through_a_week(keys: Keys, metadata: FakeMetadata) -> None:
    for minutes in range(0, 7 * 24 * 60, 7):
        metadata.clock.passed = minutes * 60.0
        assert keys.current().expires > metadata.clock.now() + timedelta(minutes=4)
    assert reads(metadata) == 28


def test_refused_credentials_are_read_again(keys: Keys, metadata: FakeMetadata) -> None:
    keys.current()
    keys.discard()
    keys.current()
    assert reads(metadata) == 2


def test_credentials_for_a_closed_imds_are_kept_to_their_end_and_beyond(
    keys: Keys, metadata: FakeMetadata
) -> None:
    last = credentials("sandbox")
    keys.use_until_expiry(last)
    metadata.open = False
    metadata.clock.passed = 7 * HOUR
    keys.discard()
    assert keys.current() is last
    assert reads(metadata) == 0


def test_an_unreadable_imds_raises_only_when_credentials_must_be_renewed(
    keys: Keys, metadata: FakeMetadata
) -> None:
    keys.current()
    metadata.broken = True
    keys.current()
    metadata.clock.passed = 6 * HOUR
    with pytest.raises(ImdsError):
        keys.current()


def test_a_host_that_was_hot_for_two_days_runs_its_job_and_reports_it(world: World) -> None:
    world.context = replace(world.context, limits=replace(world.context.limits, poll=60))
    assert world.assignment is not None
    assignment, world.assignment = world.assignment, None

    def bind() -> None:
        world.cloud.rows[SANDBOX_ROW]["assignment"] = assignment

    world.clock.after(48 * HOUR, bind)
    world.run()

    assert world.phases[-2:] == ["running", "done"]
    assert "ExpiredToken" not in world.console
    assert world.metadata.requests.count("credentials of sandbox") < 30


def test_the_secret_parts_of_credentials_are_in_no_repr() -> None:
    shown = repr(credentials("sandbox"))
    assert "secret-key-of" not in shown
    assert "session-token-of" not in shown
    assert "ASIA-sandbox" in shown
