"""What mends a value that is not in force, and how commands take a queue."""

from __future__ import annotations

import click
import pytest

from mayfly_cli.command_line import IN_PLACE_OF_ARGUMENT
from mayfly_cli.main import mayfly
from mayfly_cli.operations.mending import mends

SET, UNSET = "mayfly set q pool/hot VALUE", "mayfly unset q pool/hot"
SECURITY = "only SecurityOwnersPolicy allows changes of"


@pytest.mark.parametrize(
    ("problem", "commands"),
    [
        ('pool/hot = "ten": allowed: a count from 0 to 5000', (SET, UNSET)),
        ('pool/hot = "a: b": allowed: a count', (SET, UNSET)),
        (
            "pool/hot: a StringList; allowed: a String. Make it a String: delete it, then write",
            (UNSET, SET),
        ),
        (
            "limits/max-instnaces: no such parameter; did you mean limits/max-instances?",
            ("mayfly unset q limits/max-instnaces", "mayfly set q limits/max-instances VALUE"),
        ),
        (
            "x: no such parameter; Mayfly knows pool/hot",
            (
                "mayfly unset q x",
                "of the stack's policies for people, none allows changes of x",
            ),
        ),
        (
            'policy/rules/main = "branchh=main": allowed: lines',
            (
                "mayfly set q policy/rules/main VALUE",
                "mayfly unset q policy/rules/main",
                f"{SECURITY} policy/rules/main",
            ),
        ),
        ("40 more parameters are not in force", ()),
    ],
)
def test_each_problem_has_the_commands_that_mend_it(
    problem: str, commands: tuple[str, ...]
) -> None:
    assert mends("q", problem) == commands


@pytest.mark.parametrize("name", sorted(mayfly.commands))
def test_a_command_that_takes_a_queue_takes_it_as_argument_and_as_option(name: str) -> None:
    parameters = mayfly.commands[name].params
    options = [each for each in parameters if "--queue" in each.opts]
    arguments = [each for each in parameters if isinstance(each, click.Argument)]
    takes_queue = any("QUEUE" in each.make_metavar(click.Context(mayfly)) for each in arguments)
    if takes_queue:
        assert [each.name for each in options] == [IN_PLACE_OF_ARGUMENT]
    else:
        assert all(each.required for each in options)


@pytest.mark.parametrize("words", [("q", "pool/hot", "1"), ("--queue", "q", "pool/hot", "1")])
def test_the_queue_is_the_first_argument_in_either_form(words: tuple[str, ...]) -> None:
    context = mayfly.commands["set"].make_context("set", list(words))
    taken = {name: context.params[name] for name in ("queue", "name", "value")}
    assert taken == {"queue": "q", "name": "pool/hot", "value": "1"}
