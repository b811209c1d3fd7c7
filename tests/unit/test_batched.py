"""Batches."""

from __future__ import annotations

import pytest

from mayfly.batched import batched


@pytest.mark.parametrize(
    ("things", "size", "batches"),
    [
        ([], 3, []),
        ([1, 2], 3, [[1, 2]]),
        ([1, 2, 3], 3, [[1, 2, 3]]),
        ([1, 2, 3, 4], 3, [[1, 2, 3], [4]]),
    ],
)
def test_all_things_come_in_their_order_and_no_batch_is_empty(
    things: list[int], size: int, batches: list[list[int]]
) -> None:
    assert list(batched(things, size)) == batches
    assert list(batched(iter(things), size)) == batches


def test_a_batch_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least 1, not 0"):
        list(batched([1], 0))
