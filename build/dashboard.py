"""The CloudWatch dashboard of a stack, from the table of metrics; `build.embed` writes it.

Source of the structure: CloudWatch API reference, "Dashboard Body Structure and Syntax"; of the
searches: CloudWatch user guide, "Using search expressions in graphs".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from textwrap import indent
from typing import Any

from mayfly.metrics import NAMESPACE, Metric, Path, Service

STACK = "${AWS::StackName}"
REGION = "${AWS::Region}"
WIDTH = 24
"""Columns of a dashboard."""
MINUTE, WIDE = 60, 300
"""Periods in seconds: of what is sent each minute, and of what happens now and then."""
OLD_WAIT = 120
"""Seconds from which a wait is longer than a boot usually takes; drawn as a line."""
ALARMS = (
    "DispatchErrors",
    "DispatchSilent",
    "ProvisionErrors",
    "SandboxErrors",
    "ReapErrors",
    "ReapQueueLate",
    "DeadLettersWaiting",
    "TokenRefused",
    "BadConfigurationFound",
    "PolicyUnreadable",
    "UnreadableElementFound",
    "BootsFailing",
    "CapacityMissing",
    "StraysFound",
)
"""Logical ids of the control plane's alarms, in the order of their boxes."""
QUEUE_ALARMS = ("JobsWaitTooLong", "NoCapacity", "HostsFail", "BadConfiguration")
"""Names of a queue's alarms; boxes of the first queue alone, as no box finds alarms by search."""
Widget = dict[str, Any]


def property_text() -> str:
    """The YAML of the properties of the resource `Dashboard`, for its place in template.yaml."""
    first = ",".join(f'"{_queue_alarm(name)}"' for name in QUEUE_ALARMS)
    alarms = "".join(f"          {name}: !GetAtt {name}.Arn\n" for name in ALARMS)
    return (
        "      DashboardBody: !Sub\n"
        "        - |\n"
        f"{indent(body(), ' ' * 10)}\n"
        "        - FirstQueue: !If\n"
        "            - HasQueue\n"
        f"            - !Sub '{first},'\n"
        f'            - ""\n{alarms}'
    )


def body() -> str:
    """The dashboard's body, a template of `Fn::Sub`: one widget a line, in JSON."""
    lines = ",\n".join(json.dumps(widget, ensure_ascii=False) for widget in _placed(rows()))
    # The names of alarms are lists of their own: Fn::Sub fills them in, with their quotes.
    lines = lines.replace('"${FirstQueue}", ', "${FirstQueue}")
    return f'{{"start": "-PT6H", "periodOverride": "inherit", "widgets": [\n{lines}\n]}}'


def rows() -> Sequence[tuple[int, Sequence[Widget]]]:
    """Height and widgets of each row, which share the row's width."""
    wait = Metric.WAIT_SECONDS
    return (
        (3, [_alarms()]),
        (
            7,
            [
                _graph(
                    "Oldest waiting job, by queue",
                    [_by_queue(Metric.OLDEST_WAIT, "Maximum")],
                    unit="seconds",
                    line=("longer than a boot", OLD_WAIT),
                ),
                _graph(
                    "Wait until an agent has the job: p50 and p99, by queue",
                    [
                        _by_queue(wait, statistic, WIDE, path, f"{path} {statistic}")
                        for path in Path
                        for statistic in ("p50", "p99")
                    ],
                    unit="seconds",
                ),
            ],
        ),
        (
            7,
            [
                _graph(
                    "Instances of all queues, and their limit",
                    [
                        _total(Metric.RUNNING, "running"),
                        _total(Metric.COMING, "coming"),
                        _total(Metric.HOT, "hot"),
                        _total(Metric.STOPPED, "stopped"),
                        _total(Metric.LIMIT, "limit", right=True),
                    ],
                    unit="instances",
                    stacked=True,
                ),
                _graph(
                    "Hot and stopped pool against their targets, by queue",
                    [
                        _by_queue(Metric.HOT, "Average", label="hot"),
                        _by_queue(Metric.HOT_TARGET, "Maximum", label="target"),
                        _by_queue(Metric.STOPPED, "Average", label="stopped"),
                        _by_queue(Metric.STOPPED_TARGET, "Maximum", label="stopped target"),
                    ],
                    unit="instances",
                ),
            ],
        ),
        (
            7,
            [
                _graph(
                    "Launches that failed, by cause and queue",
                    [_by_part(Metric.LAUNCHES_FAILED)],
                    unit="instances",
                    stacked=True,
                ),
                _graph(
                    "Hosts that failed, spot lost, jobs denied, by queue",
                    [
                        _by_queue(Metric.HOSTS_FAILED, "Sum", WIDE, label="failed"),
                        _by_queue(Metric.SPOT_LOST, "Sum", WIDE, label="spot lost"),
                        _by_queue(Metric.DENIED, "Sum", WIDE, label="denied"),
                    ],
                    unit="count",
                ),
            ],
        ),
        (
            6,
            [
                _graph(
                    "Jobs that wait, by queue", [_by_queue(Metric.JOBS_WAITING, "Maximum")], "jobs"
                ),
                _graph("Why work is held, by cause and queue", [_by_part(Metric.HELD)], "reasons"),
            ],
        ),
        (7, [_log()]),
        (6, [_text()]),
    )


