"""Closed records, read page by page between two times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some of the records that were asked for, the latest first."""

    records: tuple[Row, ...]
    after: str = ""
    """Where the next page begins; empty for the last page. Also a page without records may have a
    next page."""
    unreadable: tuple[str, ...] = ()
    """Primary keys of rows on this page that cannot be read."""


@dataclass(frozen=True, slots=True)
class Read(Generic[Row]):
    """The records of all pages, up to a limit, the latest first."""

    records: tuple[Row, ...]
    complete: bool
    """Whether these are all records; False where the limit leaves older records out."""
    unreadable: tuple[str, ...] = ()
    """Primary keys of rows that cannot be read."""


def read_all(page: Callable[[str], Page[Row]], most: int) -> Read[Row]:
    """The records of pages that `page` returns for each `after`, until there are `most` or more.

    Rows that cannot be read count too, so the number of pages is bounded.
    """
    records, unreadable, after = list[Row](), list[str](), ""
    while True:
        found = page(after)
        records += found.records
        unreadable += found.unreadable
        after = found.after
        if not after or len(records) + len(unreadable) >= most:
            return Read(
                tuple(records[:most]), not after and len(records) <= most, tuple(unreadable)
            )
