"""Options that commands share, and their types: allowed values, and the error for others."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from mayfly_cli.endpoints import (
    AGENT_ENDPOINT,
    AGENT_RELEASES,
    API_ENDPOINT,
    checked_address,
)
from mayfly_cli.ends import UsageError

Function = TypeVar("Function", bound=Callable[..., Any])


class Word(click.ParamType[str]):
    """Text that matches a regular expression as a whole."""

    def __init__(self, name: str, form: str, allowed: str) -> None:
        self.name = name
        self._form = re.compile(form)
        self._allowed = allowed

    def allows(self, value: str) -> bool:
        """True if the text matches."""
        return self._form.fullmatch(value) is not None

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text, unchanged; fails if it does not match."""
        if not self.allows(value):
            self.fail(f"{value!r} is not {self._allowed}", param, ctx)
        return value


QUEUE_KEY = Word(
    "key",
    "[A-Za-z0-9_-]{1,100}",
    "the key of a queue: letters, digits, - and _, at most 100",
)
QUEUE_OR_NAME = Word(
    "key",
    "[A-Za-z0-9_-]{1,100}|/[A-Za-z0-9_./-]{1,1100}",
    "the key of a queue (letters, digits, - and _, at most 100) or a parameter's whole name",
)
STACK_NAME = Word(
    "name",
    "[A-Za-z][A-Za-z0-9-]{0,50}",
    "the name of a stack: letters, digits and -, a letter first, at most 51",
)


class Count(click.ParamType[int]):
    """A whole number in plain digits; Python's `int` takes the digits of every script."""

    name = "count"

    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """The number; fails for other text and for a number out of range."""
        text = str(value)
        if not re.fullmatch("[0-9]{1,9}", text) or not self._least <= int(text) <= self._most:
            self.fail(f"{value!r} is not a count from {self._least} to {self._most}", param, ctx)
        return int(text)


class Minutes(click.ParamType[float]):
    """A time in minutes, more than 0 and at most a limit."""

    name = "minutes"

    def __init__(self, most: int) -> None:
        self._most = most

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number of minutes; fails if it is no number or out of range."""
        text = str(value)
        minutes = float(text) if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", text) else 0.0
        if not 0 < minutes <= self._most:
            self.fail(
                f"{value!r} is not a number, more than 0 and at most {self._most}", param, ctx
            )
        return minutes


class Address(click.ParamType[str]):
    """An https address, or an http address on loopback: the addresses that may receive a token."""

    name = "url"

    def __init__(self, example: str, ending: str = "") -> None:
        self._example = example
        self._ending = ending

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The address without a trailing slash; fails if a token could leak or the end differs."""
        try:
            address = checked_address(value, self._example)
        except UsageError as error:
            self.fail(str(error), param, ctx)
        if not address.endswith(self._ending):
            self.fail(f"{value!r} does not end in {self._ending}, as {self._example}", param, ctx)
        return address


def agent_endpoint(ending: str = "") -> Callable[[Function], Function]:
    """The option --agent-endpoint: an address of Buildkite's agent API with this ending."""
    return click.option(
        "--agent-endpoint",
        metavar="URL",
        envvar="BUILDKITE_AGENT_ENDPOINT",
        show_envvar=True,
        type=Address(AGENT_ENDPOINT, ending),
        default=AGENT_ENDPOINT,
        help="Buildkite's agent API.",
    )


def api_endpoint() -> Callable[[Function], Function]:
    """The option --api-endpoint: an address of Buildkite's REST API."""
    return click.option(
        "--api-endpoint",
        metavar="URL",
        envvar="BUILDKITE_API_ENDPOINT",
        show_envvar=True,
        type=Address(API_ENDPOINT),
        default=API_ENDPOINT,
        help="Buildkite's REST API.",
    )


def agent_releases() -> Callable[[Function], Function]:
    """The option --agent-releases: an address with the list of the agent's releases."""
    return click.option(
        "--agent-releases",
        metavar="URL",
        envvar="BUILDKITE_AGENT_RELEASES",
        show_envvar=True,
        type=Address(AGENT_RELEASES),
        default=AGENT_RELEASES,
        help="The agent's releases, as GitHub's API shows them.",
    )
