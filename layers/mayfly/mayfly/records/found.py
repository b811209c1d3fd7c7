"""The records of one read of several rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TypeVar

Row = TypeVar("Row")


class Found(list[Row]):
    """The readable records among the rows that were asked for.

    An unreadable row is not a missing row: a missing slot is over, and a job without a claim may be
    opened. So a decision about missing rows must read `unreadable` too.
    """

    def __init__(self, records: Iterable[Row] = (), unreadable: Collection[str] = ()) -> None:
        super().__init__(records)
        self.unreadable = frozenset(unreadable)
        """Names of rows that cannot be read: job ids, or slots as text."""
