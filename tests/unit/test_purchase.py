"""What a record keeps of an instance's purchase: type, zone, market, and prices."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mayfly.answers import Bought, Launched
from mayfly.errors import Transient
from mayfly.provision.settlement import settlement_changes
from mayfly.records.changes import Save
from mayfly.records.model import Instance
from mayfly.records.prices import Prices
from mayfly.records.states import InstanceState
from mayfly.tick.prices import known_prices
from mayfly.tick.purchase import Known, ended, purchased
from mayfly_fakes import FakeFleet, FakeMailbox
from tests.unit.builders import NOW, a_launch, an_instance, ec2_id

ZONES = {"subnet-1": "eu-central-1a"}
PRICES = Prices(
    tried=NOW,
    types=("m7i.large",),
    on_demand={"m7i.large": "0.1197"},
    spot={"eu-central-1a/m7i.large": "0.0412"},
)
SPOT = Bought("m7i.large", "", "spot", "subnet-1")
BARE = an_instance(InstanceState.REQUESTED, 0)


def facts(instance: Instance) -> tuple[str, ...]:
    return instance.instance_type, instance.zone, instance.market, instance.price


@pytest.mark.parametrize(
    ("bought", "known", "kept"),
    [
        (SPOT, Known(ZONES, PRICES), ("m7i.large", "eu-central-1a", "spot", "0.0412")),
        (SPOT, Known({}, PRICES), ("m7i.large", "", "spot", "")),
        (SPOT, Known(ZONES), ("m7i.large", "eu-central-1a", "spot", "")),
        (
            Bought("m7i.large", "eu-central-1b", "spot", "subnet-1"),
            Known(ZONES, PRICES),
            ("m7i.large", "eu-central-1b", "spot", ""),
        ),
        (
            Bought("m7i.large", "", "on-demand", "subnet-2"),
            Known(ZONES, PRICES),
            ("m7i.large", "", "on-demand", "0.1197"),
        ),
        (
            Bought("c5.large", "", "on-demand"),
            Known(ZONES, PRICES),
            ("c5.large", "", "on-demand", ""),
        ),
        (
            Bought("m7i.large", "", "reserved"),
            Known(ZONES, PRICES),
            ("m7i.large", "", "reserved", ""),
        ),
        (Bought(), Known(ZONES, PRICES), ("", "", "", "")),
    ],
)
def test_what_is_not_known_stays_unknown(
    bought: Bought, known: Known, kept: tuple[str, ...]
) -> None:
    assert facts(purchased(BARE, bought, known)) == kept


def test_a_launch_gives_each_slot_its_own_purchase_and_the_market_that_was_asked_for() -> None:
    other = Bought("c5.large", "eu-central-1b", "spot")
    answer = Launched((ec2_id(2), ec2_id(1)), (), {ec2_id(1): SPOT, ec2_id(2): other})
    slots = tuple(an_instance(InstanceState.REQUESTED, n) for n in range(3))
    launch = replace(a_launch(3), market="spot")
    changes = settlement_changes(launch, slots, answer, NOW, Known(ZONES, PRICES))
    records = [c.record for c in changes if isinstance(c, Save)]
    made = [facts(record) for record in records if isinstance(record, Instance)]
    assert made == [
        ("m7i.large", "eu-central-1a", "spot", "0.0412"),
        ("c5.large", "eu-central-1b", "spot", ""),
        ("", "", "", ""),
    ]
    told_nothing = settlement_changes(launch, slots, Launched((ec2_id(1),)), NOW)[1]
    assert isinstance(told_nothing, Save)
    assert isinstance(told_nothing.record, Instance)
    assert facts(told_nothing.record) == ("", "", "spot", "")


def test_an_end_keeps_the_price_of_the_end_beside_that_of_the_launch() -> None:
    lived = purchased(BARE, SPOT, Known(ZONES, PRICES))
    dearer = replace(PRICES, spot={"eu-central-1a/m7i.large": "0.0500"})
    gone = ended(lived, Bought(), dearer)
    assert (gone.price, gone.end_price) == ("0.0412", "0.0500")
    assert ended(lived, Bought(), None).end_price == ""


def test_an_end_tells_what_the_launch_did_not_but_no_price_of_then() -> None:
    """The record of an instance whose launch was adopted, or written by an earlier Mayfly."""
    gone = ended(BARE, Bought("m7i.large", "eu-central-1a", "spot"), PRICES)
    assert facts(gone) == ("m7i.large", "eu-central-1a", "spot", "")
    assert gone.end_price == "0.0412"


def test_prices_that_cannot_be_read_are_unknown_and_hold_nothing_up() -> None:
    fleet = FakeFleet(FakeMailbox())
    assert known_prices(fleet) is None
    fleet.write([Save(PRICES)])
    assert known_prices(fleet) == replace(PRICES, version=1)
    fleet.fail_next("prices", Transient("throttled"))
    assert known_prices(fleet) is None
