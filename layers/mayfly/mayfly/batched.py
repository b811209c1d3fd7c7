"""Batches for calls that limit the number of their arguments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Thing = TypeVar("Thing")


def batched(things: Iterable[Thing], size: int) -> Iterator[list[Thing]]:
    """All `things` in order, in lists of `size`; the last list may be shorter, no list is empty.

    `itertools.batched` is in Python from 3.12 on; tests and lab also run on 3.11.

    Raises:
        ValueError: `size` is less than 1.
    """
    if size < 1:
        raise ValueError(f"the size of a batch is at least 1, not {size}")
    left = iter(things)
    while batch := list(islice(left, size)):
        yield batch
