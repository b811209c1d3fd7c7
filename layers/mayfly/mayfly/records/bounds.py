"""Limits of what one record holds. Pure.

An item of DynamoDB has at most 400 KB, and a write that makes an item larger fails as a whole.
Texts in records come from hosts, EC2, Buildkite and operators, and none of them knows the limit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

Value = TypeVar("Value")

LONGEST_REASON = 4096
"""Bytes of a reason. Hosts' reports, and details at Buildkite, have no more."""
LONGEST_NOTE = 255
"""Bytes of a note on a job's page. Buildkite's documentation of its Stacks API has 256 characters;
Buildkite's own stack for Kubernetes cuts to 255 bytes."""
LONGEST_CAUSE = 300
"""Bytes of a failed boot's or launch's cause in a queue's ledger, which holds many."""
LONGEST_VALUE = 1024
"""Bytes of a parameter's value in the record of its change; a value in SSM has up to 8 KB."""
MOST_NOTES = 100
"""Notes of boots in a queue's ledger; a further note first merges the stored ones."""
MOST_SHAPES = 30
"""Shapes in each map of a queue's ledger; the longest name of a shape has about 1 KB."""
MOST_POOLS = 100
"""Pools of spot capacity in a queue's ledger."""
LARGEST_LEDGER = 360_000
"""Most bytes of a queue's ledger, whatever hosts report; a test holds this limit."""


def cut(text: str, most: int) -> str:
    """The text in at most `most` bytes of UTF-8; a text that was cut ends with an ellipsis."""
    whole = text.encode()
    if len(whole) <= most:
        return text
    mark = "…"
    return whole[: most - len(mark.encode())].decode(errors="ignore") + mark


def highest(
    by_name: Mapping[str, Value], rank: Callable[[str], Any], most: int = MOST_SHAPES
) -> dict[str, Value]:
    """The entries with the highest rank, by default as many as a ledger has shapes."""
    names = sorted(by_name, key=lambda name: (rank(name), name), reverse=True)
    return {name: by_name[name] for name in names[:most]}
