"""The order of a start: without one, a boot that is not the instance's first powers off.

Stands in the attribute `order` of the row that `rows.start_row` names. The control plane writes the
order before it starts the instance. The host obeys each number once, so that a reboot finds no
order. The host reads the order with sandbox credentials, after AWS has taken a signature of the
same boot: so its clock is right to five minutes ("Elements of an AWS API request signature", IAM
user guide: most services refuse a signature that is older).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from mayfly_protocol import PROTOCOL
from mayfly_protocol.moments import EARLIEST, LATEST


@dataclass(frozen=True)
class Order:
    """One commanded start of one stopped instance."""

    number: int
    """1 for the instance's first start from the stopped state, then one more for each start."""
    expires: datetime
    """From this time on no host obeys the order."""


def to_row(order: Order) -> dict[str, object]:
    """The value of the row's `order` attribute; `expires` is in whole seconds of Unix time.

    Raises ValueError for a number below 1.
    """
    if order.number < 1:
        raise ValueError(f"an order with the number {order.number}")
    return {
        "protocol": PROTOCOL,
        "number": order.number,
        "expires": int(order.expires.timestamp()),
    }


def parse(found: object, now: datetime, used: int) -> Order:
    """The order, if it is one to obey now by a host that has obeyed orders up to number `used`.

    Raises ValueError with the reason for any other value, such as None for a row without an order.
    """
    if found is None:
        raise ValueError("there is no order to start")
    if not isinstance(found, Mapping):
        raise ValueError("the order to start is not an object")  # noqa: TRY004 - one error for all
    if found.get("protocol") != PROTOCOL:
        raise ValueError(
            f"the order to start has protocol {found.get('protocol')!r}, this host knows {PROTOCOL}"
        )
    number, expires = _count(found, "number"), _count(found, "expires")
    if not EARLIEST.timestamp() <= expires < LATEST.timestamp():
        raise ValueError("the order to start has no readable expires")
    if number <= used:
        raise ValueError(f"the order to start has number {number}, and {used} is used already")
    order = Order(number, datetime.fromtimestamp(expires, timezone.utc))
    if order.expires <= now:
        raise ValueError(f"the order to start expired at {order.expires:%Y-%m-%dT%H:%M:%SZ}")
    return order


def _count(found: Mapping[str, object], name: str) -> int:
    value = found.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"the order to start has no readable {name}")
    return value
