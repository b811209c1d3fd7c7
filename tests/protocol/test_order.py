"""Orders to start a stopped instance, as the control plane writes them and hosts read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mayfly_protocol import PROTOCOL
from mayfly_protocol.order import Order, parse, to_row
from mayfly_protocol.rows import notice_row, start_row

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
ORDER = Order(3, NOW + timedelta(minutes=5))


def test_a_host_reads_the_order_that_the_control_plane_wrote() -> None:
    assert parse(to_row(ORDER), NOW, used=2) == ORDER


def test_an_order_is_obeyed_until_the_second_of_its_expiry() -> None:
    last = ORDER.expires - timedelta(seconds=1)
    assert parse(to_row(ORDER), last, used=0) == ORDER
    with pytest.raises(ValueError, match="expired at 2026-11-21T08:05:00Z"):
        parse(to_row(ORDER), ORDER.expires, used=0)


@pytest.mark.parametrize("used", [3, 4])
def test_a_number_is_obeyed_once_and_no_earlier_one_afterwards(used: int) -> None:
    with pytest.raises(ValueError, match=f"has number 3, and {used} is used already"):
        parse(to_row(ORDER), NOW, used)


GOOD = to_row(ORDER)
NOT_ORDERS: dict[str, tuple[object, str]] = {
    "a row without an order": (None, "there is no order"),
    "a text": ("3", "not an object"),
    "another protocol": ({**GOOD, "protocol": PROTOCOL + 1}, "protocol 2, this host knows 1"),
    "no protocol": ({"number": 3, "expires": GOOD["expires"]}, "protocol None"),
    "no number": ({**GOOD, "number": None}, "no readable number"),
    "number 0": ({**GOOD, "number": 0}, "no readable number"),
    "a truth as number": ({**GOOD, "number": True}, "no readable number"),
    "a text as number": ({**GOOD, "number": "3"}, "no readable number"),
    "no expiry": ({**GOOD, "expires": None}, "no readable expires"),
    "a text as expiry": ({**GOOD, "expires": "2026-11-21T08:05:00Z"}, "no readable expires"),
    "an expiry beyond the calendar": ({**GOOD, "expires": 10**15}, "no readable expires"),
}


@pytest.mark.parametrize(("found", "reason"), NOT_ORDERS.values(), ids=NOT_ORDERS)
def test_any_other_value_is_no_order(found: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse(found, NOW, used=0)


def test_no_order_has_a_number_below_1() -> None:
    with pytest.raises(ValueError, match="number 0"):
        to_row(Order(0, NOW))


def test_rows_of_orders_and_notices_are_no_rows_of_instances() -> None:
    row = "AROASAND:i-1"
    assert start_row(row) == "start/AROASAND:i-1"
    assert len({row, start_row(row), notice_row(row)}) == 3
