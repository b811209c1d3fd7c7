"""Rules with a schedule: `rate(…)`, and `cron(…)` of minutes and hours only."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from mayfly_lab.aws.bus import Deliver, aws_event
from mayfly_lab.aws.world import World

SUBJECT = "aws.events/Scheduled Event"
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_CRON = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")
_UNITS = {"minute": 60.0, "hour": 3600.0, "day": 86400.0}
_ANY = frozenset({"*", "?"})


def seconds_until(expression: str, now: datetime) -> float:
    """Seconds from `now` to the next firing of a schedule that has fired before.

    Raises:
        ValueError: the lab does not support the expression.
    """
    if match := _RATE.fullmatch(expression):
        return int(match[1]) * _UNITS[match[2]]
    match = _CRON.fullmatch(expression)
    if match is None or not _ANY.issuperset(match.groups()[2:]):
        raise ValueError(
            f"the lab supports rates, and crons of minutes and hours only: {expression}"
        )
    minutes, hours = _numbers(match[1], 60), _numbers(match[2], 24)
    moment = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    while moment.minute not in minutes or moment.hour not in hours:
        moment += timedelta(minutes=1)
    return (moment - now).total_seconds()


def _numbers(text: str, end: int) -> frozenset[int]:
    """The numbers below `end` that a cron field names: `*`, `5`, `1-4`, `0/15`, `1,2`."""
    numbers: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        start = 0 if first == "*" else int(first)
        stop = end - 1 if first == "*" or (step and not last) else int(last or first)
        numbers.update(range(start, stop + 1, int(step or 1)))
    if not numbers or max(numbers) >= end:
        raise ValueError(f"no numbers below {end}: {text}")
    return frozenset(numbers)


@dataclass(slots=True)
class Schedules:
    """Fires every enabled rule with a schedule: first after the stated delay, then on schedule."""

    world: World
    deliver: Deliver
    _started: set[str] = field(default_factory=set)

    def start(self) -> None:
        """Start the schedules that are not running yet."""
        for rule in self.world.cloud.backend("events").event_buses["default"].rules.values():
            expression = rule.scheduled_expression
            if expression and rule.state == "ENABLED" and rule.name not in self._started:
                seconds_until(expression, datetime.fromtimestamp(self.world.clock(), UTC))
                self._started.add(rule.name)
                self.world.timers.after(self.world.delays.first_tick, partial(self._fire, rule))

    def _fire(self, rule: Any) -> None:
        moment = datetime.fromtimestamp(self.world.clock(), UTC)
        minutes = seconds_until(rule.scheduled_expression, moment) / 60
        self.world.timers.after(minutes * self.world.delays.minute, partial(self._fire, rule))
        if rule.state != "ENABLED":
            return
        if self.world.faults.take("event-lost", SUBJECT, f"schedule/{rule.name}"):
            self.world.journal.happened("events", "EventLost", rule=rule.name, subject=SUBJECT)
            return
        late = self.world.faults.take("event-late", SUBJECT, f"schedule/{rule.name}")
        copies = (
            2 if self.world.faults.take("event-doubled", SUBJECT, f"schedule/{rule.name}") else 1
        )
        event = aws_event(self.world.config.region, "aws.events", "Scheduled Event", {}, rule.arn)
        for target in rule.targets:
            for _ in range(copies):
                delay = late.seconds if late else 0.0
                self.world.timers.after(delay, partial(self.deliver, target, event, rule.arn))
