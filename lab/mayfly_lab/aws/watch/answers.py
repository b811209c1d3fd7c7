"""GetMetricData of the lab: statistics with percentiles, searches, and sums of metrics.

moto knows no percentiles and no search, and reads every datum again for each period. Source:
CloudWatch user guide, "Using metric math" and "CloudWatch search expression syntax".
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.exceptions import ValidationError
from moto.cloudwatch.models import CloudWatchBackend

from mayfly_lab.aws.patches import Patch
from mayfly_lab.aws.watch.series import Key, statistic

_SUM_OF_ALL = "SUM(METRICS())"
_SEARCH = re.compile(
    r"SEARCH\('\{(?P<schema>[^}]*)\}(?P<terms>[^']*)',\s*'(?P<stat>\w+)',\s*(?P<s>\d+)\)"
)
_TERM = re.compile(r'(\w+)="([^"]*)"')
_NAMED = re.compile(r"\$\{PROP\('Dim\.(\w+)'\)\}")
Points = dict[int, float]
"""By start of the period, in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Line:
    """One result of a query."""

    label: str
    points: Points


def get_metric_data(
    self: CloudWatchBackend,
    queries: Sequence[Mapping[str, Any]],
    start_time: datetime,
    end_time: datetime,
    scan_by: str = "TimestampAscending",
) -> list[dict[str, Any]]:
    """The results of the queries, in the form of moto's own method.

    Raises:
        ValidationError: an expression is none of those that the lab knows, or a statistic is wrong.
    """
    values = _values(self.get_all_metrics(), seconds(start_time), seconds(end_time))
    known: dict[str, Line] = {}
    found: list[tuple[Mapping[str, Any], Line]] = []
    for query in sorted(queries, key=lambda each: "Expression" in each):
        lines = list(_lines(query, values, known.values()))
        if "MetricStat" in query:
            known[str(query["Id"])] = lines[0]
        if query.get("ReturnData", True):
            found += [(query, line) for line in lines]
    return [_result(query, line, scan_by) for query, line in found]


Values = Mapping[Key, Sequence[tuple[float, float]]]


def _values(data: Iterable[Any], start: float, end: float) -> Values:
    """By series: times and values."""
    found: dict[Key, list[tuple[float, float]]] = defaultdict(list)
    for each in data:
        at = seconds(each.timestamp)
        if start <= at < end and hasattr(each, "value"):
            key = (each.namespace, each.name, frozenset((d.name, d.value) for d in each.dimensions))
            found[key].append((at, float(each.value)))
    return found


def _lines(query: Mapping[str, Any], values: Values, known: Iterable[Line]) -> Iterator[Line]:
    label = str(query.get("Label") or "")
    if stat := query.get("MetricStat"):
        metric = stat["Metric"]
        dimensions = frozenset((d["Name"], d["Value"]) for d in metric.get("Dimensions", ()))
        key = (metric["Namespace"], metric["MetricName"], dimensions)
        points = _points(values.get(key, ()), str(stat["Stat"]), int(stat["Period"]))
        yield Line(label or f"{metric['MetricName']} {stat['Stat']}", points)
        return
    text = str(query["Expression"]).strip()
    search = _SEARCH.search(text)
    if text == _SUM_OF_ALL:
        yield _sum(label or str(query["Id"]), known)
    elif search is not None and text == search[0]:
        yield from _found(search, label, values)
    elif search is not None and text == f"SUM({search[0]})":
        yield _sum(label or str(query["Id"]), _found(search, label, values))
    else:
        raise ValidationError(f"the lab knows no expression {text}")


def _found(search: re.Match[str], label: str, values: Values) -> Iterator[Line]:
    """One line for each series of the schema that has all of the terms."""
    namespace, *names = [each.strip() for each in search["schema"].split(",")]
    terms = dict(_TERM.findall(search["terms"]))
    metric = terms.pop("MetricName", None)
    for key in sorted(values, key=lambda key: (key[1], sorted(key[2]))):
        dimensions = dict(key[2])
        if key[0] != namespace or dimensions.keys() != set(names) or metric not in (None, key[1]):
            continue
        if terms.items() <= dimensions.items():
            shown = _NAMED.sub(lambda match, of=dimensions: of.get(match[1], ""), label)  # type: ignore[misc]  # a default
            points = _points(values[key], search["stat"], int(search["s"]))
            yield Line(shown or " ".join([key[1], *(dimensions[name] for name in names)]), points)


def _points(values: Iterable[tuple[float, float]], stat: str, period: int) -> Points:
    periods: dict[int, list[float]] = defaultdict(list)
    for at, value in values:
        periods[int(at) // period * period].append(value)
    try:
        return {start: statistic(stat)(each) for start, each in sorted(periods.items())}
    except KeyError:
        raise ValidationError(f"The value {stat} for parameter Stat is not supported.") from None


def _sum(label: str, lines: Iterable[Line]) -> Line:
    total: Points = defaultdict(float)
    for line in lines:
        for start, value in line.points.items():
            total[start] += value
    return Line(label, dict(sorted(total.items())))


def _result(query: Mapping[str, Any], line: Line, scan_by: str) -> dict[str, Any]:
    points = sorted(line.points.items(), reverse=scan_by == "TimestampDescending")
    return {
        "id": query["Id"],
        "label": line.label,
        "values": [value for _, value in points],
        "timestamps": [datetime.fromtimestamp(start, UTC) for start, _ in points],
        "status_code": "Complete",
    }


def seconds(moment: datetime) -> float:
    """Seconds since the epoch of one of moto's times, which are in UTC, some without a zone."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def patches() -> list[Patch]:
    """The patch of moto's method."""
    wanted = "self, queries, start_time, end_time, scan_by"
    return [Patch(CloudWatchBackend, "get_metric_data", get_metric_data, wanted)]
