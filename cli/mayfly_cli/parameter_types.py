"""Types of options that several commands take: what is allowed, and what a wrong value is told."""

from __future__ import annotations

import re

import click

from mayfly_cli.endpoints import checked_address
from mayfly_cli.ends import UsageError


class Word(click.ParamType[str]):
    """Text of one form."""

    def __init__(self, name: str, form: str, allowed: str) -> None:
        self.name = name
        self._form = re.compile(form)
        self._allowed = allowed

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text as it is."""
        if not self._form.fullmatch(value):
            self.fail(f"{value!r} is not {self._allowed}", param, ctx)
        return value


QUEUE_KEY = Word(
    "key",
    "[A-Za-z0-9_-]{1,100}",
    "the key of a queue: letters, digits, - and _, at most 100",
)
STACK_NAME = Word(
    "name",
    "[A-Za-z][A-Za-z0-9-]{0,50}",
    "the name of a stack: it begins with a letter; letters, digits and -, at most 51",
)


class Minutes(click.ParamType[float]):
    """A time in minutes, of more than nothing."""

    name = "minutes"

    def __init__(self, most: int) -> None:
        self._most = most

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number of minutes."""
        try:
            minutes = float(value)
        except ValueError:
            minutes = 0.0
        if not 0 < minutes <= self._most:  # false of nan, too
            self.fail(
                f"{value!r} is not a number, more than 0 and at most {self._most}", param, ctx
            )
        return minutes


class Address(click.ParamType[str]):
    """An https address, or an http address of this machine: what a token may be sent to."""

    name = "url"

    def __init__(self, example: str, ending: str = "") -> None:
        self._example = example
        self._ending = ending

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The address without a slash at its end."""
        try:
            address = checked_address(value, self._example)
        except UsageError as error:
            self.fail(str(error), param, ctx)
        if not address.endswith(self._ending):
            self.fail(f"{value!r} does not end in {self._ending}, as {self._example}", param, ctx)
        return address
