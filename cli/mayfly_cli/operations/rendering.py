"""Writes a document for a screen of any width: the only place that knows layout and colour.

A table takes the first of three layouts that fits: all columns side by side; the last column
below its row; each row as a paragraph of its own.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator, Mapping
from typing import IO

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from mayfly_cli.operations.screen import (
    Cell,
    Document,
    Hint,
    Line,
    Mood,
    Span,
    Table,
    mood_of,
    text_of,
)

GAP = "  "
NARROWEST, WIDEST, PIPED = 40, 200, 100
"""Columns: limits for a terminal, and the width for a file or a pipe."""
_LAST = 24
"""The least width of a table's last column beside the others."""
_NAME = 32
"""The widest first column of a table; a longer name is cut, because all rows share the column."""


def width_of(stream: IO[str], environment: Mapping[str, str] = os.environ) -> int:
    """Columns for output to this stream. COLUMNS is obeyed, as by other tools."""
    if not stream.isatty() and not environment.get("COLUMNS", "").isdigit():
        return PIPED
    return min(max(shutil.get_terminal_size((PIPED, 24)).columns, NARROWEST), WIDEST)


def console(stream: IO[str], width: int) -> Console:
    """A console that colours on a terminal only, and never where NO_COLOR is set."""
    return Console(
        file=stream,
        width=width,
        # Without a height, rich takes 80 columns for each terminal with TERM=dumb.
        height=24,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )


def write(document: Document, to: Console, suffix: str = "") -> None:
    """Write the document. `suffix` is appended to each command of `mayfly` to paste."""
    for text in _texts(document, to.width, suffix):
        to.print(text, soft_wrap=True)


def _texts(document: Document, width: int, suffix: str) -> Iterator[Text]:
    for block in document:
        match block:
            case Line(cells, indent):
                yield from _wrapped(_joined(cells), width, indent, indent + 2)
            case Hint(text, indent):
                command = f"{text}{suffix}" if text.startswith("mayfly ") else text
                # A command that is copied must have no line break but those of the terminal.
                yield Text(f"{' ' * indent}-> {command}")
            case Table() as table:
                yield from _table(table, width)


def _joined(cells: tuple[Cell, ...]) -> Text:
    found = Text()
    for cell in cells:
        found.append(text_of(cell), style=mood_of(cell).value)
    return found


def _wrapped(text: Text, width: int, first: int, rest: int) -> Iterator[Text]:
    """The text in lines of at most `width` columns.

    The first line is indented by `first`, the other lines by `rest`.
    """
    lines = text.wrap(_MEASURE, max(width - rest, 10))
    for number, each in enumerate(lines):
        each.rstrip()
        yield Text(" " * (rest if number else first)) + each
    if not lines:
        yield Text()


_MEASURE = Console(width=WIDEST, file=io.StringIO())
"""For `Text.wrap` alone: nothing is written."""


def _table(table: Table, width: int) -> Iterator[Text]:
    if not table.rows:
        return
    widths = [
        max(cell_len(column.head), *(cell_len(text_of(row[at])) for row in table.rows))
        for at, column in enumerate(table.columns)
    ]
    widths[0] = min(widths[0], _NAME)
    before = sum(widths[:-1]) + len(GAP) * (len(widths) - 1)
    if before + min(widths[-1], _LAST) <= width:
        yield from _side_by_side(table, widths, width - before)
    elif before - len(GAP) <= width:
        yield from _last_below(table, widths, width)
    else:
        yield from _paragraphs(table, width)


def _side_by_side(table: Table, widths: list[int], last: int) -> Iterator[Text]:
    yield _head(table, widths, len(widths))
    margin = sum(widths[:-1]) + len(GAP) * (len(widths) - 1)
    for row in table.rows:
        start = _row(table, row, widths, len(widths) - 1)
        lines = list(_wrapped(_joined(row[-1:]), last, 0, 0))
        for number, each in enumerate(lines):
            whole = (start + Text(GAP) if number == 0 else Text(" " * margin)) + each
            whole.rstrip()
            yield whole


def _last_below(table: Table, widths: list[int], width: int) -> Iterator[Text]:
    yield _head(table, widths, len(widths) - 1)
    for row in table.rows:
        start = _row(table, row, widths, len(widths) - 1)
        start.rstrip()
        yield start
        if text_of(row[-1]).strip():
            yield from _wrapped(_joined(row[-1:]), width, 4, 4)


def _paragraphs(table: Table, width: int) -> Iterator[Text]:
    for row in table.rows:
        yield from _wrapped(_joined((Span(text_of(row[0]), Mood.STRONG),)), width, 0, 2)
        facts: list[Cell] = []
        for column, cell in zip(table.columns[1:-1], row[1:-1], strict=True):
            if text_of(cell).strip() not in {"", "-"}:
                facts += [" · "] if facts else []
                facts += [Span(f"{column.head.lower()} ", Mood.FAINT), cell]
        if facts:
            yield from _wrapped(_joined(tuple(facts)), width, 2, 4)
        if text_of(row[-1]).strip():
            yield from _wrapped(_joined(row[-1:]), width, 2, 4)


def _head(table: Table, widths: list[int], shown: int) -> Text:
    heads = tuple(Span(column.head, Mood.FAINT) for column in table.columns)
    found = _row(table, heads, widths, shown)
    found.rstrip()
    return found


def _row(table: Table, row: tuple[Cell, ...], widths: list[int], shown: int) -> Text:
    found = Text()
    for at in range(shown):
        text = text_of(row[at])
        if cell_len(text) > widths[at]:
            text = f"{set_cell_size(text, widths[at] - 1)}…"
        space = " " * (widths[at] - cell_len(text))
        right = table.columns[at].right
        found.append((GAP if at else "") + (space if right else ""))
        found.append(text, style=mood_of(row[at]).value)
        found.append("" if right else space)
    return found
