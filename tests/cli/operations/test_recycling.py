"""What a recycle tells, and how launches tell one failure of several zones."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from mayfly.records.model import Step
from mayfly.records.states import InstanceState
from mayfly_cli.listings.causes import folded
from tests.cli.operations.conftest import StackInMoto
from tests.cli.operations.samples import LONG, busy, hot
from tests.unit.builders import NOW

CAPACITY = (
    "InsufficientInstanceCapacity: We currently do not have sufficient {} capacity in the "
    "Availability Zone you requested ({}). You can get it by choosing {}."
)


def test_a_recycle_tells_what_it_replaces_how_long_that_takes_and_its_cost(
    in_moto: StackInMoto,
) -> None:
    made = NOW - timedelta(minutes=20)
    history = (Step("ready", made + timedelta(seconds=45), "proven"),)
    ready = [
        replace(hot(n, "deploy"), created=made, history=history, instance_type="m7i.large")
        for n in range(3)
    ]
    booting = replace(
        hot(3, "deploy"), state=InstanceState.BOOTING, history=(), created=NOW, price=""
    )
    in_moto.save(*ready, booting, busy(4, "deploy", LONG, 5))
    ended = in_moto.run("recycle", "deploy")
    assert ended.status == 0
    assert ended.out.splitlines()[1:] == [
        "  4 instances to replace: 3 idle, 1 still booting; 2 at a time",
        "  1 instance with a job: ends after it, as always",
        "  about 1m30s: a boot took 45s last; the boots cost about $0.01 (m7i.large on-demand, as",
        "    i-00000000000000002 at its launch)",
    ]


def test_a_recycle_of_an_empty_queue_says_so(in_moto: StackInMoto) -> None:
    ended = in_moto.run("recycle", "deploy")
    assert ended.out.splitlines()[1:] == ["  0 instances to replace"]


@pytest.mark.parametrize("joined", [True, False])
def test_equal_errors_of_several_zones_are_one_with_the_zones(joined: bool) -> None:
    zones = ("us-east-1b", "us-east-1a")
    errors = [
        CAPACITY.format(kind, zone, "us-east-1c, us-east-1d" if zone == zones[0] else zones[0])
        for kind in ("m7i.large", "m6i.large")
        for zone in zones
    ]
    given = ["; ".join(errors)] if joined else errors
    both = "us-east-1a, us-east-1b"
    assert folded([*given, "the host says: setup.sh ended with 3"]) == (
        CAPACITY.format("m7i.large", both, "us-east-1c, us-east-1d"),
        CAPACITY.format("m6i.large", both, "us-east-1c, us-east-1d"),
        "the host says: setup.sh ended with 3",
    )


def test_an_error_of_one_zone_stays_as_it_is() -> None:
    text = CAPACITY.format("m7i.large", "eu-central-1a", "eu-central-1b")
    assert folded([text, text]) == (text,)
