"""Stops and starts over EC2: one bad instance holds up no other, and throttles end the calls."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from mayfly.adapters.aws.power import each
from mayfly.errors import Conflict, Failure, Misconfigured, NoCapacity, NotFound, Transient

IDS = [f"i-{number}" for number in range(20)]
CODES = {
    "InvalidInstanceID.NotFound": NotFound,
    "IncorrectInstanceState": Conflict,
    "InsufficientInstanceCapacity": NoCapacity,
    "UnsupportedOperation": Misconfigured,
    "UnauthorizedOperation": Misconfigured,
}


def ec2(refused: dict[str, str], done: list[str]) -> Callable[[list[str]], object]:
    """EC2, which does nothing for any instance of a call when it refuses one of them."""

    def call(ids: list[str]) -> None:
        for instance_id in ids:
            if instance_id in refused:
                error = {"Error": {"Code": refused[instance_id], "Message": instance_id}}
                raise ClientError(error, "StartInstances")  # type: ignore[arg-type]
        done.extend(ids)

    return call


@pytest.mark.parametrize(("code", "kind"), CODES.items())
def test_a_refused_instance_is_named_and_all_others_are_done(
    code: str, kind: type[Failure]
) -> None:
    done: list[str] = []
    failed = each(IDS, ec2({"i-3": code, "i-18": code}, done))
    assert failed.keys() == {"i-3", "i-18"}
    assert all(isinstance(error, kind) for error in failed.values())
    assert sorted(done) == sorted(set(IDS) - failed.keys())


def test_instances_without_a_refusal_share_calls_and_a_repeated_id_counts_once() -> None:
    calls: list[list[str]] = []
    assert each([*IDS, "i-0"], calls.append) == {}
    assert [len(call) for call in calls] == [16, 4]


def test_after_a_throttle_no_further_call_is_made() -> None:
    calls: list[list[str]] = []

    def throttled(ids: list[str]) -> None:
        calls.append(ids)
        error = {"Error": {"Code": "RequestLimitExceeded", "Message": "slow down"}}
        raise ClientError(error, "StartInstances")  # type: ignore[arg-type]

    failed = each(IDS, throttled)
    assert len(calls) == 1
    assert failed.keys() == set(IDS)
    assert all(isinstance(error, Transient) for error in failed.values())


def test_no_instances_need_no_call() -> None:
    assert each([], ec2({}, [])) == {}
