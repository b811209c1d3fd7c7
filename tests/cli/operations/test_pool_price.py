"""`mayfly pool` tells what the change will cost, and never 0 for a price that is not known."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from mayfly.config.queue import in_force
from mayfly.records.prices import Prices
from mayfly_cli.settings.price import hot_price, volume_price
from tests.cli.operations.conftest import StackInMoto
from tests.cli.operations.samples import hot
from tests.unit.builders import NOW, a_config, later

LISTED = Prices(
    NOW, ("m7i.large",), {"m7i.large": "0.1008"}, NOW,
    {"a/m7i.large": "0.03", "b/m7i.large": "0.05"}, NOW, "0.08",
)  # fmt: skip
ZONES = ("a", "b")
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("config", "instances", "prices", "usd", "says"),
    [
        ({}, (hot(1, "q"),), None, "0.1008", "m7i.large on-demand, as i-"),
        ({}, (), LISTED, "0.1008", "m7i.large on-demand, list price"),
        ({"purchase": "spot"}, (), LISTED, "0.05", "the highest spot price of the queue's zones"),
        ({"purchase": "spot-then-on-demand"}, (hot(1, "q"),), LISTED, "0.05", "m7i.large spot"),
        ({}, (replace(hot(1, "q"), price=""),), None, None, "no price of m7i.large on-demand yet"),
        ({"instance_types": ("g5.xlarge",)}, (hot(1, "q"),), LISTED, None, "no price of g5.xlarge"),
    ],
)
def test_the_price_is_that_of_an_instance_that_the_pool_would_launch(
    config: Any, instances: Any, prices: Any, usd: str | None, says: str
) -> None:
    found = hot_price(a_config(**config), instances, prices, ZONES)
    assert found.usd == (None if usd is None else Decimal(usd))
    assert says in found.source


def test_an_unknown_price_costs_not_nothing() -> None:
    assert hot_price(a_config(), (), None, ZONES).of(7, 2 * HOUR) is None
    assert volume_price(0, LISTED).of(1, HOUR) is None
    assert volume_price(50, None).of(1, HOUR) is None
    assert volume_price(50, LISTED).of(5, timedelta(days=30)) == Decimal("20.00")


def test_a_pool_for_a_while_tells_its_launches_and_its_price(in_moto: StackInMoto) -> None:
    in_moto.put("pool/hot", "3")
    in_moto.provision()
    in_moto.save(replace(LISTED, version=0), *(replace(hot(n, "deploy")) for n in range(3)))
    ended = in_moto.run("pool", "deploy", "10", "--for", "2h")
    first, source = ended.out.splitlines()[:2]
    assert first == "deploy: 3 -> 10 until 11:00, then 3 (7 launches, about $1.41)"
    assert source.startswith("  m7i.large on-demand, as i-")


def test_a_pool_for_good_tells_the_price_of_an_hour(in_moto: StackInMoto) -> None:
    in_moto.save(replace(LISTED, version=0))
    ended = in_moto.run("pool", "deploy", "10")
    assert ended.out.startswith("deploy: 0 -> 10 (10 launches, about $1.01 an hour)\n")
    shown = json.loads(in_moto.run("pool", "deploy", "2", "--json").out)
    assert (shown["before"], shown["launches"], shown["usd"]) == (10, 2, 0.2)
    assert shown["price"]["usd"] == 0.1008


def test_a_pool_without_known_prices_says_so(in_moto: StackInMoto) -> None:
    ended = in_moto.run("pool", "deploy", "2", "--for", "2h")
    assert ended.out.startswith("deploy: 0 -> 2 until 11:00, then 0 (2 launches, price not known)")
    assert "provision has read no price of m7i.large on-demand yet" in ended.out
    assert (
        json.loads(in_moto.run("pool", "deploy", "2", "--json", "--for", "1h").out)["usd"] is None
    )


def test_a_stopped_pool_tells_the_price_of_its_volumes(in_moto: StackInMoto) -> None:
    in_moto.save(replace(LISTED, version=0))
    ended = in_moto.run("pool", "deploy", "5", "--stopped")
    assert ended.out.startswith("deploy: 0 -> 5 (5 launches, price not known)")
    assert "the queue's stack is of a version without its volumes' size" in ended.out


def test_the_schedules_own_text_holds_the_end_when_the_machine_that_set_it_is_gone(
    in_moto: StackInMoto,
) -> None:
    """Nothing but the parameter is left: the configuration in force goes back by the clock."""
    in_moto.put("pool/hot", "3")
    in_moto.provision()
    in_moto.run("pool", "deploy", "10", "--for", "2h")
    text = in_moto.value("pool/hot")
    assert text == f"3; until {datetime(2026, 3, 2, 11, tzinfo=UTC):%Y-%m-%dT%H:%MZ} = 10"
    in_moto.provision()
    config = in_force(in_moto.row())
    assert config is not None
    assert [config.hot.value(later(minutes)) for minutes in (1, 119, 121)] == [10, 10, 3]
