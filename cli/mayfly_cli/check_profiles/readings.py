"""What the instance saw, and what follows from it for one replacement."""

from __future__ import annotations

import re
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

_LINE = re.compile(
    r"mayfly-profiles\|(\d+)\|(\d+)\|([\w+=,.@?-]+)\|([\w+=,.@?-]+)\|([\w+=,.@?-]+)\s"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """A change that the instance saw."""

    at: float
    """Seconds since the epoch, by the instance's clock."""
    profile: str
    listed: str
    served: str

    def is_whole(self, name: str) -> bool:
        """Whether all paths name this profile and role, and no other."""
        return self.profile == self.listed == self.served == name


def read(console: str, known: Mapping[int, Reading]) -> dict[int, Reading]:
    """All readings by their number: those known, and those of the console's last 64 KB."""
    found = dict(known)
    for number, milliseconds, *seen in _LINE.findall(console):
        found[int(number)] = Reading(int(milliseconds) / 1000, *seen)
    return found


@dataclass(frozen=True, slots=True)
class Switch:
    """One replacement. Times are seconds after the call; None for what was not seen."""

    associated: float | None
    """When EC2 first showed the new association as `associated`."""
    profile: float | None
    listed: float | None
    served: float | None
    """When the new role's path, and no other, had credentials."""
    whole: float | None
    """When all paths first named the new role."""
    returned: int
    """Readings of the old profile or role after the first whole one."""
    silent: int
    """Readings with a path that did not answer."""


def switch(
    to: str, away: str, asked: float, associated: float | None, readings: Collection[Reading]
) -> Switch:
    """What the readings since the call at `asked` say. Times are seconds since the epoch."""
    later = sorted((each for each in readings if each.at >= asked), key=lambda each: each.at)
    whole = next((each.at for each in later if each.is_whole(to)), None)

    def first(path: str) -> float | None:
        return next((each.at - asked for each in later if getattr(each, path) == to), None)

    return Switch(
        associated=None if associated is None else associated - asked,
        profile=first("profile"),
        listed=first("listed"),
        served=first("served"),
        whole=None if whole is None else whole - asked,
        returned=sum(
            whole is not None and each.at > whole and _names(each, away) for each in later
        ),
        silent=sum("?" in (each.profile, each.listed, each.served) for each in later),
    )


def _names(reading: Reading, name: str) -> bool:
    return any(
        name in text.split(",") for text in (reading.profile, reading.listed, reading.served)
    )


def summary(switches: Sequence[Switch]) -> list[str]:
    """Lines with the least, the middle, the 95th percentile and the greatest of each time."""
    lines = [f"{'seconds after the call':<26}{'runs':>6}{'min':>8}{'p50':>8}{'p95':>8}{'max':>8}"]
    for name, words in _TIMES.items():
        times = sorted(time for each in switches if (time := getattr(each, name)) is not None)
        lines.append(f"{words:<26}{len(times):>6}" + "".join(map(_figure, _figures(times))))
    returned = _sum(switches, "returned")
    lines.append(f"returned to the old profile after the new one: {returned} times")
    lines.append(f"readings without an answer: {_sum(switches, 'silent')}")
    return lines


_TIMES = {
    "associated": "EC2 shows `associated`",
    "profile": "iam/info names the new",
    "listed": "the list names the new",
    "served": "only the new is served",
    "whole": "all of them at once",
}


def _figures(times: Sequence[float]) -> list[float]:
    """Least, middle, 95th percentile and greatest of sorted times; none of none."""
    if not times:
        return []
    return [times[0], statistics.median(times), times[round(0.95 * (len(times) - 1))], times[-1]]


def _figure(seconds: float) -> str:
    return f"{seconds:8.1f}"


def _sum(switches: Sequence[Switch], name: str) -> int:
    return sum(getattr(each, name) for each in switches)
