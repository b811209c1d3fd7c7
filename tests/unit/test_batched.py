"""Batches of a sequence: order, sizes, a wrong size."""

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
def test_batches_keep_the_order_and_none_is_empty(
    things: list[int], size: int, batches: list[list[int]]
) -> None:
    assert list(batched(things, size)) == batches
    assert list(batched(iter(things), size)) == batches


def test_a_batch_size_below_1_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="at least 1, not 0"):
        list(batched([1], 0))
