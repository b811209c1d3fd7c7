"""EC2's prices: read rarely, from AWS's own answers, and unknown where AWS tells none."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from mayfly.adapters.aws.prices import AwsPrices, plain_price, price_list_region
from mayfly.errors import Misconfigured, Transient
from mayfly.provision.prices import FRESH, SOON, STALE, VOLUME, after, is_due
from mayfly.records.prices import Prices
from tests.unit.builders import NOW, later
from tests.unit.world import World

TYPES = ("m7a.large", "m7i.large")
KNOWN = Prices(
    tried=NOW,
    types=TYPES,
    on_demand={"m7a.large": "0.12", "m7i.large": "0.1197"},
    on_demand_at=NOW,
    spot={"eu-central-1a/m7i.large": "0.04"},
    spot_at=NOW,
)


def product(*prices: str, unit: str = "Hrs", currency: str = "USD", **attributes: str) -> str:
    """A product of the Price List, as JSON within its JSON."""
    dimensions = {
        str(n): {"unit": unit, "pricePerUnit": {currency: price}} for n, price in enumerate(prices)
    }
    return json.dumps(
        {
            "product": {"attributes": {"instanceType": "m7i.large", **attributes}},
            "terms": {"OnDemand": {"t": {"priceDimensions": dimensions}}},
        }
    )


# -- AWS's answers ---------------------------------------------------------------------------------


def on_demand(*products: str) -> str:
    client = boto3.client(
        "pricing", "eu-central-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    wanted = {
        "ServiceCode": "AmazonEC2",
        "MaxResults": 100,
        "Filters": [
            {"Type": "TERM_MATCH", "Field": field, "Value": value}
            for field, value in (
                ("operatingSystem", "Linux"),
                ("tenancy", "Shared"),
                ("preInstalledSw", "NA"),
                ("capacitystatus", "Used"),
                ("instanceType", "m7i.large"),
                ("regionCode", "eu-central-1"),
            )
        ],
    }
    with Stubber(client) as stubber:
        stubber.add_response("get_products", {"PriceList": list(products)}, wanted)
        return AwsPrices(
            lambda: client, boto3.client("ec2", "eu-central-1"), "eu-central-1"
        ).on_demand("m7i.large")


@pytest.mark.parametrize(
    ("products", "price"),
    [
        ([product("0.1197000000")], "0.1197"),
        ([product("0.1197000000"), product("0.1197")], "0.1197"),
        ([], ""),
        ([product("0.1"), product("0.2")], ""),
        ([product("0.0000000000")], ""),
        ([product("0.1", currency="CNY")], ""),
        ([product("9", unit="Quantity"), product("0.1")], "0.1"),
        ([product("31.4", marketoption="CapacityBlock"), product("0.1")], "0.1"),
        (["no JSON", product("0.1")], "0.1"),
        (["{}", product("much")], ""),
    ],
)
def test_a_list_price_is_known_where_one_product_has_one(products: list[str], price: str) -> None:
    assert on_demand(*products) == price


def test_the_price_of_a_volume_is_that_of_a_gib_and_month() -> None:
    client = boto3.client("pricing", "us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    wanted = {
        "ServiceCode": "AmazonEC2",
        "MaxResults": 100,
        "Filters": [
            {"Type": "TERM_MATCH", "Field": field, "Value": value}
            for field, value in (
                ("productFamily", "Storage"),
                ("volumeApiName", "gp3"),
                ("regionCode", "eu-central-1"),
            )
        ],
    }
    found = [product("0.0952000000", unit="GB-Mo"), product("3", unit="Hrs")]
    with Stubber(client) as stubber:
        stubber.add_response("get_products", {"PriceList": found}, wanted)
        ec2 = boto3.client("ec2", "eu-central-1")
        assert AwsPrices(lambda: client, ec2, "eu-central-1").volume() == "0.0952"


def test_the_price_of_volumes_stays_while_aws_does_not_answer() -> None:
    known = replace(KNOWN, volume="0.0952")
    assert after(known, TYPES, {VOLUME: Transient("no answer")}, later(60)).volume == "0.0952"
    assert after(known, TYPES, {VOLUME: "0.1"}, later(60)).volume == "0.1"


def test_the_present_spot_price_of_each_pool_is_its_latest() -> None:
    client = boto3.client("ec2", "eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
    wanted = {"InstanceTypes": list(TYPES), "ProductDescriptions": ["Linux/UNIX"], "StartTime": ANY}

    def entry(price: str, minutes: int, zone: str = "eu-central-1a") -> dict[str, Any]:
        return {
            "AvailabilityZone": zone,
            "InstanceType": "m7i.large",
            "SpotPrice": price,
            "Timestamp": later(minutes),
        }

    shown = [entry("0.050000", 2), entry("0.0400", 1), entry("0.06", 1, "b"), entry("odd", 1, "c")]
    with Stubber(client) as stubber:
        stubber.add_response("describe_spot_price_history", {"SpotPriceHistory": shown}, wanted)
        found = AwsPrices(lambda: None, client, "eu-central-1").spot(TYPES)
    assert found == {"eu-central-1a/m7i.large": "0.05", "b/m7i.large": "0.06"}


def test_a_refusal_is_translated() -> None:
    client = boto3.client("pricing", "us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stubber:
        stubber.add_client_error("get_products", "AccessDeniedException", "no")
        with pytest.raises(Misconfigured):
            AwsPrices(lambda: client, boto3.client("ec2", "eu-central-1"), "x").on_demand(
                "m7i.large"
            )


@pytest.mark.parametrize(
    ("region", "nearest"),
    [
        ("us-east-1", "us-east-1"),
        ("sa-east-1", "us-east-1"),
        ("eu-central-1", "eu-central-1"),
        ("eu-west-3", "eu-central-1"),
        ("ap-southeast-2", "ap-south-1"),
        ("me-south-1", "ap-south-1"),
        ("cn-north-1", "cn-northwest-1"),
    ],
)
def test_each_region_asks_a_region_that_has_the_price_list(region: str, nearest: str) -> None:
    assert price_list_region(region) == nearest
    found = boto3.session.Session().get_available_regions("pricing", "aws")
    assert nearest in {*found, "cn-northwest-1"}


@pytest.mark.parametrize("text", ["", "much", "NaN", "Infinity", "-1", None, 3])
def test_what_is_no_price_is_unreadable(text: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        plain_price(text)


# -- when, and what stays --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "types", "age", "due"),
    [
        (None, TYPES, timedelta(0), True),
        (None, (), timedelta(0), False),
        (KNOWN, TYPES, FRESH, True),
        (KNOWN, TYPES, FRESH - timedelta(seconds=1), False),
        (KNOWN, ("c5.large", *TYPES), SOON, True),
        (KNOWN, ("c5.large", *TYPES), SOON - timedelta(seconds=1), False),
        (KNOWN, ("m7i.large",), SOON, False),
    ],
)
def test_prices_are_read_once_an_hour_and_soon_for_a_new_type(
    known: Prices | None, types: tuple[str, ...], age: timedelta, due: bool
) -> None:
    assert is_due(known, types, NOW + age) is due


def test_what_aws_does_not_answer_keeps_its_last_price_for_a_while() -> None:
    lost: dict[str, Any] = dict.fromkeys(("", *TYPES), Transient("no answer"))
    kept = after(KNOWN, TYPES, lost, NOW + STALE - timedelta(seconds=1))
    assert (kept.on_demand, kept.spot, kept.on_demand_at) == (KNOWN.on_demand, KNOWN.spot, NOW)
    assert after(KNOWN, TYPES, lost, NOW + STALE).spot == {}


def test_a_type_without_a_price_and_a_type_out_of_use_have_none() -> None:
    found = after(KNOWN, ("m7a.large",), {"m7a.large": "", "": {}}, later(60))
    assert found == replace(
        KNOWN,
        tried=later(60),
        types=("m7a.large",),
        on_demand={},
        on_demand_at=later(60),
        spot={},
        spot_at=later(60),
    )


def test_a_tick_keeps_the_prices_of_the_types_in_use_and_asks_once() -> None:
    world = World()
    world.prices.listed = {"m7i.large": "0.1197", "c5.large": "0.097"}
    world.prices.pools = {"zone of subnet-1/m7i.large": "0.04", "x/c5.large": "0.03"}
    world.prices.gib = "0.0952"
    world.provision()
    world.provision()
    known = world.fleet.prices()
    assert known is not None
    assert known.volume == "0.0952"
    assert known.on_demand == {"m7i.large": "0.1197"}
    assert known.spot == {"zone of subnet-1/m7i.large": "0.04"}
    assert world.prices.calls["spot"] == 1


def test_a_failure_of_prices_is_told_and_no_problem() -> None:
    world = World()
    world.prices.fail_next("spot", Misconfigured("AccessDenied"))
    outcome = world.provision()
    assert not outcome.problems
    assert world.fleet.prices() is not None
