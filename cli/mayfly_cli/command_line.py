"""What all command lines have in common: help in 80 columns, and errors of one line."""

from __future__ import annotations

import contextlib
import difflib
import select
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import click

from mayfly.scrubbing import scrub
from mayfly_cli.ends import STOPPED, USAGE, WRONG, BrokenError, Stopped, UsageError

SETTINGS: Mapping[str, Any] = {
    "help_option_names": ["-h", "--help"],
    "max_content_width": 80,
    "show_default": True,
}


class _Ended(Exception):
    """A command ended early: its name, what it says in one line, its exit status."""

    def __init__(self, name: str, text: str, status: int) -> None:
        super().__init__(text)
        self.name, self.text, self.status = name, text, status


class _Shown(click.Command):
    """Shows its epilog as it is written: it holds lines to be pasted."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the epilog without wrapping."""
        del ctx
        if self.epilog:
            formatter.write(f"\n{self.epilog.strip()}\n")


class Command(_Shown):
    """A command whose errors are those of `mayfly_cli.ends`."""

    ends: ClassVar[Mapping[type[Exception], int]] = {
        UsageError: USAGE,
        BrokenError: WRONG,
        Stopped: STOPPED,
    }
    """By error: the exit status. The error's text is what the command says."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options; what is wrong with one is said in this command's name."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """The exit status that the command's function returns."""
        with _ending(ctx.command_path, self.ends):
            return super().invoke(ctx)


class Group(_Shown, click.Group):
    """Commands in the order in which they were added."""

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands."""
        del ctx
        return list(self.commands)


def ended(group: click.Group, arguments: Sequence[str]) -> int:
    """Run a command line; its errors are one line, without any secret. Returns the exit status."""
    name = str(group.name)
    try:
        return int(group.main(list(arguments), name, standalone_mode=False) or 0)
    except _Ended as end:
        return _told(end.name, end.text, end.status)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else name
        return _told(path, f"{_said(error)} (see {path} --help)", USAGE)
    except click.Abort:  # Ctrl-C before there was any work
        return _told(name, "stopped", STOPPED)


@contextlib.contextmanager
def _ending(name: str, ends: Mapping[type[Exception], int]) -> Iterator[None]:
    try:
        yield
    except tuple(ends) as error:
        status = next(status for kind, status in ends.items() if isinstance(error, kind))
        raise _Ended(name, str(error), status) from error
    except KeyboardInterrupt as error:
        raise _Ended(name, "stopped", STOPPED) from error
    except BrokenPipeError as error:
        # click ends with 1 and without a word on any broken pipe, as if it were always stdout's.
        if _nobody_reads():
            raise
        raise RuntimeError("a pipe inside the command broke") from error


def _nobody_reads() -> bool:
    """Whether whoever read standard output or standard error is gone, as behind `| head`."""
    poll = select.poll()
    for number in (1, 2):
        poll.register(number, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _said(error: click.UsageError) -> str:
    """What is wrong with which option, and what is allowed."""
    match error:
        case click.MissingParameter(param=click.Option(help=str(meaning)) as option):
            return f"{_named(option)} is missing: {meaning[:1].lower()}{meaning[1:].rstrip('.')}"
        case click.MissingParameter(param=click.Parameter() as argument):
            return f"{_named(argument)} is missing"
        case click.BadParameter(param=click.Parameter() as parameter, message=message):
            return f"{_named(parameter)}: {message.rstrip('.')}"
        case click.NoSuchOption(option_name=name, possibilities=near):
            return f"no such option: {name}{_meant(name, near or ())}"
        case click.UsageError(ctx=click.Context(command=click.Group(commands=commands))):
            return f"{error.message.rstrip('.')}; there is {', '.join(commands)}"
    return error.format_message().rstrip(".")


def _meant(name: str, possible: Sequence[str]) -> str:
    # click compares with the dashes, which makes any two options alike.
    words = [each.strip("-") for each in possible]
    near = difflib.get_close_matches(name.strip("-"), words, n=1)
    return f"; did you mean --{near[0]}?" if near else ""


def _named(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Option):
        return parameter.opts[0]
    return parameter.human_readable_name


def _told(name: str, text: str, status: int) -> int:
    line = " ".join(scrub(text).split())
    sys.stderr.write(f"{name}: {line}\n")
    return status
