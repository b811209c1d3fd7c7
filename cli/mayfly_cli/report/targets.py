"""Past targets of hot instances, from parameters and their recorded changes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from mayfly.config.queue import NO_POOL
from mayfly.config.schedule_text import parse_schedule
from mayfly.records.audit import ParameterChange

_SWITCH = {None: False, "true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Text:
    """The value of a parameter from an instant on; None where the parameter did not exist."""

    since: datetime
    value: str | None
    known: bool = True
    """False where no record tells the value."""


def targets(
    present: Mapping[str, str],
    changes: Iterable[ParameterChange],
    prefix: str,
    start: datetime,
    known_since: datetime | None,
) -> Callable[[datetime], int | None]:
    """The target at an instant since `start`; None where the records do not tell it.

    `present` has the queue's parameters by name, `prefix` is their path, and `known_since` the time
    of the oldest change that was read, None where all were read. A value that was refused is not
    in force, and the records do not tell which one was: it is unknown as well.
    """
    every = list(changes)

    def texts(name: str) -> list[Text]:
        mine = [each for each in every if each.name == f"{prefix}{name}"]
        return _texts(present.get(name), mine, start, known_since)

    hot, paused = texts("pool/hot"), texts("paused")

    def target(at: datetime) -> int | None:
        switch, pool = _at(paused, at), _at(hot, at)
        is_paused = _SWITCH.get(switch.value) if switch is not None else None
        if is_paused is None:
            return None
        return 0 if is_paused else _count(pool, at)

    return target


def _texts(
    present: str | None,
    changes: Iterable[ParameterChange],
    start: datetime,
    known_since: datetime | None,
) -> list[Text]:
    """What the parameter said, the latest first."""
    found, later, is_known = list[Text](), present, True
    for change in sorted(changes, key=lambda each: each.at, reverse=True):
        # The change led to another value than the next change began with: a change is missing.
        is_known = is_known and later == change.new
        found.append(Text(change.at, change.new, is_known))
        later, is_known = change.old, change.old is not None or change.number == 1
    found.append(Text(max(start, known_since or start), later, is_known))
    return found


def _at(texts: Iterable[Text], at: datetime) -> Text | None:
    """What was said at that instant; None where nobody knows."""
    found = next((each for each in texts if each.since <= at), None)
    return found if found is not None and found.known else None


def _count(text: Text | None, at: datetime) -> int | None:
    if text is None:
        return None
    if text.value is None:
        return NO_POOL.value(at)
    try:
        return parse_schedule(text.value).value(at)
    except ValueError:
        return None
