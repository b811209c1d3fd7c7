"""Reads EC2's prices where a record wants them. A price never holds anything up."""

from __future__ import annotations

import logging
from typing import Protocol

from mayfly.errors import FAILURES
from mayfly.records.prices import Prices

log = logging.getLogger("mayfly")


class HasPrices(Protocol):
    """The one read of `mayfly.ports.Fleet` that this takes."""

    def prices(self) -> Prices | None:
        """See `mayfly.ports.Fleet`."""


def known_prices(fleet: HasPrices) -> Prices | None:
    """EC2's prices as last read from AWS; None where they were not, or cannot be read now."""
    try:
        return fleet.prices()
    except FAILURES as error:
        log.warning("prices stay unknown: %s", error)
        return None
