"""Switches of faults, for tests and users.

Syntax: `NAME=TARGET[,value=X][,count=N][,after=TIME][,for=TIME][,by=WHO]`. A target may hold `*`.
Durations are plain seconds, or `250ms`, `5s`, `2m`. Examples::

    throttle=ec2:CreateFleet,count=3
    lost-answer=ec2:CreateFleet
    latency=dynamodb:*,value=15ms
    no-capacity=m7i.large/us-east-1a,for=30s
    kill=sandbox/ec2:ReplaceIamInstanceProfileAssociation
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TypedDict, Unpack

from mayfly_lab.faults import values
from mayfly_lab.faults.durations import parse_seconds, parse_signed_seconds
from mayfly_lab.faults.syntax import FaultSyntaxError
from mayfly_lab.faults.table import SWITCHES, Part, Switch

_OPTIONS = ("value", "count", "after", "for", "by")


@dataclass(slots=True)
class Fault:
    """One fault that is turned on. Times are in seconds of the switches' clock."""

    name: str
    target: str
    count: int | None
    until: float | None
    value: str
    by: str
    since: float | None = None
    struck: int = 0
    """How often the fault has struck."""
    _level: tuple[float, float] | None = None
    """Tokens in the fault's bucket, and the time of that count."""

    def hits(self, subject: str, by: str, now: float) -> bool:
        """Whether this fault strikes a call for `subject` by the principal named `by`."""
        if self.count is not None and self.count <= 0:
            return False
        if self.until is not None and now >= self.until:
            return False
        if self.since is not None and now < self.since:
            return False
        return fnmatchcase(subject, self.target) and fnmatchcase(by, self.by)

    @property
    def seconds(self) -> float:
        """The value as a duration, which may be negative where the table allows that."""
        return parse_signed_seconds(self.value)

    def overflows(self, now: float) -> bool:
        """Take a token from the fault's bucket. Returns True when the bucket was empty."""
        size, per_second = values.bucket(self.value)
        level, at = self._level or (float(size), now)
        level = min(float(size), level + (now - at) * per_second)
        self._level = (level - 1 if level >= 1 else level, now)
        return level < 1


class Options(TypedDict, total=False):
    """Options of a switch: how often, from when and how long, its value, and the callers."""

    count: int
    seconds: float
    after: float
    value: str
    by: str


@dataclass(frozen=True, slots=True)
class FaultRequest:
    """A switch that is parsed but not turned on."""

    name: str
    target: str
    options: Options
    text: str
    """The whole text of the switch."""

    @property
    def part(self) -> Part:
        """The part of the lab that the fault strikes."""
        return SWITCHES[self.name].part


def read(text: str) -> FaultRequest:
    """Parse a switch, `NAME=TARGET,…`.

    Raises:
        FaultSyntaxError: unknown name or option, no target or one of another form, or a value that
            is missing, unexpected, or not of the switch's kind.
    """
    head, *given = text.split(",")
    name, equals, target = head.partition("=")
    switch = _switch(name)
    if not equals or not target:
        raise FaultSyntaxError(f"{name}: needs a target (try {name}={switch.example})")
    if switch.part is Part.AWS and ":" not in target and target != "*":
        raise FaultSyntaxError(f"{name}: {target!r} is not SERVICE:OPERATION (try ec2:CreateFleet)")
    return FaultRequest(name, target, _options(name, given), text)


def _options(name: str, given: list[str]) -> Options:
    written: dict[str, str] = {}
    for each in given:
        option, equals, value = each.partition("=")
        if option not in _OPTIONS:
            options = ", ".join(_OPTIONS)
            raise FaultSyntaxError(f"{name}: unknown option {option!r}; the options are {options}")
        if not equals or not value:
            raise FaultSyntaxError(f"{name}: {option} needs a value, {option}=…")
        written[option] = value
    chosen = Options(value=written.get("value", ""), by=written.get("by", "*"))
    try:
        if "for" in written:
            chosen["seconds"] = parse_seconds(written["for"])
        if "after" in written:
            chosen["after"] = parse_seconds(written["after"])
    except FaultSyntaxError as error:
        raise FaultSyntaxError(f"{name}: {error}") from None
    if "count" in written:
        if not written["count"].isdigit():
            raise FaultSyntaxError(f"{name}: count must be a number, not {written['count']!r}")
        chosen["count"] = int(written["count"])
    _check_value(name, SWITCHES[name], chosen["value"])
    return chosen


def _switch(name: str) -> Switch:
    switch = SWITCHES.get(name)
    if switch is None:
        near = get_close_matches(name, SWITCHES, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}?" if near else f"the faults are {', '.join(SWITCHES)}"
        raise FaultSyntaxError(f"unknown fault {name!r}; {hint}")
    return switch


def _check_value(name: str, switch: Switch, value: str) -> None:
    if switch.value is None:
        if value:
            raise FaultSyntaxError(f"{name}: takes no value")
        return
    if not value:
        if switch.value.needed:
            raise FaultSyntaxError(f"{name}: needs a value (try {name}={switch.example})")
        return
    try:
        switch.value.read(value)
    except FaultSyntaxError as error:
        raise FaultSyntaxError(f"{name}: {error}") from None


class Faults:
    """The faults that are turned on. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._active: list[Fault] = []

    def parse(self, text: str) -> Fault:
        """Parse a switch, `NAME=TARGET,…`, and turn the fault on.

        Raises:
            FaultSyntaxError: as `read`.
        """
        return self.turn_on(read(text))

    def turn_on(self, request: FaultRequest) -> Fault:
        """Turn on a parsed switch; its times count from now."""
        return self.set(request.name, request.target, **request.options)

    def set(self, name: str, target: str = "*", **options: Unpack[Options]) -> Fault:
        """Turn a fault on, for `count` strikes or `seconds`; with neither, the table's count holds.

        Raises:
            FaultSyntaxError: the name is unknown, or the value is not of the switch's kind.
        """
        switch = _switch(name)
        value, seconds = options.get("value", ""), options.get("seconds")
        _check_value(name, switch, value)
        count = options.get("count", switch.count if seconds is None else None)
        begins = self._clock() + options.get("after", 0.0)
        until = None if seconds is None else begins + seconds
        since = begins if "after" in options else None
        fault = Fault(name, target, count, until, value, options.get("by", "*"), since)
        with self._lock:
            self._active.append(fault)
        return fault

    def take(self, name: str, *subjects: str, by: str = "") -> Fault | None:
        """The first fault that strikes one of `subjects` now, counted down; None without one."""
        if not self._active:
            return None
        now = self._clock()
        with self._lock:
            for fault in self._active:
                if fault.name == name and any(fault.hits(each, by, now) for each in subjects):
                    if name == "bucket" and not fault.overflows(now):
                        continue
                    if fault.count is not None:
                        fault.count -= 1
                    fault.struck += 1
                    return fault
        return None

    def clear(self, name: str | None = None) -> None:
        """Turn off all faults, or all faults of one name."""
        with self._lock:
            self._active = [each for each in self._active if name is not None and each.name != name]
