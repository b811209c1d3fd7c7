"""`--fault`: read by the lab's one table, and checked against what there is to strike."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from fnmatch import filter as matching

from mayfly_lab.commands.parser import UsageError
from mayfly_lab.faults import SWITCHES, FaultSyntaxError, Part, Wish, read

FUNCTIONS = ("dispatch", "provision", "sandbox", "reap")
_EVENTS = ("aws.ec2/x", "aws.ssm/x", "aws.events/x", "dynamodb", "sqs")
_COLUMN = 52
GRAMMAR = """\
Faults, each NAME=TARGET[,value=X][,count=N][,after=TIME][,for=TIME][,by=WHO]; TARGET may hold `*`.
They count from the moment that the stacks are deployed: `count` is how often they strike, `after`
when they begin, `for` how long they last, `by` whose calls (dispatch, i-0…). Times: 250ms, 5s, 2m.
"""


def add_faults(parser: argparse.ArgumentParser) -> None:
    """The option `--fault`, and the table of all faults at the end of the help."""
    parser.add_argument(
        "--fault",
        metavar="NAME=TARGET,…",
        action="append",
        type=fault,
        dest="faults",
        default=[],
        help="make something go wrong; may be repeated; the table below has all of them",
    )
    parser.epilog = "\n".join([GRAMMAR, *table()])


def table() -> Iterator[str]:
    """Every fault in one line: an example of how it is written, and what it does."""
    for part in Part:
        yield f"  {part}:"
        for name, switch in SWITCHES.items():
            if switch.part is part:
                yield f"    {f'{name}={switch.example}':<{_COLUMN}} {switch.meaning}"


def fault(text: str) -> Wish:
    """A fault, as it is written."""
    try:
        wish = read(text)
        _check_target(wish)
    except FaultSyntaxError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return wish


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
