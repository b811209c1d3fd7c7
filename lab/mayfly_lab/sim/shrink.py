"""Finds a shorter run with the same violation: delta debugging over the events that chance dealt.

Source of the method: A. Zeller and R. Hildebrandt, "Simplifying and isolating failure-inducing
input", IEEE Transactions on Software Engineering 28 (2002). An event that is left out changes none
of the others (see `chance`), except those that the run does not come to any more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

MOST_RUNS = 400
"""Runs that one search may take: some seconds each at the worst, and most end early."""


def shortest(
    events: Sequence[str], fails: Callable[[Collection[str]], bool], most: int = MOST_RUNS
) -> tuple[str, ...]:
    """The fewest of the events with which a run still fails, as far as `most` runs can tell.

    `fails` runs with these events alone. All events together must fail.
    """
    left, parts, runs = list(events), 2, 0
    while len(left) > 1 and runs < most:
        size = -(-len(left) // parts)
        chunks = [left[at : at + size] for at in range(0, len(left), size)]
        for chunk in chunks:
            out = set(chunk)
            rest = [event for event in left if event not in out]
            runs += 1
            if fails(rest):
                left, parts = rest, max(parts - 1, 2)
                break
            if runs >= most:
                break
        else:
            if parts >= len(left):
                break
            parts = min(2 * parts, len(left))
    return tuple(left)
