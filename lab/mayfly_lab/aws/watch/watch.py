"""Ships the functions' logs and metrics to CloudWatch, and judges the alarms each minute."""

from __future__ import annotations

import hashlib
import json
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mayfly_lab.aws.functions.environment import FunctionSpec
from mayfly_lab.aws.watch.alarms import ALARM, NO_DATA, OK, Alarm, UnknownAlarmError
from mayfly_lab.aws.watch.answers import seconds
from mayfly_lab.aws.watch.series import KEPT, MINUTE, Datum, Series, embedded
from mayfly_lab.aws.world import World

SHIP_SECONDS = 1.0
"""From a line in a function's log to the line in CloudWatch, at most."""
MOST_LINES = 20_000
"""Lines kept of a function's stream; the older lines are in the function's log file."""


def stream_name(function: str, at: datetime) -> str:
    """The name of a function's log stream, in Lambda's form: day, version, and 32 hex digits.

    Lambda has one stream for each execution environment; a function's workers share theirs here.
    """
    environment = hashlib.md5(f"{function} {at:%Y-%m-%d}".encode(), usedforsecurity=False)
    return f"{at:%Y/%m/%d}/[$LATEST]{environment.hexdigest()}"


@dataclass(frozen=True, slots=True)
class Change:
    """An alarm's new state; `at` in seconds since the epoch."""

    at: float
    name: str
    state: str
    reason: str
    description: str


