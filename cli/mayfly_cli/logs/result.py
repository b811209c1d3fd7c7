"""Lines of the functions' logs, last words, and the console. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mayfly.scrubbing import scrub
from mayfly_cli.operations.screen import Block, Document, Mood, Span, line
from mayfly_cli.operations.words import at

_MOODS = {"WARNING": Mood.NOTICE, "ERROR": Mood.BAD, "CRITICAL": Mood.BAD}


@dataclass(frozen=True, slots=True)
class Said:
    """One line of a function's log."""

    at: datetime
    function: str
    level: str
    """`INFO`, `WARNING`, `ERROR`; empty for a line that is no record of Mayfly's log."""
    text: str


@dataclass(frozen=True, slots=True)
class Logs:
    """Everything that was said of one job or instance, in order of time."""

    now: datetime
    about: tuple[str, ...]
    """The ids that were searched for: of the job, and of its instance."""
    lines: tuple[Said, ...]
    last_words: tuple[str, ...]
    """What a host that failed said last, as `reap` kept it."""
    console: tuple[str, ...]
    """The end of the instance's console, while EC2 has it."""
    complete: bool
    """Whether these are all lines; False where there are more than the command reads."""

    @property
    def needs_person(self) -> bool:
        """Never: a log is no verdict."""
        return False

    def document(self) -> Document:
        """The lines, then last words and console."""
        found: list[Block] = [
            line(
                f"{at(each.at, self.now, seconds=True)}  {each.function:<9}  ",
                Span(each.text, _MOODS.get(each.level, Mood.PLAIN)),
            )
            for each in self.lines
        ]
        if not found:
            found.append(line(f"no line of the functions names {' or '.join(self.about)}"))
        if not self.complete:
            found.append(line(Span("there are more lines: give a shorter --since", Mood.NOTICE)))
        for title, part in (("last words", self.last_words), ("console", self.console)):
            if part:
                found.append(line(""))
                found.append(line(Span(title, Mood.STRONG)))
                found.extend(line(each, indent=2) for each in part)
        return tuple(found)


def said(function: str, event: Mapping[str, Any]) -> Said:
    """A line of CloudWatch Logs as FilterLogEvents shows it, without secrets."""
    when = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
    message = str(event.get("message", "")).strip()
    level = ""
    try:
        record = json.loads(message)
    except ValueError:
        record = None
    if isinstance(record, dict) and "message" in record:
        level, message = str(record.get("level", "")), str(record["message"])
    return Said(when, function, level, scrub(message))


def in_order(lines: Iterable[Said]) -> tuple[Said, ...]:
    """The lines by time."""
    return tuple(sorted(lines, key=lambda each: (each.at, each.function)))
