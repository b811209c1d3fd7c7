"""What an invocation measures of queues: joined over its ticks, and sent once at its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, assert_never

from mayfly.metrics import Joined, Metric

MOST_VALUES = 100
"""Values of one metric in one line (CloudWatch user guide, "Embedded metric format", targets)."""


class Series(NamedTuple):
    """One series of CloudWatch, without the stack."""

    metric: Metric
    queue: str
    part: str = ""
    """Value of the metric's further dimension; empty for a metric without one."""


@dataclass(slots=True)
class Measures:
    """The values of queues' metrics, of one tick or of several; see `Joined`."""

    _values: dict[Series, list[float]] = field(default_factory=dict)

    def note(self, metric: Metric, queue: str, value: float = 1, part: str = "") -> None:
        """Note a value of the current tick.

        Raises ValueError where `part` is missing for a metric with a further dimension, or given
        for one without: CloudWatch would take both, and no graph would show them.
        """
        if bool(part) is (metric.part is None):
            raise ValueError(f"{metric} has {metric.part or 'no further dimension'}: {part!r}")
        self._note(Series(metric, queue, part), value)

    def add(self, other: Measures) -> None:
        """Join the values of a later tick of the same invocation."""
        for series, values in other._values.items():
            match series.metric.kind.joined:
                case Joined.SUM | Joined.EACH:
                    for value in values:
                        self._note(series, value)
                case Joined.HIGHEST:
                    self._values[series] = [max(*values, *self._values.get(series, values))]
                case Joined.LATEST:
                    self._values[series] = list(values)
                case _:
                    assert_never(series.metric.kind.joined)

    def all(self) -> Iterator[tuple[Series, tuple[float, ...]]]:
        """Every series with its values, in order. All but `EACH` have one value."""
        for series in sorted(self._values):
            yield series, tuple(self._values[series])

    @property
    def total(self) -> Mapping[Series, float]:
        """By series: the sum of its values."""
        return {series: sum(values) for series, values in self.all()}

    def as_dict(self) -> dict[str, float]:
        """In values of JSON, for the log: `Metric of queue QUEUE (PART)` and the sum."""
        return {_named(series): round(value, 3) for series, value in self.total.items()}

    def _note(self, series: Series, value: float) -> None:
        values = self._values.setdefault(series, [])
        if series.metric.kind.joined is not Joined.EACH or not values:
            values[:] = [sum(values) + value]
        elif len(values) < MOST_VALUES:
            values.append(value)  # what is beyond is left out: the percentiles hardly change


def _named(series: Series) -> str:
    part = f" ({series.part})" if series.part else ""
    return f"{series.metric} of queue {series.queue}{part}"