class Watch:
    """CloudWatch of one local AWS. Fills moto, which answers the calls of AWS's API."""

    def __init__(self, world: World, functions: Callable[[], Sequence[FunctionSpec]]) -> None:
        self._world = world
        self._functions = functions
        self._series = Series()
        self._lock = threading.Lock()
        self._read: dict[str, int] = {}
        self._seen = 0
        self._begun: queue.SimpleQueue[tuple[str, float]] = queue.SimpleQueue()
        self._judged = self._minute()
        self.changes: list[Change] = []
        """Every change of an alarm's state, the oldest first."""

    def start(self) -> None:
        """Start to ship and to judge."""
        self._world.timers.after(SHIP_SECONDS, self._tick)

    def begun(self, function: str) -> None:
        """Count an invocation: CloudWatch dates it at its begin, and dispatch runs for a minute."""
        self._begun.put((function, self._world.clock()))

    def update(self, *, now: bool = False) -> None:
        """Ship what is new, then judge the alarms once a minute.

        `now` judges at once, with the running minute as if it were over: what an alarm has to see
        is seen, and the report of a short run need not wait for the minute's end.
        """
        with self._lock:
            self._put([*self._shipped(), *self._invocations()])
            minute = self._minute()
            if minute > self._judged:
                self._judged = minute
                self._put(self._queues(minute * MINUTE - 1))
                self._judge(minute * MINUTE)
            if now:
                self._put(self._queues(self._world.clock()))
                self._judge((minute + 1) * MINUTE)

    def _tick(self) -> None:
        self.update()
        self._world.timers.after(SHIP_SECONDS, self._tick)

    def _minute(self) -> int:
        return int(self._world.clock()) // MINUTE

    def _put(self, data: Sequence[Datum]) -> None:
        if not data:
            return
        self._series.add(data)
        self._forget()
        for datum in data:
            self._world.cloud.backend("cloudwatch").put_metric_data(
                datum.namespace,
                [
                    {
                        "MetricName": datum.name,
                        "Dimensions": [
                            {"Name": name, "Value": value}
                            for name, value in datum.dimensions.items()
                        ],
                        "Timestamp": datetime.fromtimestamp(datum.at, UTC).replace(tzinfo=None),
                        "Value": datum.value,
                        "Unit": datum.unit,
                    }
                ],
            )

    def _forget(self) -> None:
        """Drop old values from moto, which keeps all of them."""
        metrics = self._world.cloud.backend("cloudwatch")
        oldest = self._world.clock() - KEPT * MINUTE
        if metrics.metric_data and seconds(metrics.metric_data[0].timestamp) < oldest:
            metrics.metric_data = [
                each for each in metrics.metric_data if seconds(each.timestamp) >= oldest
            ]

    def _shipped(self) -> list[Datum]:
        """Ship the new lines of every function's log. Returns the metrics that the lines embed."""
        found: list[Datum] = []
        for spec in self._functions():
            lines = self._new_lines(spec)
            if lines:
                self._send(spec, lines)
            found += [datum for line in lines for datum in embedded(line)]
        return found

    def _new_lines(self, spec: FunctionSpec) -> list[str]:
        if not spec.log.is_file():
            return []
        with spec.log.open("rb") as log:
            log.seek(self._read.get(spec.name, 0))
            new = log.read()
        # Only whole lines: a worker may be in the middle of one.
        whole = new[: new.rfind(b"\n") + 1]
        self._read[spec.name] = self._read.get(spec.name, 0) + len(whole)
        return whole.decode("utf-8", "replace").splitlines()

    def _send(self, spec: FunctionSpec, lines: Sequence[str]) -> None:
        group = self._world.cloud.backend("logs").groups.get(spec.log_group)
        if group is None:  # the stack is deleted
            return
        now = self._world.clock()
        name = stream_name(spec.name, datetime.fromtimestamp(now, UTC))
        if name not in group.streams:
            group.create_log_stream(name)
        stream = group.streams[name]
        if len(stream.events) > MOST_LINES:
            del stream.events[: len(stream.events) - MOST_LINES]
        stamp = int(now * 1000)
        events = [{"timestamp": stamp, "message": line} for line in lines]
        group.put_log_events(name, events)

    def _invocations(self) -> Iterator[Datum]:
        """AWS/Lambda's metrics of the invocations begun and ended since the last look."""
        for _ in range(self._begun.qsize()):
            function, at = self._begun.get()
            yield Datum("AWS/Lambda", "Invocations", {"FunctionName": function}, at, 1.0)
        entries = self._world.journal.since(self._seen)
        self._seen += len(entries)
        for entry in entries:
            if (entry.service, entry.operation) == ("lambda", "Invocation"):
                of = {"FunctionName": str(entry.resources["FunctionName"])}
                failed = 1.0 if entry.resources["error"] else 0.0
                yield Datum("AWS/Lambda", "Errors", of, entry.at, failed)

    def _queues(self, at: float) -> list[Datum]:
        queues = self._world.cloud.backend("sqs").queues
        visible = "ApproximateNumberOfMessagesVisible"
        return [
            Datum("AWS/SQS", visible, {"QueueName": str(name)}, at, float(len(each.messages)))
            for name, each in list(queues.items())
        ]

    def _alarms(self) -> list[Any]:
        return list(self._world.cloud.backend("cloudwatch").alarms.values())

    def _judge(self, until: float) -> None:
        for made in self._alarms():
            try:
                alarm = Alarm.of(made)
                points = alarm.points(self._series, until)
                state, reason = alarm.state(points, made.state_value)
            except UnknownAlarmError as error:
                state, reason = NO_DATA, f"the lab cannot evaluate this alarm: {error}"
            if (state, reason) != (made.state_value, made.state_reason):
                self._change(made, state, reason)

    def _change(self, made: Any, state: str, reason: str) -> None:
        if state == made.state_value:
            made.state_reason = reason
            return
        before = str(made.state_value)
        made.update_state(reason, "{}", state)
        self.changes.append(
            Change(self._world.clock(), str(made.name), state, reason, str(made.description))
        )
        self._world.journal.happened("cloudwatch", "AlarmState", alarm=made.name, state=state)
        self._notify(made, before, state, reason)

    def _notify(self, made: Any, before: str, state: str, reason: str) -> None:
        """Publish the change to the topics among the alarm's actions, as CloudWatch does."""
        actions = {OK: made.ok_actions, ALARM: made.alarm_actions}.get(
            state, made.insufficient_data_actions
        )
        topics = self._world.cloud.backend("sns")
        for arn in actions or ():
            if arn in topics.topics:
                message = {
                    "AlarmName": made.name,
                    "AlarmDescription": made.description,
                    "NewStateValue": state,
                    "OldStateValue": before,
                    "NewStateReason": reason,
                    "StateChangeTime": datetime.fromtimestamp(self._world.clock(), UTC).isoformat(),
                }
                subject = f'{state}: "{made.name}"'[:100]
                topics.publish(message=json.dumps(message), arn=arn, subject=subject)
