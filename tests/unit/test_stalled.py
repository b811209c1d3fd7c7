"""When a shape counts as one that gets no instances, and what is said of it."""

from __future__ import annotations

from typing import Any

import pytest

from mayfly.config.stalled import REFUSALS, is_stalled, stalled_shapes
from mayfly.config.troubles import trouble
from mayfly.records.ledger import Losses
from mayfly.records.why import Code
from tests.unit.builders import NOW, SHAPE, SPEC, a_config, a_ledger, ago, later

NAME = str(SHAPE)
TYPES = "m7i.large or m6i.large"
SHORT = (
    "InsufficientInstanceCapacity: We currently do not have sufficient m7i.large capacity in the "
    "Availability Zone you requested (eu-central-1a); InsufficientInstanceCapacity: none in "
    "eu-central-1b"
)
DENIED = (
    "An error occurred (UnauthorizedOperation) when calling the CreateFleet operation: User: "
    "arn:aws:sts::123456789012:assumed-role/mayfly is not authorized"
)


def refused(misses: int, words: str = "", **changes: Any) -> Any:
    refusals = {NAME: words} if words else {}
    fields = {"misses": {NAME: misses}, "retry_at": {NAME: later(seconds=40)}}
    return a_ledger(refusals=refusals, **{**fields, **changes})


@pytest.mark.parametrize("misses", range(REFUSALS + 2))
def test_a_shape_is_stalled_from_the_second_launch_in_a_row_that_ec2_refuses(misses: int) -> None:
    ledger = refused(misses) if misses else a_ledger()
    assert is_stalled(SHAPE, ledger, SPEC, a_config(), NOW) == (misses >= 2)
    found = stalled_shapes([SHAPE], ledger, SPEC, a_config(), NOW)
    assert found == ({SHAPE} if misses >= 2 else set())


def test_refusals_of_long_ago_stall_no_shape() -> None:
    old = refused(9, retry_at={NAME: NOW})
    assert is_stalled(SHAPE, old, SPEC, a_config(), later(4.9))
    for ledger, now in ((old, later(5)), (a_ledger(misses={NAME: 9}), NOW)):
        assert not is_stalled(SHAPE, ledger, SPEC, a_config(), now)
        assert trouble(SHAPE, ledger, SPEC, a_config(), now) is None


def test_losses_of_long_ago_stall_no_shape() -> None:
    for minutes, lasts in ((10, True), (11, False)):
        lost = a_ledger(losses={NAME: Losses(9, ago(minutes), "instance i-1: gone")})
        assert is_stalled(SHAPE, lost, SPEC, a_config(), NOW) is lasts
        found = trouble(SHAPE, lost, SPEC, a_config(), NOW)
        assert (found is not None and found.code is Code.ALWAYS_TAKEN_BACK) is lasts


@pytest.mark.parametrize(
    ("misses", "words", "code", "text"),
    [
        (1, "", Code.NO_CAPACITY, "EC2 has no m7i.large or m6i.large, on-demand now, tried once"),
        (
            *(6, SHORT, Code.NO_CAPACITY),
            f"EC2 has no {TYPES}, on-demand in eu-central-1a, eu-central-1b now, tried 6 times",
        ),
        (
            *(2, DENIED, Code.LAUNCH_REFUSED),
            f"EC2 refuses to launch {TYPES}, on-demand: UnauthorizedOperation, tried 2 times",
        ),
    ],
)
def test_a_refusal_tells_types_market_zones_tries_and_the_next_one(
    misses: int, words: str, code: Code, text: str
) -> None:
    found = trouble(SHAPE, refused(misses, words), SPEC, a_config(), NOW)
    assert found is not None
    assert (found.code, found.text, found.next_try) == (code, text, later(seconds=40))
    assert found.is_about(NAME)
    # EC2's words name accounts and roles: operators alone read them.
    assert found.detail == words
    assert "123456789012" not in found.text


def test_a_try_that_is_due_has_no_next_time_and_the_trouble_stays() -> None:
    found = trouble(SHAPE, refused(3, retry_at={NAME: NOW}), SPEC, a_config(), NOW)
    assert found is not None
    assert (found.code, found.next_try) == (Code.NO_CAPACITY, None)
