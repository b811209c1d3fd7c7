"""The switches with which a story, a test or a user makes things go wrong.

A switch is written `NAME=TARGET[,count=N][,for=SECONDS][,value=X][,by=PRINCIPAL]`; targets may
hold `*`. Durations are plain seconds, or `250ms`, `5s`, `2m`. Examples::

    throttle=ec2:CreateFleet,count=3
    lost-answer=ec2:CreateFleet
    latency=dynamodb:*,value=15ms
    no-capacity=m7i.large/us-east-1a,for=30s
    kill=sandbox/ec2:ReplaceIamInstanceProfileAssociation
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TypedDict, Unpack

FOREVER: int | None = None
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "": 1.0}


@dataclass(frozen=True, slots=True)
class Switch:
    """What a fault's target means, how often it strikes by default, and whether it has a value."""

    meaning: str
    count: int | None = 1
    value: bool = False


# The one table: everything in the lab that can be made to fail.
SWITCHES: dict[str, Switch] = {
    "throttle": Switch("service:Operation refused as too frequent"),
    "error": Switch("service:Operation fails inside AWS with HTTP 500, or with the code `value`"),
    "lost-answer": Switch("service:Operation is carried out, then the connection breaks"),
    "latency": Switch("service:Operation takes `value` seconds longer", FOREVER, value=True),
    "no-capacity": Switch("instance-type/subnet or /zone has no room", FOREVER),
    "stillborn": Switch("an instance of this type goes from pending to terminated"),
    "describe-lag": Switch("instances of this type show `value` seconds late", FOREVER, value=True),
    "imds-lag": Switch("IMDS serves a replaced profile `value` seconds late", value=True),
    "imds-stuck": Switch("IMDS of an instance of this type never serves a replaced profile"),
    "imds-slow": Switch("IMDS of an instance or type answers `value` late", FOREVER, value=True),
    "imds-silent": Switch("IMDS of an instance or type never answers", FOREVER),
    "imds-flapping": Switch("IMDS shows the replaced profile and the new one in turn", FOREVER),
    "imds-error": Switch("IMDS of an instance or type answers HTTP 500, or `value`"),
    "machine-dead": Switch("a machine of this instance or type has power and never boots"),
    "machine-dies": Switch("a machine loses its power `value` seconds after power on", value=True),
    "machine-hangs": Switch("a machine stands still `value` seconds after power on", value=True),
    "event-lost": Switch("source/detail-type (or dynamodb, sqs) never arrives"),
    "event-late": Switch("source/detail-type arrives `value` seconds late", value=True),
    "event-doubled": Switch("source/detail-type arrives twice"),
    "kill": Switch("function or function/service:Operation: the worker dies (`value`: seconds in)"),
}


@dataclass(slots=True)
class Fault:
    """One switch that is on."""

    name: str
    target: str
    count: int | None
    until: float | None
    value: str
    by: str

    def hits(self, subject: str, by: str, now: float) -> bool:
        """Whether this fault strikes `subject`, asked for by the principal named `by`."""
        if self.count is not None and self.count <= 0:
            return False
        if self.until is not None and now >= self.until:
            return False
        return fnmatchcase(subject, self.target) and fnmatchcase(by, self.by)

    @property
    def seconds(self) -> float:
        """The value as a duration."""
        return parse_seconds(self.value)


class Options(TypedDict, total=False):
    """How often or how long a switch strikes, with what value, and whose calls."""

    count: int
    seconds: float
    value: str
    by: str


class FaultSyntaxError(ValueError):
    """A switch that cannot be read; the message says what is allowed."""


def parse_seconds(text: str) -> float:
    """Seconds from `5`, `250ms`, `5s` or `2m`."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise FaultSyntaxError(f"not a duration: {text!r} (try 250ms, 5s or 2m)")
    return float(match[1]) * _UNITS[match[2]]


class Faults:
    """The switches that are on. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._active: list[Fault] = []

    def parse(self, text: str) -> Fault:
        """Turn on the switch that is written `NAME=TARGET,…`.

        Raises:
            FaultSyntaxError: unknown name or option, a value that is missing or no duration.
        """
        name, equals, rest = text.partition("=")
        target, *options = rest.split(",")
        if not equals or not target:
            raise FaultSyntaxError(f"{text!r} is not NAME=TARGET; names: {', '.join(SWITCHES)}")
        given = dict(option.partition("=")[::2] for option in options)
        if unknown := given.keys() - {"count", "for", "value", "by"}:
            raise FaultSyntaxError(f"unknown option {min(unknown)!r} in {text!r}")
        chosen = Options(value=given.get("value", ""), by=given.get("by", "*"))
        if "for" in given:
            chosen["seconds"] = parse_seconds(given["for"])
        if "count" in given:
            if not given["count"].isdigit():
                raise FaultSyntaxError(f"count must be a number in {text!r}")
            chosen["count"] = int(given["count"])
        return self.set(name, target, **chosen)

    def set(self, name: str, target: str = "*", **options: Unpack[Options]) -> Fault:
        """Turn a switch on, `count` times or for `seconds`; without either as the table says.

        Raises:
            FaultSyntaxError: there is no such switch, or it needs a value.
        """
        switch = SWITCHES.get(name)
        if switch is None:
            raise FaultSyntaxError(f"no fault {name!r}; there are: {', '.join(SWITCHES)}")
        value, seconds = options.get("value", ""), options.get("seconds")
        if switch.value:
            parse_seconds(value)
        count = options.get("count", switch.count if seconds is None else None)
        until = None if seconds is None else self._clock() + seconds
        fault = Fault(name, target, count, until, value, options.get("by", "*"))
        with self._lock:
            self._active.append(fault)
        return fault

    def take(self, name: str, *subjects: str, by: str = "") -> Fault | None:
        """The fault that strikes one of `subjects` now, counted down; None if none does."""
        if not self._active:
            return None
        now = self._clock()
        with self._lock:
            for fault in self._active:
                if fault.name == name and any(fault.hits(each, by, now) for each in subjects):
                    if fault.count is not None:
                        fault.count -= 1
                    return fault
        return None

    def clear(self, name: str | None = None) -> None:
        """Turn off every switch, or every switch of one name."""
        with self._lock:
            self._active = [each for each in self._active if name is not None and each.name != name]
