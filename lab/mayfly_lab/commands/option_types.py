"""Types of options. Each accepts the allowed values, and names them when it refuses a value."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import ClassVar

import click

from mayfly_lab.faults import FaultSyntaxError, parse_seconds
from mayfly_lab.latency import Latency, LatencySyntaxError
from mayfly_lab.machines.whole.kinds import Kind
from mayfly_lab.machines.whole.recipes import SUITES
from mayfly_lab.sim.faults import rates
from mayfly_lab.sim.traces import Arrival
from mayfly_lab.sim.traces import read as read_trace

_PARAMETER = re.compile(r"([A-Za-z0-9_-]{1,100})/([^=\s]+)=(.+)", re.DOTALL)

_LONGEST_SECRET = 8192
"""Characters of an advanced parameter (SSM user guide, "Managing parameter tiers")."""


class Whole(click.ParamType[int]):
    """A whole number from `low` to `high`, both included."""

    name = "n"

    def __init__(self, low: int, high: int, what: str = "number") -> None:
        self._low, self._high, self._what = low, high, what

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """The number, parsed."""
        if isinstance(value, int):  # a default
            return value
        if not (value.isascii() and value.isdigit()) or not self._low <= int(value) <= self._high:
            said = f"{value!r} is not a {self._what} from {self._low} to {self._high}"
            self.fail(said, param, ctx)
        return int(value)


class Variable(click.ParamType[tuple[str, str]]):
    """A variable of the build's environment, NAME=VALUE."""

    name = "variable"
    form = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
    wanted = "NAME=VALUE"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """The two sides of the equals sign."""
        match = self.form.fullmatch(value)
        if match is None:
            self.fail(f"{value!r} is not {self.wanted}", param, ctx)
        if not is_unicode(value):
            self.fail(f"{value!a} is not text in UTF-8", param, ctx)
        return match[1], match[2]


class Answer(Variable):
    """An answer to a field of a block step, KEY=VALUE."""

    name = "answer"
    form = re.compile(r"([A-Za-z0-9/_-]+)=(.*)", re.DOTALL)


class Role(Variable):
    """A role for the jobs of a queue, QUEUE=/PATH/NAME."""

    name = "role"
    form = re.compile(r"([A-Za-z0-9_-]{1,100})=((?:/[A-Za-z0-9+=,.@_-]+){2,})")
    wanted = "QUEUE=/PATH/NAME (try default=/ci/app)"


class QueueParameter(click.ParamType[tuple[str, str, str]]):
    """An operator's parameter of a queue, QUEUE/NAME=VALUE."""

    name = "parameter"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str, str]:
        """Queue, name and value of the parameter."""
        match = _PARAMETER.fullmatch(value)
        if match is None:
            said = f"{value!r} is not QUEUE/NAME=VALUE (try default/launch/purchase=spot)"
            self.fail(said, param, ctx)
        if not is_unicode(value):
            self.fail(f"{value!a} is not text in UTF-8", param, ctx)
        return match[1], match[2], match[3]


class Secret(click.ParamType[tuple[str, str]]):
    """A parameter with a secret, NAME=VALUE or NAME=@FILE."""

    name = "secret"
    form = re.compile(r"(/[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)+)=(.+)", re.DOTALL)

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Full name and value of the parameter."""
        match = self.form.fullmatch(value)
        if match is None:  # Without the text: it may hold a secret.
            said = "not /NAME=VALUE or /NAME=@FILE (try /ci/global/env/token=letmein)"
            self.fail(said, param, ctx)
        name, text = match[1], match[2]
        try:
            text = Path(text[1:]).read_text("utf-8") if text.startswith("@") else text
        except (OSError, UnicodeDecodeError, ValueError) as error:
            self.fail(f"{name}: cannot read {text[1:]}: {error}", param, ctx)
        if not is_unicode(text) or not 1 <= len(text) <= _LONGEST_SECRET:
            self.fail(f"{name}: not a text of 1 to {_LONGEST_SECRET} characters", param, ctx)
        return name, text


class FaultRate(click.ParamType[tuple[str, float]]):
    """A fault of the simulator and its rate, NAME=RATE."""

    name = "rate"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        """Name and rate."""
        name, _, text = value.partition("=")
        try:
            found = name, float(text)
        except ValueError:
            self.fail(f"{value!r} is not NAME=RATE (try lost-answer=0.05)", param, ctx)
        try:
            rates([found])
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return found


class TraceFile(click.ParamType[tuple[Path, tuple[Arrival, ...]]]):
    """A file with the arrivals of real jobs."""

    name = "trace"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Path, tuple[Arrival, ...]]:
        """The file and its jobs."""
        file = Path(value)
        try:
            return file, read_trace(file)
        except OSError as error:
            self.fail(f"cannot read {value}: {error.strerror}", param, ctx)
        except ValueError as error:
            self.fail(f"{value} is no trace: {error}", param, ctx)


class WholeMachines(click.ParamType[tuple[Kind, str]]):
    """Whole machines: what they run in, and optionally their Debian, as `whole/trixie`."""

    name = "machines"
    words: ClassVar = {"whole": Kind.CONTAINER, "qemu": Kind.VM}

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Kind, str]:
        """The kind, and a suite of Debian."""
        word, slash, suite = value.partition("/")
        suite = suite if slash else SUITES[0]
        if word not in self.words or suite not in SUITES:
            words, suites = " or ".join(self.words), " or /".join(SUITES)
            self.fail(f"{value!r} is not {words}, with or without /{suites}", param, ctx)
        return self.words[word], suite


class Delays(click.ParamType[Latency]):
    """Delays of calls, such as `buildkite=100ms,aws=15ms`."""

    name = "delays"

    def convert(
        self, value: str | Latency, param: click.Parameter | None, ctx: click.Context | None
    ) -> Latency:
        """The delays, parsed."""
        if isinstance(value, Latency):  # the default
            return value
        try:
            return Latency.parse(value)
        except LatencySyntaxError as error:
            self.fail(str(error), param, ctx)


class Duration(click.ParamType[float]):
    """A duration above zero, such as `90s`."""

    name = "time"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The duration in seconds."""
        try:
            seconds = parse_seconds(value)
        except FaultSyntaxError as error:
            self.fail(str(error), param, ctx)
        if not seconds:
            self.fail(f"{value!r} is not a time above zero", param, ctx)
        return seconds


class OutputFile(click.ParamType[Path]):
    """Path of a writable file. The check writes nothing."""

    name = "file"

    def convert(
        self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        """The file's path."""
        path = Path(value)
        try:
            if not path.parent.is_dir():
                self.fail(f"the folder {path.parent} does not exist", param, ctx)
            if path.is_dir():
                self.fail(f"{path} is a folder; name a file in it", param, ctx)
            if not os.access(path if path.exists() else path.parent, os.W_OK):
                self.fail(f"{path}: no permission to write it", param, ctx)
        except OSError as error:  # a name that is too long
            self.fail(f"{path}: {error.strerror}", param, ctx)
        return path


def is_unicode(text: str) -> bool:
    """False for text with bytes outside UTF-8: the lab can neither send nor print such text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
