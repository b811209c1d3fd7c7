"""Elements of an answer, read one by one: a bad element never hides the good ones."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from mayfly.metrics import Metric
from mayfly.observe import count
from mayfly.records.about import NOTHING, Fields
from mayfly.scrubbing import scrub

log = logging.getLogger(__name__)

Thing = TypeVar("Thing")

UNREADABLE = (AttributeError, KeyError, OverflowError, TypeError, ValueError)
"""What a parser raises for nulls, missing fields and values of a wrong type."""
QUIET = 50.0
"""Seconds until an element that stays unreadable is counted and logged again. A function that runs
once a minute counts the element in each run."""
_LONGEST = 200
_MOST_NOTED = 1000


class Elements:
    """Reads the elements of answers, and notes unreadable ones. Thread-safe.

    An unreadable element is omitted, counted by UnreadableElement, and named in the log: at once
    and then once a minute, because a tick reads the same answer several times a second.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` returns seconds and never goes back."""
        self._clock = clock
        self._noted: dict[str, float] = {}
        self._lock = threading.Lock()

    def read(
        self,
        what: str,
        elements: object,
        parse: Callable[[Any], Thing],
        *,
        name: str,
        about: Callable[[str], Fields] = lambda _: NOTHING,
    ) -> list[Thing]:
        """Each element as `parse` returns it; elements for which `parse` raises are omitted.

        `name` is the field that names an element in the log, and `about` gives the log's fields
        for that name. Raises TypeError when `elements` is no list.
        """
        if not isinstance(elements, list | tuple):
            raise TypeError(f"{what}: {type(elements).__name__} in place of a list")
        found = []
        for number, element in enumerate(elements, start=1):
            try:
                found.append(parse(element))
            except UNREADABLE as error:
                named = _shown(text(element, name))
                self.note(f"{what} {named or f'number {number}'}", error, about(named))
        return found

    def note(self, what: str, error: Exception, about: Fields = NOTHING) -> None:
        """Count and log an unreadable element, unless that happened in the last minute."""
        now, what = self._clock(), _shown(what)
        with self._lock:
            if now - self._noted.get(what, now - QUIET) < QUIET:
                return
            if len(self._noted) >= _MOST_NOTED:
                self._noted.clear()
            self._noted[what] = now
        count(Metric.UNREADABLE_ELEMENT)
        why = _shown(f"{type(error).__name__}: {error}")
        log.error("%s cannot be read and is left out: %s", what, why, extra=about)


def _shown(found: str) -> str:
    """The text as a log takes it: without secrets, cut, half of a surrogate pair by its number."""
    return scrub(found)[:_LONGEST].encode(errors="backslashreplace").decode()


def text(found: object, name: str) -> str:
    """A field of an object as text; empty for null, a missing field and any other type."""
    value = found.get(name) if isinstance(found, Mapping) else None
    return value if isinstance(value, str) else ""


def string(value: object) -> str:
    """The value, which must be text that is not empty. Raises TypeError without the value.

    JSON may hold half of a surrogate pair, which no table, log or further call can take.
    """
    if not isinstance(value, str) or not value:
        raise TypeError(f"{type(value).__name__} in place of a text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise TypeError("half a character in a text") from None
    return value


def optional_string(value: object) -> str:
    """The value, which must be text; empty for null. Raises TypeError without the value."""
    return "" if value is None or value == "" else string(value)


def mapping(value: object) -> Mapping[str, Any]:
    """The value, which must be an object; empty for null. Raises TypeError without the value."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"{type(value).__name__} in place of an object")
    return value
