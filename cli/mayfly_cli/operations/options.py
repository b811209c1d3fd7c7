"""Options that the commands for operators share."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import click

from mayfly_cli.command_line import IN_PLACE_OF_ARGUMENT
from mayfly_cli.operations.completion import queues
from mayfly_cli.operations.shared import Shared
from mayfly_cli.parameter_types import QUEUE_KEY, QUEUE_OR_NAME, STACK_NAME

Function = TypeVar("Function", bound=Callable[..., Any])
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = timedelta(days=366)
_DIGITS = re.compile("[0-9]{1,9}")
_PART = re.compile("([0-9]{1,9})([smhd])")
_LONGEST_SHOWN = 40


def a_queue(
    meaning: str, *, required: bool = True, default: str | None = None
) -> Callable[[Function], Function]:
    """The argument QUEUE, which may be given as --queue, too: the argument `queue`."""
    # click takes an argument with `default=None` for one that has a default.
    given: dict[str, Any] = (
        {"required": required} if default is None else {"required": False, "default": default}
    )
    argument = click.argument("queue", type=QUEUE_KEY, shell_complete=queues, **given)
    return lambda function: argument(queue_option(meaning)(function))


def queue_option(meaning: str) -> Callable[[Function], Function]:
    """The option --queue, which stands for the command's first argument. See `Command`."""
    return click.option(
        *("--queue", IN_PLACE_OF_ARGUMENT),
        metavar="QUEUE",
        type=QUEUE_KEY,
        expose_value=False,
        shell_complete=queues,
        help=f"{meaning} May stand in place of the argument.",
    )


one_queue = a_queue("The queue.")
any_queue = a_queue("The queue; without it, all queues.", required=False)


def queue_or_name(function: Function) -> Function:
    """The argument QUEUE|PATH, or --queue: the argument `place`."""
    argument = click.argument(
        "place", metavar="QUEUE|PATH", type=QUEUE_OR_NAME, shell_complete=queues
    )
    return argument(queue_option("The queue.")(function))


class Duration(click.ParamType[timedelta]):
    """A time such as `90s`, `15m`, `2h`, `7d` or `1h30m`; at least one second."""

    name = "time"

    def convert(
        self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """The duration; fails with the forms that are allowed."""
        if isinstance(value, timedelta):
            return value
        seconds = at = 0
        while at < len(value) or not value:
            found = _PART.match(value, at)
            if found is None:
                self.fail(_no_time(value, at), param, ctx)
            seconds += int(found[1]) * _UNITS[found[2]]
            at = found.end()
            if not 1 <= seconds <= _LONGEST.total_seconds() and at == len(value):
                allowed = f"allowed: from 1s to {_LONGEST.days}d"
                self.fail(f"{value!r} is out of range; {allowed}", param, ctx)
        return timedelta(seconds=seconds)


def _no_time(value: str, at: int) -> str:
    """What is wrong at this place of the text, and what is allowed."""
    digits = _DIGITS.match(value, at)
    place = at + (len(digits[0]) if digits else 0)
    wanted = "a unit (s, m, h, d)" if digits else "a number and a unit"
    there = repr(value[place]) if place < len(value) else "the end"
    shown = value if len(value) <= _LONGEST_SHOWN else f"{value[:_LONGEST_SHOWN]}…"
    return (
        f"{shown!r} is not a time: column {place + 1}: {there} in place of {wanted}, as 90s, 15m, "
        "2h, 7d or 1h30m"
    )


def of_stack(function: Function) -> Function:
    """The options --stack, --region and --json."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON in one line."),
        click.option(
            "--region", metavar="REGION", help="AWS region.  [default: from the environment]"
        ),
        click.option(
            "--stack",
            metavar="NAME",
            type=STACK_NAME,
            envvar="MAYFLY_STACK",
            show_envvar=True,
            help="Name of the stack.  [default: the only one]",
        ),
    ):
        function = option(function)
    return function


def watched(function: Function) -> Function:
    """The option --watch, besides those of `of_stack`."""
    option = click.option(
        "--watch",
        metavar="[=5s]",
        type=Duration(),
        is_flag=False,
        flag_value="5s",
        help="Show again every 5 s, or as often as given, until Ctrl-C.",
    )
    return of_stack(option(function))


def since(
    default: str,
    help: str = "How far back to look.",  # noqa: A002 - as click names it
) -> Callable[[Function], Function]:
    """The option --since: how far back to read, as the argument `lasting`."""
    return click.option(
        *("--since", "lasting"),
        metavar="TIME",
        type=Duration(),
        default=default,
        help=help,
    )


def answer(make: Callable[[Any], Any], options: dict[str, Any]) -> int:
    """Run a command with the shared options, taken from `options`; returns the exit status.

    `make` gets the connection, and returns the result. See `mayfly_cli.operations.running`.
    """
    # Imported late: importing boto3 takes half a second, which --help does not need.
    from mayfly_cli.operations.running import run

    return run(make, Shared.taken(options))
