"""What a command shows: lines, tables and commands to paste, without any layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Mood(StrEnum):
    """How much a text matters. Only the colour of the text depends on its mood."""

    PLAIN = ""
    GOOD = "green"
    NOTICE = "yellow"
    BAD = "bold red"
    FAINT = "dim"
    STRONG = "bold"


@dataclass(frozen=True, slots=True)
class Span:
    """A text with a mood."""

    text: str
    mood: Mood = Mood.PLAIN


Cell: TypeAlias = Span | str


@dataclass(frozen=True, slots=True)
class Line:
    """One line, wrapped at the screen's edge; further lines are indented by two more."""

    cells: tuple[Cell, ...]
    indent: int = 0


@dataclass(frozen=True, slots=True)
class Hint:
    """A command to paste, which is never wrapped, or what else to do."""

    text: str
    indent: int = 4


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    head: str
    right: bool = False
    """Whether the cells end at the column's right edge, as numbers do."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under heads. The first column names the row; the last column may be long and wraps."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


Block: TypeAlias = Line | Hint | Table
Document: TypeAlias = tuple[Block, ...]


def line(*cells: Cell, indent: int = 0) -> Line:
    """A line of these cells."""
    return Line(cells, indent)


def columns(*heads: str) -> tuple[Column, ...]:
    """Columns with these heads; a head that begins with `>` is of numbers."""
    return tuple(Column(head.lstrip(">"), head.startswith(">")) for head in heads)


def table(heads: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> Table:
    """A table of these rows."""
    return Table(tuple(heads), tuple(tuple(row) for row in rows))


def text_of(cell: Cell) -> str:
    """The cell's text in one line, without characters that would steer a terminal."""
    text = cell if isinstance(cell, str) else cell.text
    return "".join(char if char.isprintable() else " " for char in text)


def mood_of(cell: Cell) -> Mood:
    """The cell's mood."""
    return Mood.PLAIN if isinstance(cell, str) else cell.mood
