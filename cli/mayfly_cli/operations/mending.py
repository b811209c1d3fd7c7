"""What a person does about a parameter's value that is not in force. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mayfly.config.problem import printable
from mayfly.config.writers import OPERATORS, writer
from mayfly_cli.operations.parameter_names import known
from mayfly_cli.operations.screen import Block, Hint, Mood, Span, line
from mayfly_cli.operations.tuning import LONGEST

_FORM = re.compile(r'(?P<name>\S+?)(?: = "|: )')
_MEANT = re.compile(r"; did you mean (\S+)\?")
_OTHER_TYPE = "Make it a String: "


def name_of(problem: str) -> str:
    """The parameter that the problem is about; empty for a problem of no single parameter."""
    found = _FORM.match(problem)
    return found["name"] if found is not None else ""


def mends(queue: str, problem: str) -> tuple[str, ...]:
    """The commands that mend the problem, VALUE standing for an allowed value; then who may.

    The problem's own text has what is allowed.
    """
    name = name_of(problem)
    if not name:
        return ()
    setting, unsetting = f"mayfly set {queue} {name} VALUE", f"mayfly unset {queue} {name}"
    if known(name) is None:
        meant = _MEANT.search(problem)
        found = (unsetting, *((f"mayfly set {queue} {meant[1]} VALUE",) if meant else ()))
    elif _OTHER_TYPE in problem:
        found = (unsetting, setting)
    else:
        found = (setting, unsetting)
    return (*found, *_who(queue, name))


def _who(queue: str, name: str) -> Iterator[str]:
    """Who may change the parameter; nothing where operators may."""
    policy = writer(f"/mayfly/STACK/queues/{queue}/{name}")
    if not policy:
        yield f"of the stack's policies for people, none allows changes of {name}"
    elif policy != OPERATORS:
        yield f"only {policy} allows changes of {name}"


def bad_value(queue: str, problem: str) -> Iterator[Block]:
    """The problem, and the commands that mend it."""
    yield line(queue, "  ", Span("BAD VALUE", Mood.BAD), f" {printable(problem, LONGEST)}")
    if known(name_of(problem)) is not None:
        yield line("until this is mended, all values of the queue stay as they were", indent=4)
    for each in mends(queue, problem):
        yield Hint(each)
