"""The state of an alarm, by its own definition."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mayfly_lab.aws.watch.series import Key, Series

OK, ALARM, NO_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"
_FURTHER = 2
"""Periods that are read beyond EvaluationPeriods; AWS reads further ones and names no number."""
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanOrEqualToThreshold": operator.le,
    "LessThanThreshold": operator.lt,
}
_SIGNS = {
    "GreaterThanOrEqualToThreshold": ">=",
    "GreaterThanThreshold": ">",
    "LessThanOrEqualToThreshold": "<=",
    "LessThanThreshold": "<",
}
_SUM = "SUM(METRICS())"
_LISTED = re.compile(r"SUM\(\[(?P<terms>[a-z_0-9, ]+)\]\)")
_PRODUCT = re.compile(r"(?P<factor>[0-9.]+) \* (?P<metric>[a-z][a-z_0-9]*)")


class UnknownAlarmError(NotImplementedError):
    """An alarm uses a part of CloudWatch that the lab does not have."""


@dataclass(frozen=True, slots=True)
class Part:
    """One metric of an alarm, and its statistic."""

    key: Key
    statistic: str
    factor: float = 1.0
    """What the metric is multiplied by."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm's definition: the sum of its metrics against a threshold."""

    name: str
    parts: tuple[Part, ...]
    period: int
    """Seconds."""
    periods: int
    """EvaluationPeriods."""
    datapoints: int
    """DatapointsToAlarm."""
    comparison: str
    threshold: float
    missing: str
    """TreatMissingData."""

    @classmethod
    def of(cls, made: Any) -> Alarm:
        """The definition in an alarm of moto.

        Raises:
            UnknownAlarmError: the lab lacks the alarm's expression, comparison or period.
        """
        parts, period = _parts(made)
        if made.comparison_operator not in _COMPARE or period % 60:
            raise UnknownAlarmError(f"{made.comparison_operator} of periods of {period} s")
        periods = int(made.evaluation_periods)
        return cls(
            name=str(made.name),
            parts=parts,
            period=period,
            periods=periods,
            datapoints=int(made.datapoints_to_alarm or periods),
            comparison=str(made.comparison_operator),
            threshold=float(made.threshold),
            missing=str(made.treat_missing_data or "missing"),
        )

    def points(self, series: Series, until: float) -> list[float | None]:
        """One value for each period that ends by `until`, the oldest first; None without data.

        The periods end with the last whole minute, and slide with it. Source: CloudWatch user
        guide, "Evaluating an alarm": with a period of five minutes and one evaluation period, the
        alarm looks at minutes 1 to 5, a minute later at minutes 2 to 6.
        """
        end = int(until) // 60 * 60
        back = range(self.periods + _FURTHER, 0, -1)
        return [self._point(series, end - number * self.period) for number in back]

    def _point(self, series: Series, start: int) -> float | None:
        found = (
            (series.point(part.key, start, self.period, part.statistic), part.factor)
            for part in self.parts
        )
        values = [value * factor for value, factor in found if value is not None]
        return sum(values) if values else None

    def state(self, points: Sequence[float | None], before: str) -> tuple[str, str]:
        """The state for these points, and AWS's kind of reason; `before` is the state so far.

        Source: CloudWatch user guide, "Configuring how CloudWatch alarms treat missing data":
        missing points count only where fewer real ones than EvaluationPeriods were retrieved.
        """
        real = [point for point in points if point is not None][-self.periods :]
        crossed = [p for p in real if _COMPARE[self.comparison](p, self.threshold)]
        lacking = self.periods - len(real)
        filled = lacking if self.missing == "breaching" else 0
        if len(crossed) + filled >= self.datapoints:
            return ALARM, self._reason(len(crossed), filled, real)
        if not real and self.missing == "ignore":
            return before, "no datapoint"
        if not real and self.missing == "missing":
            return NO_DATA, f"no datapoint in {self.periods} periods of {self.period} s"
        return OK, self._reason(len(crossed), filled, real)

    def _reason(self, crossed: int, filled: int, real: Sequence[float]) -> str:
        shown = ", ".join(f"{value:g}" for value in reversed(real)) or "none"
        lacked = f" and {filled} missing, which count as breaching," if filled else ""
        return (
            f"{crossed} of the last {self.periods} values{lacked} are"
            f" {_SIGNS[self.comparison]} {self.threshold:g} (latest first: {shown}); "
            f"the alarm goes off at {self.datapoints} such values"
        )


def _parts(made: Any) -> tuple[tuple[Part, ...], int]:
    """The metrics of an alarm, and their period in seconds."""
    if not made.metric_data_queries:
        return (_part(made, made.statistic),), int(made.period)
    stats = {q.id: q.metric_stat for q in made.metric_data_queries if q.metric_stat}
    expressions = {q.id: str(q.expression) for q in made.metric_data_queries if q.expression}
    periods = {int(stat.period) for stat in stats.values()}
    factors = _factors(expressions, list(stats))
    if len(periods) != 1:
        raise UnknownAlarmError(f"the periods of its metrics are {sorted(periods)} s")
    found = tuple(
        Part(
            _key(each.metric.namespace, each.metric.metric_name, each.metric.dimensions),
            each.stat,
            factors[name],
        )
        for name, each in stats.items()
    )
    return found, periods.pop()


def _factors(expressions: Mapping[str, str], metrics: Sequence[str]) -> dict[str, float]:
    """What each metric counts in the alarm's sum.

    Source: CloudWatch user guide, "Using math expressions with CloudWatch metrics": a sum of
    several series adds the values that there are at each time.
    """
    products = {
        name: (found["metric"], float(found["factor"]))
        for name, text in expressions.items()
        if (found := _PRODUCT.fullmatch(text))
    }
    sums = [text for name, text in expressions.items() if name not in products]
    if not sums and len(metrics) == 1 and not products:
        return {metrics[0]: 1.0}
    if sums == [_SUM] and not products:
        return dict.fromkeys(metrics, 1.0)
    listed = _LISTED.fullmatch(sums[0]) if len(sums) == 1 else None
    terms = [each.strip() for each in listed["terms"].split(",")] if listed else []
    factors = dict(products.get(each, (each, 1.0)) for each in terms)
    if len(terms) != len(metrics) or factors.keys() != set(metrics):
        raise UnknownAlarmError(
            f"the lab's alarms know sums of metrics, not {', '.join(expressions.values())}"
        )
    return factors


def _part(made: Any, statistic: str) -> Part:
    return Part(_key(made.namespace, made.metric_name, made.dimensions), str(statistic))


def _key(namespace: str, name: str, dimensions: Sequence[Any]) -> Key:
    return namespace, name, frozenset((each.name, each.value) for each in dimensions)
