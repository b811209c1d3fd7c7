"""Launches against failures: a shape whose boots fail must be launched ever more rarely."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from mayfly.records.model import Instance

IN_A_ROW = 3
"""Failed boots after which only trials may follow."""
PAUSES = (1, 2, 4, 8, 16, 30)
"""Minutes before each trial; the last pause repeats."""
LAG = timedelta(seconds=2)
"""Time in which a tick that has read its records may still launch."""
_NO_FAILURE = ("Server.Spot", "Server.Insufficient", "EC2 takes the spot instance back")
"""Parts of reasons that say nothing of the image."""


def unbraked(instances: Iterable[Instance]) -> Iterator[str]:
    """Each launch that failures should have held back: how many instances, and how early."""
    alike = defaultdict[tuple[str, str, int], list[Instance]](list)
    for instance in instances:
        alike[str(instance.shape), instance.spec, instance.boot_minutes].append(instance)
    for (shape, _, _), boots in alike.items():
        launches = defaultdict[str, list[Instance]](list)
        for boot in sorted(boots, key=lambda each: each.created):
            launches[boot.key.launch].append(boot)
        yield from _too_early(shape, list(launches.values()), boots)


def _too_early(
    shape: str, launches: Sequence[Sequence[Instance]], boots: Sequence[Instance]
) -> Iterator[str]:
    trials, since = 0, None
    for launch in launches:
        at = launch[0].created
        third = _third_failure(boots, at - LAG)
        if third != since:
            trials, since = 0, third
        if third is None:
            continue
        trials += 1
        least = timedelta(minutes=sum(PAUSES[min(n, len(PAUSES) - 1)] for n in range(trials)))
        after = f"{(at - third).total_seconds():.0f} s after {IN_A_ROW} boots in a row had failed"
        if len(launch) > 1:
            yield f"{len(launch)} instances of {shape} were launched at once, {after}"
        elif at - third < least - LAG:
            yield f"trial {trials} of {shape} was launched {after}, not {least} after"


def _third_failure(boots: Sequence[Instance], before: datetime) -> datetime | None:
    """When the third boot in a row had failed; None when fewer had failed before this time."""
    ends = sorted(end for boot in boots if (end := _end(boot)) is not None and end[0] < before)
    failures: list[datetime] = []
    for at, is_ready in ends:
        if is_ready:
            failures.clear()
        else:
            failures.append(at)
    return failures[IN_A_ROW - 1] if len(failures) >= IN_A_ROW else None


def _end(boot: Instance) -> tuple[datetime, bool] | None:
    """When a boot ended, and whether the instance was ready; None for a boot that says nothing."""
    for step in boot.history:
        if step.state == "ready":
            return step.at, True
        if step.state in {"condemned", "terminated"}:
            says_nothing = any(part in step.reason for part in _NO_FAILURE)
            return None if says_nothing else (step.at, False)
    return None
