"""A table with a row of traits for every state of a record.

No field of a row has a default, so mypy refuses a row that lacks an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol, TypeVar


class Ranked(Protocol):
    """A state that has a rank in the index `open`."""

    @property
    def traits(self) -> HasRank:
        """The row of this state."""


class HasRank(Protocol):
    """A row of traits."""

    @property
    def rank(self) -> int:
        """Place in the stored key of the index `open`."""


State = TypeVar("State", bound=StrEnum)
Traits = TypeVar("Traits", bound=HasRank)


def exhaustive(states: type[State], rows: Mapping[State, Traits]) -> Mapping[State, Traits]:
    """The rows in the order of the enum's states.

    Raises TypeError for a state without a row, and for two states with one rank.
    """
    missing = [str(state) for state in states if state not in rows]
    if missing:
        raise TypeError(f"{states.__name__}: no row for {', '.join(missing)}")
    ranks = [row.rank for row in rows.values()]
    if len(set(ranks)) < len(ranks):
        raise TypeError(f"{states.__name__}: states share a rank: {sorted(ranks)}")
    return {state: rows[state] for state in states}
