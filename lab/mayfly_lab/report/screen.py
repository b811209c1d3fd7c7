"""Lines for a terminal: at most 80 columns, whole, and in colour where somebody looks."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from textwrap import wrap

WIDTH = 80
TIME = 8
"""Columns of the time before an event."""
_GREEN, _RED, _YELLOW, _BOLD, _PLAIN = (f"\x1b[{code}m" for code in (32, 31, 33, 1, 0))
_PAINTED = (
    (re.compile(r"^held\b|\(passed\)|(?<=\s)passed(?=\s|;|$)|\ball checks held\b"), _GREEN),
    (
        re.compile(
            r"^BROKEN\b|\bchecks are BROKEN\b|\bALARM\b"
            r"|\((?:failed|timed_out|expired|waiting_failed)\)"
            r"|(?<=\s)(?:failed|timed_out|expired|waiting_failed)(?=\s|;|$)"
        ),
        _RED,
    ),
    (re.compile(r"\bwarning:|\bfault:|(?<=\s)(?:soft_failed|canceled)(?=\s|$)"), _YELLOW),
    (re.compile(r"^ # job\b.*|^instance +queue\b.*|^seconds since\b.*"), _BOLD),
)


def folded(text: str, indent: int, first: str | None = None) -> list[str]:
    """The text in lines of at most 80 columns, each after `indent` blanks, the first after `first`.

    A word that is longer than a line stays whole: an address or a path can be copied.
    """
    blanks = " " * indent
    return wrap(
        text,
        WIDTH,
        initial_indent=blanks if first is None else first,
        subsequent_indent=blanks,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [(first or "").rstrip()]


def timed(seconds: float, text: str) -> list[str]:
    """The lines of an event, after the time at which it happened."""
    return folded(text, TIME, f"{seconds:6.2f}  ")


def row(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """The lines of a table's row: each cell is wrapped into its column; numbers go to the right.

    A column's width is negative for text that goes to the right. Columns are one blank apart.
    """
    columns = [
        wrap(cell, abs(width), break_on_hyphens=False) or [""]
        for cell, width in zip(cells, widths, strict=True)
    ]
    for parts in zip_longest(*columns, fillvalue=""):
        padded = (
            part.rjust(-width) if width < 0 else part.ljust(width)
            for part, width in zip(parts, widths, strict=True)
        )
        yield " ".join(padded).rstrip()


def has_colour() -> bool:
    """Whether stdout is a terminal that shows colours, and nobody asked for none (NO_COLOR).

    A CI system counts as no terminal, even where its jobs have one: the system's logs keep every
    line.
    """
    dull = os.environ.get("NO_COLOR") or os.environ.get("CI") or os.environ.get("TERM") == "dumb"
    return not dull and sys.stdout.isatty()


def painted(line: str) -> str:
    """The line with its outcomes, checks, warnings and headings in colour."""
    for pattern, colour in _PAINTED:
        line = pattern.sub(rf"{colour}\g<0>{_PLAIN}", line)
    return line
