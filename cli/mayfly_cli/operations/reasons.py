"""Reasons in words, and what a person can do about a reason."""

from __future__ import annotations

from datetime import datetime

from mayfly.config.queue import QueueConfig
from mayfly.records.why import Code, Why
from mayfly_cli.operations.screen import Cell, Mood, Span
from mayfly_cli.operations.words import at, lasted


def mood(why: Why) -> Mood:
    """Red for what needs a person, yellow for what ends by itself."""
    return Mood.BAD if why.code.needs_person else Mood.NOTICE


def title(why: Why) -> str:
    """The reason's code as a heading, such as `MAX INSTANCES`."""
    return why.code.value.replace("-", " ").upper()


def told(why: Why, now: datetime) -> tuple[Cell, ...]:
    """Code and text of the reason, since when the reason holds, and the next try."""
    since = f", since {at(why.since, now)}"
    tries = ""
    if why.next_try is not None and why.next_try > now:
        tries = f", next try in {lasted(why.next_try - now)}"
    return (Span(title(why), mood(why)), f" {why.text}{since}{tries}")


def remedy(why: Why, queue: str, config: QueueConfig | None) -> str:
    """A command to paste, or what to do in words; empty where a person need do nothing."""
    match why.code:
        case Code.PAUSED:
            return f"mayfly resume {queue}"
        case Code.MAX_INSTANCES if config is not None:
            return f"mayfly set {queue} limits/max-instances {config.max_instances * 2}"
        case Code.LAUNCH_PACE if config is not None:
            pace = config.max_launches_per_minute * 2
            return f"mayfly set {queue} limits/max-launches-per-minute {pace}"
        case Code.BRAKED | Code.POOL_UNSTEADY:
            return f"mayfly launches {queue} --failed"
    return why.code.remedy
