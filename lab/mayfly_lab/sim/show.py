"""What `mayfly-lab sim` prints."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator

from mayfly_lab.sim.faults import FAULTS
from mayfly_lab.sim.seeds import Short, Total

_WIDTH = 80
_MOST_VIOLATIONS = 5


def progress(total: Total, seeds: int, seconds: float) -> str:
    """A line while seeds run; `seconds` of real time have passed."""
    return f"{seconds:7.1f}  {total.seeds} of {seeds} seeds, {len(total.failed)} with a violation"


def summary(total: Total, seconds: float) -> Iterator[str]:
    """Lines about all seeds."""
    yield ""
    yield f"{total.seeds} seeds from {total.first} on, in {seconds:.0f} s:"
    yield f"{total.seconds / 3600:.1f} hours of virtual time,"
    yield f"{total.jobs} jobs, {total.launches} launches, {total.calls} calls to ports"
    yield "faults:"
    for name in FAULTS:
        yield f"  {name:<18}{total.faults[name]:>9}"
    yield "every invariant held" if not total.failed else f"{len(total.failed)} seeds failed"


def violation(short: Short, replay: Callable[[int], str]) -> Iterator[str]:
    """Lines about a failing seed: what does not hold, the shortest way to it, and a replay."""
    result = short.result
    yield ""
    yield f"seed {result.seed}"
    for text in result.violations[:_MOST_VIOLATIONS]:
        yield from textwrap.wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="    ")
    if more := len(result.violations) - _MOST_VIOLATIONS:
        yield from [f"  and {more} more"] if more > 0 else []
    yield f"  {len(short.events)} of {len(result.events)} events are enough:"
    yield from (f"    {event}" for event in short.events)
    yield "  again, all of it:"
    yield f"    {replay(result.seed)}"
    yield "  with these events alone: write them into a file, one a line, and add --keep FILE"
