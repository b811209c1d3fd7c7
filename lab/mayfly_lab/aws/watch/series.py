"""Metrics by minute, as alarms read them."""

from __future__ import annotations

import json
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MINUTE = 60
KEPT = 180
"""Minutes for which values are kept: no alarm looks back as far."""


@dataclass(frozen=True, slots=True)
class Datum:
    """One value of a metric; `at` in seconds since the epoch."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    at: float
    value: float
    unit: str = "Count"

    @property
    def key(self) -> Key:
        """The series that the value belongs to: CloudWatch matches all dimensions or none."""
        return self.namespace, self.name, frozenset(self.dimensions.items())


Key = tuple[str, str, frozenset[tuple[str, str]]]


class Series:
    """Values of every metric, by minute. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[Key, dict[int, list[float]]] = {}
        self._newest = 0

    def add(self, data: Iterable[Datum]) -> None:
        """Add values."""
        with self._lock:
            for datum in data:
                minutes = self._values.setdefault(datum.key, defaultdict(list))
                minutes[int(datum.at) // MINUTE].append(datum.value)
                self._newest = max(self._newest, int(datum.at) // MINUTE)
            self._forget()

    def point(self, key: Key, start: int, period: int, stat: str) -> float | None:
        """The statistic over a period from `start`, both in seconds; None without a value.

        Raises:
            KeyError: there is no such statistic.
        """
        first = start // MINUTE
        with self._lock:
            minutes = self._values.get(key, {})
            found = [
                value
                for minute in range(first, first + max(1, period // MINUTE))
                for value in minutes.get(minute, ())
            ]
        return statistic(stat)(found) if found else None

    def _forget(self) -> None:
        """Drop values that are older than `KEPT`, and series without any left."""
        for key, minutes in list(self._values.items()):
            for minute in [each for each in minutes if each <= self._newest - KEPT]:
                del minutes[minute]
            if not minutes:
                del self._values[key]


STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "Average": lambda values: sum(values) / len(values),
    "Maximum": max,
    "Minimum": min,
    "SampleCount": lambda values: float(len(values)),
    "Sum": sum,
}


def statistic(name: str) -> Callable[[Sequence[float]], float]:
    """The function of a statistic, also of a percentile as `p99`. Raises KeyError."""
    if name in STATISTICS:
        return STATISTICS[name]
    if not re.fullmatch(r"p(100|[0-9]{1,2})(\.[0-9]+)?", name):
        raise KeyError(name)
    part = float(name[1:]) / 100

    def percentile(values: Sequence[float]) -> float:
        ordered = sorted(values)
        place = part * (len(ordered) - 1)
        low = int(place)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (ordered[high] - ordered[low]) * (place - low)

    return percentile


def embedded(line: str) -> Iterator[Datum]:
    """The metrics that a log line embeds; none for another line.

    Source: CloudWatch user guide, "Specification: CloudWatch embedded metric format".
    """
    if '"_aws"' not in line:
        return
    try:
        content = json.loads(line)
        about = content["_aws"]
        sets: Any = about["CloudWatchMetrics"]
    except (ValueError, KeyError, TypeError):
        return
    for directive in sets:
        for names in directive["Dimensions"]:
            dimensions = {name: str(content[name]) for name in names}
            for metric in directive["Metrics"]:
                given = content[metric["Name"]]
                for value in given if isinstance(given, list) else [given]:
                    yield Datum(
                        directive["Namespace"],
                        metric["Name"],
                        dimensions,
                        about["Timestamp"] / 1000,
                        float(value),
                        metric.get("Unit", "None"),
                    )
