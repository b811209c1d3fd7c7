"""The command lines of get, set, unset, pool, pause, resume, drain and recycle."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from mayfly_cli.command_line import Command
from mayfly_cli.operations.completion import names
from mayfly_cli.operations.epilogs import examples
from mayfly_cli.operations.options import Duration, answer, of_stack, one_queue, queue_or_name
from mayfly_cli.parameter_types import STACK_NAME, Count

_CHANGES = "0 the change is in force, 1 it is not"
_NAME = click.argument("name", shell_complete=names)
_ANY_NAME = click.argument("name", required=False, shell_complete=names)


def _of_the_stack(place: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options, with the stack that a parameter's whole name tells."""
    _, top, stack, *_ = *place.split("/"), "", "", ""
    told = stack if top == "mayfly" and STACK_NAME.allows(stack) else None
    return {**options, "stack": options["stack"] or told}


@click.command(
    "get",
    cls=Command,
    epilog=examples(
        *("mayfly get default", "mayfly get default pool/hot"),
        "mayfly get /mayfly/STACK/queues/defualt",
        ends="0 all values are in force, 1 one is not",
    ),
)
@queue_or_name
@_ANY_NAME
@of_stack
def get(place: str, name: str | None, **options: Any) -> int:
    """Show a queue's parameters, or what one means.

    A value that is not in force shows why. Parameters that do not exist show their default. PATH is
    a whole name: of parameters that no queue reads, the command shows why, and what removes them.
    """
    from mayfly_cli.settings.strays import shown

    return answer(lambda it: shown(it, place, name), _of_the_stack(place, options))


@click.command(
    "set",
    cls=Command,
    epilog=examples(
        "mayfly set default pool/hot 10",
        "mayfly set deploy limits/max-instances 10 --was 2",
        'mayfly set default policy/rules/main "pipeline=app branch=main"',
        "mayfly set default secrets/path /vendors/buildkite/{queue}",
        ends=_CHANGES,
    ),
)
@one_queue
@_NAME
@click.argument("value")
@click.option("--was", metavar="OLD", help="Change only if OLD is the present value.")
@of_stack
def set_(queue: str, name: str, value: str, was: str | None, **options: Any) -> int:
    """Set a parameter of a queue.

    The value is checked with the queue's other values before it is written. The command waits up to
    5 s until the change is in force. A value that somebody else has changed meanwhile stays.
    """
    from mayfly_cli.settings.changing import change

    return answer(lambda it: change(it, queue, name, value, was=was), options)


@click.command(
    "unset",
    cls=Command,
    epilog=examples(
        "mayfly unset default pool/hot",
        "mayfly unset /mayfly/STACK/queues/defualt/pool/hot",
        ends=_CHANGES,
    ),
)
@queue_or_name
@_ANY_NAME
@of_stack
def unset(place: str, name: str | None, **options: Any) -> int:
    """Go back to a parameter's default.

    PATH is a whole name: it removes a parameter that no queue reads, too, as one of a misspelt
    queue, or of a queue whose stack was deleted.
    """
    from mayfly_cli.settings.strays import unset as remove

    return answer(lambda it: remove(it, place, name), _of_the_stack(place, options))


@click.command(
    "pool",
    cls=Command,
    epilog=examples(
        *("mayfly pool default 10 --for 2h", "mayfly pool default 3"),
        "mayfly pool default 5 --stopped",
        ends=_CHANGES,
    ),
)
@one_queue
@click.argument("size", type=Count(0, 5000))
@click.option(
    "--for",
    "lasting",
    metavar="TIME",
    type=Duration(),
    help="How long; then the size is as before.",
)
@click.option("--stopped", is_flag=True, help="The stopped pool instead of the hot one.")
@of_stack
def pool(queue: str, size: int, lasting: timedelta | None, stopped: bool, **options: Any) -> int:
    """Give a queue's warm pool another size.

    The command tells how many launches that takes, and about what they cost. With --for, the end is
    written into the parameter itself: the pool goes back even if this computer is switched off. A
    schedule stays, and holds again afterwards.
    """
    from mayfly_cli.settings.pools import pool as resize

    return answer(lambda it: resize(it, queue, size, lasting, stopped=stopped), options)


@click.command("pause", cls=Command, epilog=examples("mayfly pause docs", ends=_CHANGES))
@one_queue
@of_stack
def pause(queue: str, **options: Any) -> int:
    """Stop new work of a queue; running jobs go on.

    Jobs wait at Buildkite, and the warm pool ends; its size stays in its parameter.
    """
    from mayfly_cli.settings.changing import change

    return answer(lambda it: change(it, queue, "paused", "true"), options)


@click.command("resume", cls=Command, epilog=examples("mayfly resume docs", ends=_CHANGES))
@one_queue
@of_stack
def resume(queue: str, **options: Any) -> int:
    """End a pause or a drain of a queue."""
    from mayfly_cli.settings.changing import change

    return answer(lambda it: change(it, queue, "paused", None), options)


@click.command(
    "drain",
    cls=Command,
    epilog=examples(
        "mayfly drain default --wait", ends="0 the queue is paused, and drained with --wait, 1 not"
    ),
)
@one_queue
@click.option("--wait", is_flag=True, help="Wait until the last instance has ended.")
@of_stack
def drain(queue: str, wait: bool, **options: Any) -> int:
    """Pause a queue, and count its instances down.

    Running jobs go on to their end. `mayfly resume` ends the drain: the pool's size was kept.
    """
    from mayfly_cli.operations.running import show
    from mayfly_cli.settings.draining import drain as empty

    as_json = bool(options["as_json"])
    return answer(
        lambda it: empty(
            it,
            queue,
            wait=wait,
            tell=lambda left: show(left, it.suffix, as_json=as_json),
        ),
        options,
    )


@click.command("recycle", cls=Command, epilog=examples("mayfly recycle default", ends=_CHANGES))
@one_queue
@of_stack
def recycle(queue: str, **options: Any) -> int:
    """Replace a queue's idle instances, a few at a time.

    The command sets launch/generation to the time, which replaces instances as a new image would:
    jobs run on, and older instances take jobs only while no newer one is ready. It says how many
    instances are replaced, about how long that takes, and what the boots cost.
    """
    from mayfly_cli.settings.recycling import recycle as replace_all

    return answer(lambda it: replace_all(it, queue), options)


CHANGING = (set_, unset, pool, pause, resume, drain, recycle)
