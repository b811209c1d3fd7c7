"""The alarms of template.yaml that fired in a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mayfly_lab.aws.watch.alarms import ALARM
from mayfly_lab.aws.watch.watch import Change


@dataclass(frozen=True, slots=True)
class AlarmLine:
    """One time that an alarm was on, in seconds since the run's start."""

    name: str
    since: float
    until: float | None
    """None for an alarm that was still on at the end."""
    description: str
    reason: str
    """Why the alarm went on."""


def alarm_lines(changes: Sequence[Change], started: float) -> list[AlarmLine]:
    """One line for each time that an alarm was on, in the order of their begin."""
    lines: list[AlarmLine] = []
    for change in changes:
        at = round(change.at - started, 2)
        if change.state == ALARM:
            lines.append(AlarmLine(change.name, at, None, change.description, change.reason))
            continue
        lines = [
            replace(line, until=at) if line.name == change.name and line.until is None else line
            for line in lines
        ]
    return lines


def told(before: Sequence[Change], change: Change) -> str:
    """The event's text for an alarm that goes on, or off again; empty for any other change."""
    if change.state == ALARM:
        return f"alarm {change.name} is on (ALARM): {change.description}"
    was_on = any(each.name == change.name and each.state == ALARM for each in before)
    return f"alarm {change.name} is {change.state} again" if was_on else ""
