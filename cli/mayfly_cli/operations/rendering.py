"""Writes a document for a screen of any width: the only place that knows layout and colour.

A table takes the first of three layouts that fits: all columns side by side; the last column
below its row; each row as a paragraph of its own. No layout cuts a text or breaks a word.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from typing import IO

from rich.cells import cell_len
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
_COMMANDS = ("mayfly ", "aws ")
_NAME = 32
"""The widest first column of a table, but for a longer word; a longer name has several lines."""


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
            case Hint(text, indent) if text.startswith(_COMMANDS):
                command = f"{text}{suffix}" if text.startswith("mayfly ") else text
                # A command that is copied must have no line break but those of the terminal.
                yield Text(f"{' ' * indent}-> {command}")
            case Hint(text, indent):
                yield from _wrapped(Text(f"-> {text}"), width, indent, indent + 3)
            case Table() as table:
                yield from _table(table, width)


def _joined(cells: tuple[Cell, ...]) -> Text:
    found = Text()
    for cell in cells:
        found.append(text_of(cell), style=mood_of(cell).value)
    return found


def _wrapped(text: Text, width: int, first: int, rest: int) -> Iterator[Text]:
    """The text in lines of at most `width` columns, broken at blanks alone.

    The first line is indented by `first`, the other lines by `rest`; both less where a long word
    would not fit. A word that is longer than the screen stands alone and whole on its line: the
    terminal folds such a word, and copies it as one.
    """
    room = width - max((size for size in _words(text.plain) if size <= width), default=0)
    first, rest = min(first, room), min(rest, room)
    for number, each in enumerate(text.divide(_breaks(text.plain, width - max(first, rest)))):
        each.rstrip()
        yield Text(" " * (rest if number else first)) + each


def _breaks(text: str, width: int) -> list[int]:
    """Where lines of at most `width` columns begin, but for the first; rich would fold words."""
    found = []
    used = cell_len(text) - cell_len(text.lstrip())
    for word in _WORD.finditer(text):
        if used and used + cell_len(word[1]) > width:
            found.append(word.start())
            used = 0
        used += cell_len(word[0])
    return found


def _words(text: str) -> list[int]:
    """Columns of each word."""
    return [cell_len(word) for word in text.split()]


_WORD = re.compile(r"(\S+)\s*")


def _table(table: Table, width: int) -> Iterator[Text]:
    if not table.rows:
        return
    widths = [
        max(cell_len(column.head), *(cell_len(text_of(row[at])) for row in table.rows))
        for at, column in enumerate(table.columns)
    ]
    widths[0] = min(
        widths[0], max(_NAME, *(n for row in table.rows for n in _words(text_of(row[0]))))
    )
    before = sum(widths[:-1]) + len(GAP) * (len(widths) - 1)
    if before + min(widths[-1], _LAST) <= width:
        yield from _side_by_side(table, widths, width, width - before)
    elif before - len(GAP) <= width:
        yield from _side_by_side(table, widths, width, 0)
    else:
        yield from _paragraphs(table, width)


def _side_by_side(table: Table, widths: list[int], width: int, last: int) -> Iterator[Text]:
    """The rows under their heads.

    The last cell of a row has `last` columns beside the others; where they do not hold its longest
    word, the cell is below its row.
    """
    shown = len(widths) if last else len(widths) - 1
    yield _head(table, widths, shown)
    for row in table.rows:
        text = text_of(row[-1])
        beside = bool(last) and max(_words(text), default=0) <= last
        lines = list(_wrapped(_joined(row[-1:]), last, 0, 0)) if beside else []
        yield from _row(table, row, widths, lines)
        if text.strip() and not beside:
            yield from _wrapped(_joined(row[-1:]), width, 4, 4)


def _row(
    table: Table, row: tuple[Cell, ...], widths: list[int], last: list[Text]
) -> Iterator[Text]:
    """The row's lines: its first cell wrapped, and `last` in the last column."""
    names = list(_wrapped(_joined(row[:1]), widths[0], 0, 0))
    others = _cells(table, row, widths, range(1, len(widths) - 1))
    blank = Text(" " * others.cell_len)
    for number in range(max(len(names), len(last))):
        found = _aligned(names[number] if number < len(names) else Text(), widths[0])
        found.append_text(others if number == 0 else blank)
        if number < len(last):
            found.append(GAP).append_text(last[number])
        found.rstrip()
        yield found


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
    found = _aligned(_joined(heads[:1]), widths[0])
    found.append_text(_cells(table, heads, widths, range(1, shown)))
    found.rstrip()
    return found


def _cells(table: Table, row: tuple[Cell, ...], widths: list[int], shown: range) -> Text:
    """Cells in one line, each with the gap before it."""
    found = Text()
    for at in shown:
        right = table.columns[at].right
        found.append(GAP).append_text(_aligned(_joined(row[at : at + 1]), widths[at], right=right))
    return found


def _aligned(text: Text, width: int, *, right: bool = False) -> Text:
    """The text with blanks to this width."""
    space = Text(" " * max(width - text.cell_len, 0))
    return space + text if right else text + space
