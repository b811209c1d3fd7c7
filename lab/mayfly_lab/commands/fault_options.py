"""`--fault`: parsed by the table of faults, with its target checked against what the lab has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from fnmatch import filter as matching
from typing import Any

import click
from click.shell_completion import CompletionItem

from mayfly_cli.ends import UsageError
from mayfly_lab.faults import SWITCHES, FaultRequest, FaultSyntaxError, Part, read

FUNCTIONS = ("dispatch", "provision", "sandbox", "reap")
_EVENTS = ("aws.ec2/x", "aws.ssm/x", "aws.events/x", "dynamodb", "sqs")
GRAMMAR = """\
Faults, each NAME=TARGET[,value=X][,count=N][,after=TIME][,for=TIME][,by=WHO].
TARGET may hold `*`. `count` limits the number of strikes, `after` delays the
start (counted from the deployment of the stacks), `for` limits the duration,
`by` selects the caller (dispatch, i-0…). Times: 250ms, 5s, 2m.
A fault marked `once` strikes once unless `count` or `for` is given; any other
fault strikes until the lab ends.
"""
WIDTH = 80


def fault(text: str) -> FaultRequest:
    """Parse a fault, and check its target.

    Raises:
        FaultSyntaxError: the text cannot be read, or the lab has no such target.
    """
    request = read(text)
    _check_target(request)
    return request


class FaultType(click.ParamType[FaultRequest]):
    """A fault, NAME=TARGET[,OPTION=VALUE…]."""

    name = "fault"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> FaultRequest:
        """The fault, parsed, with a known target."""
        try:
            return fault(value)
        except FaultSyntaxError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Names of faults with their meanings."""
        del ctx, param
        return [
            CompletionItem(f"{name}=", help=switch.explained)
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
        help="Inject a fault; may be repeated. The table below has all faults.",
    )(function)


def _table() -> str:
    """Help text: every fault with an example and its meaning."""
    table = click.HelpFormatter(width=WIDTH)
    table.write(GRAMMAR)
    for part in Part:
        table.write_paragraph()
        table.write_text(f"{part}:")
        with table.indentation():
            table.write_dl(
                [
                    (f"{name}={switch.example}", switch.explained)
                    for name, switch in SWITCHES.items()
                    if switch.part is part
                ]
            )
    return table.getvalue()


FAULTS = _table()
"""Table of faults, for the end of the help."""


def check_queues(requests: Sequence[FaultRequest], queues: Sequence[str]) -> None:
    """Check the targets of queue faults against the lab's queues.

    Raises:
        UsageError: a fault's target matches no queue.
    """
    for request in requests:
        if request.part is Part.QUEUE and not matching(queues, request.target):
            raise UsageError(
                f"--fault: {request.name}: unknown queue {request.target!r}; the lab has"
                f" {', '.join(queues)}"
            )


def _check_target(request: FaultRequest) -> None:
    name, target = request.name, request.target
    match request.part:
        case Part.BUILDKITE:
            known = _endpoints()
            if not matching(known, target):
                near = get_close_matches(target, known, n=1, cutoff=0.0)[0]
                raise FaultSyntaxError(f"{name}: unknown call {target!r}; did you mean {near}?")
        case Part.FUNCTION:
            if not matching(FUNCTIONS, target.partition("/")[0]):
                functions = ", ".join(FUNCTIONS)
                raise FaultSyntaxError(
                    f"{name}: unknown function {target!r}; the functions are {functions}"
                )
        case Part.EVENT:
            # Only the source of a pattern like `aws.ec2/*State-change*` can be checked.
            if not any(matching(_EVENTS, each) for each in (target, f"{target.split('/')[0]}/*")):
                raise FaultSyntaxError(
                    f"{name}: unknown event {target!r}; the events are aws.ec2/*, aws.ssm/*,"
                    " aws.events/* (schedules), dynamodb, sqs"
                )
        case Part.CAPACITY if "/" not in target and "*" not in target:
            raise FaultSyntaxError(f"{name}: {target!r} is not TYPE/ZONE (try {target}/*)")
        case _:
            pass


def _endpoints() -> list[str]:
    # A late import: --help does not need the emulator.
    from buildkite_emulator.serving.endpoints import AGENT, REST, STACKS

    return sorted({route.name for route in (*STACKS, *AGENT, *REST)})
