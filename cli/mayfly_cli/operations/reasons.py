"""Reasons in words, and what a person can do about a reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from mayfly.config.queue import QueueConfig
from mayfly.config.writers import SECURITY_OWNERS
from mayfly.records.why import Code, Why
from mayfly_cli.operations.screen import Cell, Mood, Span
from mayfly_cli.operations.words import at, lasted

_SIGNS: Mapping[str, str] = {
    "bootstrap/script": "bootstrap/script",
    "bootstrap script": "bootstrap/script",
    ": s3://": "bootstrap/script",
    "agent/config": "agent/config",
}
"""By words of a failed host: the parameter that its boot depended on."""


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
        case Code.POOL_UNSTEADY:
            return f"mayfly launches {queue} --failed"
        case Code.BRAKED:
            return f"mayfly launches {queue} --failed --since 2h"
        case Code.BOOTS_FAILED:
            return f"mayfly launches {queue} --failed --since 30d"
    return why.code.remedy


def of_security_owners(why: Why, queue: str) -> str:
    """Whose the parameter is that made boots fail, as far as the reason tells; else empty."""
    if why.code not in {Code.BRAKED, Code.BOOTS_FAILED, Code.BOOT_FAILED}:
        return ""
    name = next((name for sign, name in _SIGNS.items() if sign in why.text), "")
    return f"{name} of {queue} is security owners' to correct ({SECURITY_OWNERS})" if name else ""
