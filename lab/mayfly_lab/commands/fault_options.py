"""`--fault`: read by the lab's one table, and checked against what there is to strike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from fnmatch import filter as matching
from typing import Any

import click
from click.shell_completion import CompletionItem

from mayfly_cli.ends import UsageError
from mayfly_lab.faults import SWITCHES, FaultSyntaxError, Part, Wish, read

FUNCTIONS = ("dispatch", "provision", "sandbox", "reap")
_EVENTS = ("aws.ec2/x", "aws.ssm/x", "aws.events/x", "dynamodb", "sqs")
GRAMMAR = """\
Faults, each NAME=TARGET[,value=X][,count=N][,after=TIME][,for=TIME][,by=WHO].
TARGET may hold `*`. They count from the moment that the stacks are deployed:
`count` is how often they strike, `after` when they begin, `for` how long they
last, `by` whose calls (dispatch, i-0…). Times: 250ms, 5s, 2m.
"""
WIDTH = 80


def fault(text: str) -> Wish:
    """A fault, as it is written.

    Raises:
        FaultSyntaxError: it cannot be read, or there is nothing of that name to strike.
    """
    wish = read(text)
    _check_target(wish)
    return wish


class FaultType(click.ParamType[Wish]):
    """A fault, as it is written."""

    name = "fault"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Wish:
        """What is to go wrong."""
        try:
            return fault(value)
        except FaultSyntaxError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Names of faults, and what each does."""
        del ctx, param
        return [
            CompletionItem(f"{name}=", help=switch.meaning)
            for name, switch in SWITCHES.items()
            if name.startswith(incomplete)
        ]


def faults_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option `--fault`."""
    return click.option(
        "--fault",
        "faults",
        metavar="NAME=TARGET,…",
        multiple=True,
        type=FaultType(),
        help="Make something go wrong; may be repeated; the table below has all of them.",
    )(function)


def _table() -> str:
    """Every fault: an example of how it is written, and what it does."""
    table = click.HelpFormatter(width=WIDTH)
    table.write(GRAMMAR)
    for part in Part:
        table.write_paragraph()
        table.write_text(f"{part}:")
        with table.indentation():
            table.write_dl(
                [
                    (f"{name}={switch.example}", switch.meaning)
                    for name, switch in SWITCHES.items()
                    if switch.part is part
                ]
            )
    return table.getvalue()


FAULTS = _table()
"""For the end of the help."""


def check_queues(wishes: Sequence[Wish], queues: Sequence[str]) -> None:
    """See that faults of queues name queues that there are.

    Raises:
        UsageError: one does not.
    """
    for wish in wishes:
        if wish.part is Part.QUEUE and not matching(queues, wish.target):
            raise UsageError(
                f"--fault: {wish.name}: no queue is {wish.target!r}; there is {', '.join(queues)}"
            )


def _check_target(wish: Wish) -> None:
    name, target = wish.name, wish.target
    match wish.part:
        case Part.BUILDKITE:
            known = _endpoints()
            if not matching(known, target):
                near = get_close_matches(target, known, n=1, cutoff=0.0)[0]
                raise FaultSyntaxError(f"{name}: no call is {target!r}; did you mean {near}?")
        case Part.FUNCTION:
            if not matching(FUNCTIONS, target.partition("/")[0]):
                functions = ", ".join(FUNCTIONS)
                raise FaultSyntaxError(f"{name}: no function is {target!r}; there is {functions}")
        case Part.EVENT:
            # Of a pattern like `aws.ec2/*State-change*` only the source can be checked.
            if not any(matching(_EVENTS, each) for each in (target, f"{target.split('/')[0]}/*")):
                raise FaultSyntaxError(
                    f"{name}: no event is {target!r}; there is aws.ec2/*, aws.ssm/*,"
                    " aws.events/* (schedules), dynamodb, sqs"
                )
        case Part.CAPACITY if "/" not in target and "*" not in target:
            raise FaultSyntaxError(f"{name}: {target!r} is not TYPE/ZONE, as {target}/*")
        case _:
            pass


def _endpoints() -> list[str]:
    # Late: the emulator is not needed for --help.
    from buildkite_emulator.serving.endpoints import AGENT, REST, STACKS

    return sorted({route.name for route in (*STACKS, *AGENT, *REST)})
