"""Where a chart's marks stand, in percent of its width."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, floor, log10

from mayfly_cli.html_report.model import Chart

_MOST_TICKS = 8
_NARROWEST = 560
"""Pixels of the narrowest plot in which marks carry words; narrower ones hide them by style."""
_LETTER = 6.4
"""Pixels of a letter in a mark, and as much as the margins of a word."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The seconds at the left and the right edge of a chart."""

    first: float
    last: float

    def x(self, at: float) -> float:
        """The place of a second, in percent."""
        return round(100 * (at - self.first) / (self.last - self.first), 3)

    def width(self, begin: float, end: float) -> float:
        """The width of a time, in percent."""
        return round(100 * (end - begin) / (self.last - self.first), 3)

    def holds(self, word: str, begin: float, end: float) -> bool:
        """Whether a mark of this time is wide enough for the word."""
        return self.width(begin, end) * _NARROWEST / 100 > (len(word) + 1) * _LETTER

    def ticks(self) -> Iterator[float]:
        """Round seconds on the axis, at most eight, with 0 among them when it is in sight."""
        step = _step((self.last - self.first) / _MOST_TICKS)
        for number in range(ceil(self.first / step), floor(self.last / step) + 1):
            yield round(number * step, 6)


def scale(chart: Chart) -> Scale:
    """The scale that holds all of a chart and its zero; a second wide when nothing has a length."""
    times = list(_times(chart))
    first, last = min(0.0, *times, 0.0), max(0.0, *times, 0.0)
    return Scale(first, last if last > first else first + 1.0)


def _times(chart: Chart) -> Iterator[float]:
    for job in chart.jobs:
        for span in job.spans:
            yield from (span.begin, span.end)
    of_jobs = (job.instance for job in chart.jobs if job.instance is not None)
    for instance in (*of_jobs, *chart.idle):
        for band in instance.bands:
            yield from (band.begin, band.end)


def _step(least: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is not below `least`."""
    power = 10.0 ** floor(log10(least))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least * 0.999)
