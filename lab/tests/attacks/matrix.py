"""The matrix as text of 80 columns: every attack, what refused it, how, and what was seen."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from attacks.rows import Attack, Chapter, Place

WIDTH = 80
_INDENT = " " * 12


class Result(StrEnum):
    """How an attack ended. The values are the words of the matrix."""

    REFUSED = "refused"
    REMAINS = "remains"
    """The attack has the effect that its row states."""
    IMPOSSIBLE = "not here"
    """This machine cannot try it, for a reason that is told."""
    SUCCEEDED = "NOT REFUSED"
    """The attack had an effect, or its control had none."""
    UNTRIED = "NOT TRIED"


@dataclass(frozen=True, slots=True)
class Try:
    """One attack in one place."""

    result: Result
    seen: str


Tries = Mapping[tuple[str, str, Place], Try]
"""By file, test and place; an absent one was not tried."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """All rows with their tries."""

    chapters: Sequence[Chapter]
    tries: Tries

    def bad(self) -> int:
        """The number of tries that succeeded, or were not made although they could be."""
        counted = Counter(each.result for each in self._all())
        return counted[Result.SUCCEEDED] + counted[Result.UNTRIED]

    def lines(self) -> Iterator[str]:
        """The matrix, at most `WIDTH` columns wide, and a line of totals."""
        for chapter in self.chapters:
            yield ""
            yield from textwrap.wrap(chapter.title, WIDTH)
            yield "-" * min(WIDTH, len(chapter.title))
            for name, row in chapter.rows:
                yield from self._block(chapter.name, name, row)
        yield ""
        counted = Counter(each.result for each in self._all())
        totals = ", ".join(f"{counted[each]} {each.lower()}" for each in Result)
        yield f"{sum(counted.values())} tries of {self._number()} attacks: {totals}"

    def _number(self) -> int:
        return sum(len(chapter.rows) for chapter in self.chapters)

    def _all(self) -> Iterator[Try]:
        for chapter in self.chapters:
            for name, row in chapter.rows:
                yield from self._tries(chapter.name, name, row).values()

    def _tries(self, chapter: str, name: str, row: Attack) -> dict[Place, Try]:
        untried = Try(Result.UNTRIED, "")
        return {place: self.tries.get((chapter, name, place), untried) for place in row.places}

    def _block(self, chapter: str, name: str, row: Attack) -> Iterator[str]:
        tries = self._tries(chapter, name, row)
        worst = max((each.result for each in tries.values()), key=list(Result).index)
        yield from _wrapped(f"{worst:<12}", row.what)
        yield from _wrapped(f"{_INDENT}by:   ", row.refused_by)
        yield from _wrapped(f"{_INDENT}how:  ", row.mechanism)
        for place, each in tries.items():
            yield from _wrapped(f"{_INDENT}{place}: ", f"{each.result}; {each.seen or 'no result'}")
        if row.remains:
            yield from _wrapped(f"{_INDENT}left: ", row.remains)


def _wrapped(head: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=head, subsequent_indent=" " * 18, break_on_hyphens=False
    )