def _placed(rows: Iterable[tuple[int, Sequence[Widget]]]) -> Iterator[Widget]:
    y = 0
    for height, widgets in rows:
        width = WIDTH // len(widgets)
        for number, widget in enumerate(widgets):
            yield {**widget, "x": number * width, "y": y, "width": width, "height": height}
        y += height


def _alarms() -> Widget:
    arns = ["${FirstQueue}", *(f"${{{name}}}" for name in ALARMS)]
    title = "Alarms of the control plane and of its first queue"
    return {
        "type": "alarm",
        "properties": {"title": title, "sortBy": "stateUpdatedTimestamp", "alarms": arns},
    }


def _queue_alarm(name: str) -> str:
    arn = f"arn:${{AWS::Partition}}:cloudwatch:{REGION}:${{AWS::AccountId}}:alarm"
    return f"{arn}:{STACK}-queue/${{QueueKey}}/{name}"


def _graph(
    title: str,
    metrics: Sequence[Widget],
    unit: str,
    *,
    line: tuple[str, float] | None = None,
    stacked: bool = False,
) -> Widget:
    """A graph of searches. `line`: label and value of a line across."""
    properties: Widget = {
        "title": title,
        "region": REGION,
        "view": "timeSeries",
        "stacked": stacked,
        "metrics": [[{**each, "id": f"e{number}"}] for number, each in enumerate(metrics, 1)],
        "yAxis": {"left": {"min": 0, "label": unit, "showUnits": False}},
    }
    if any(each.get("yAxis") == "right" for each in metrics):
        properties["yAxis"]["right"] = {"min": 0, "label": "limit", "showUnits": False}
    if line is not None:
        label, value = line
        properties["annotations"] = {"horizontal": [{"label": label, "value": value}]}
    return {"type": "metric", "properties": properties}


def _by_queue(
    metric: Metric, statistic: str, period: int = MINUTE, part: str = "", label: str = ""
) -> Widget:
    """One line for each queue that has the metric, a new queue's too."""
    shown = "${!PROP('Dim.queue')} " + label
    return {"expression": _search(metric, statistic, period, part), "label": shown.strip()}


def _by_part(metric: Metric) -> Widget:
    """One line for each queue and value of the metric's further dimension."""
    label = f"${{!PROP('Dim.queue')}} ${{!PROP('Dim.{metric.part}')}}"
    return {"expression": _search(metric, "Sum", WIDE), "label": label}


def _total(metric: Metric, label: str, *, right: bool = False) -> Widget:
    """One line for all queues together."""
    total = {"expression": f"SUM({_search(metric, 'Maximum', MINUTE)})", "label": label}
    return {**total, "yAxis": "right"} if right else total


def _search(metric: Metric, statistic: str, period: int, part: str = "") -> str:
    schema = ",".join([NAMESPACE, *metric.dimensions])
    terms = [f'MetricName="{metric}"', f'stack="{STACK}"']
    if part:
        terms.append(f'{metric.part}="{part}"')
    return f"SEARCH('{{{schema}}} {' '.join(terms)}', '{statistic}', {period})"


def _log() -> Widget:
    sources = " | ".join(f"SOURCE '/aws/lambda/{STACK}-{service}'" for service in Service)
    query = (
        f"{sources} | fields @timestamp, service, coalesce(queue, queues.0) as of_queue, job"
        ", message"
        ' | filter level in ["WARNING", "ERROR", "CRITICAL"] and message != "tick"'
        " | sort @timestamp desc | limit 20"
    )
    properties = {
        "title": "The last 20 warnings and errors",
        "region": REGION,
        "view": "table",
        "query": query,
    }
    return {"type": "log", "properties": properties}


def _text() -> Widget:
    console = f"https://{REGION}.console.aws.amazon.com/cloudwatch/home?region={REGION}"
    lines = (
        f"## Mayfly {STACK}",
        "| question | command |",
        "| --- | --- |",
        f"| How are the queues? | `mayfly status --stack {STACK}` |",
        f"| Why does a job wait, or a queue? | `mayfly explain JOB --stack {STACK}`, or a queue |",
        f"| Which launches failed, and why? | `mayfly launches --failed --stack {STACK}` |",
        f"| Is everything in order? | `mayfly doctor --stack {STACK}` |",
        "",
        f"[Alarms of all queues]({console}#alarmsV2:?search={STACK}-queue)",
        "",
        f"Last words of failed hosts: `/mayfly/{STACK}/last-words`. More: docs/operating.md",
    )
    return {"type": "text", "properties": {"markdown": "\n".join(lines)}}
