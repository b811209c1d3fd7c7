"""Base classes of all command lines: help in 80 columns, errors in one line."""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import select
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import click

from mayfly.scrubbing import scrub
from mayfly_cli.ends import STOPPED, UNREAD, USAGE, WRONG, BrokenError, Stopped, UsageError

SETTINGS: Mapping[str, Any] = {
    "help_option_names": ["-h", "--help"],
    "max_content_width": 80,
    "show_default": True,
}


IN_PLACE_OF_ARGUMENT = "in_place_of_argument"
"""Name of an option whose value is taken as the command's first argument."""


class _EarlyEnd(Exception):
    """Ends a command early, with its name, the text of its error line, and its exit status."""

    def __init__(self, name: str, text: str, status: int) -> None:
        super().__init__(text)
        self.name, self.text, self.status = name, text, status


class _ReaderIsGone(Exception):
    """Ends a command whose output nobody reads any more."""


class _WithExamples(click.Command):
    """A command that prints its epilog unwrapped, because the epilog holds lines to paste."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the epilog without wrapping."""
        del ctx
        if self.epilog:
            formatter.write(f"\n{self.epilog.strip()}\n")


class Command(_WithExamples):
    """A command that turns the errors of `mayfly_cli.ends` into one line and an exit status."""

    ends: ClassVar[Mapping[type[Exception], int]] = {
        UsageError: USAGE,
        BrokenError: WRONG,
        Stopped: STOPPED,
    }
    """Exit status by error class. The error's text becomes the line that the command prints."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The arguments left after the options. A wrong option is reported under this command."""
        try:
            return super().parse_args(ctx, self._with_argument(ctx, args))
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def _with_argument(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The arguments, where an option has the first argument's value with this value first."""
        option = next((each for each in self.params if each.name == IN_PLACE_OF_ARGUMENT), None)
        if option is None:
            return args
        values, _, _ = self.make_parser(ctx).parse_args(list(args))
        if not isinstance(value := values.get(IN_PLACE_OF_ARGUMENT), str):
            return args
        found = [value, *args]
        _, more, _ = self.make_parser(ctx).parse_args(list(found))
        if more:
            raise click.UsageError(f"{option.opts[0]} is given, and so is the argument: give one")
        return found

    def invoke(self, ctx: click.Context) -> Any:
        """The exit status that the command's function returns."""
        with _errors_as_early_end(ctx.command_path, self.ends):
            return super().invoke(ctx)


class Group(_WithExamples, click.Group):
    """A group that lists its commands in the order in which they were added."""

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands, in the order in which they were added."""
        del ctx
        return list(self.commands)


class Sections(Group):
    """A group whose help lists its commands under headings."""

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self._sections: list[tuple[str, Sequence[click.Command]]] = []

    def add_section(self, heading: str, commands: Sequence[click.Command]) -> None:
        """Add commands under a heading."""
        self._sections.append((heading, commands))
        for command in commands:
            self.add_command(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, each with the first sentence of its help, under their headings."""
        del ctx
        widest = max(map(len, self.commands))
        for heading, commands in self._sections:
            with formatter.section(heading):
                formatter.write_dl(
                    [
                        (f"{command.name:<{widest}}", (command.help or "").split("\n\n")[0])
                        for command in commands
                    ]
                )


def leaves(group: click.Group) -> Mapping[str, click.Command]:
    """Every command that does something, by the words that call it: `status`, `deploy-key list`."""
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found |= {f"{name} {rest}": each for rest, each in leaves(command).items()}
        else:
            found[name] = command
    return found


def run_group(group: click.Group, arguments: Sequence[str]) -> int:
    """Run a command line and return its exit status.

    Known errors are printed to stderr as one line without secrets; any other error is raised.
    """
    name = str(group.name)
    try:
        return int(group.main(list(arguments), name, standalone_mode=False) or 0)
    except _EarlyEnd as end:
        return _report(end.name, end.text, end.status)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else name
        return _report(path, f"{_usage_text(error)} (see {path} --help)", USAGE)
    except _ReaderIsGone:
        return _unread()
    except SystemExit:  # click's, for a broken pipe while it writes a help text
        if _reader_is_gone():
            return _unread()
        raise
    except click.Abort:  # Ctrl-C while click still reads the options
        return _report(name, "stopped", STOPPED)


@contextlib.contextmanager
def _errors_as_early_end(name: str, ends: Mapping[type[Exception], int]) -> Iterator[None]:
    try:
        yield
    except tuple(ends) as error:
        status = next(status for kind, status in ends.items() if isinstance(error, kind))
        raise _EarlyEnd(name, str(error), status) from error
    except KeyboardInterrupt as error:
        raise _EarlyEnd(name, "stopped", STOPPED) from error
    except BrokenPipeError as error:
        # click takes every broken pipe for stdout's, and exits with 1: "something needs a person".
        if _reader_is_gone():
            raise _ReaderIsGone from error
        raise RuntimeError("a pipe inside the command broke") from error


def _reader_is_gone() -> bool:
    """Whether the reader of stdout or stderr has closed its end, as `| head` does."""
    poll = select.poll()
    for number in (1, 2):
        poll.register(number, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _unread() -> int:
    """The exit status of a command whose reader is gone.

    Python writes what is left in its buffer at its exit, and would show the error: so the rest goes
    nowhere. Source: Python's documentation of `signal`, "Note on SIGPIPE".
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)
    os.close(nowhere)
    return UNREAD


def _usage_text(error: click.UsageError) -> str:
    """The error line: the option, what is wrong with it, and what is allowed."""
    match error:
        case click.MissingParameter(param=click.Option(help=str(meaning)) as option):
            return f"{_label(option)} is missing: {meaning[:1].lower()}{meaning[1:].rstrip('.')}"
        case click.MissingParameter(param=click.Parameter() as argument):
            return f"{_label(argument)} is missing"
        case click.BadParameter(param=click.Parameter() as parameter, message=message):
            return f"{_label(parameter)}: {message.rstrip('.')}"
        case click.NoSuchOption(option_name=name) if re.match("-[0-9]", name):
            return f"{name} begins with -, as options do: write -- before it"
        case click.NoSuchOption(option_name=name, possibilities=near):
            return f"no such option: {name}{_suggestion(name, near or ())}"
        case click.UsageError(ctx=click.Context(command=click.Group(commands=commands))):
            said, there_is = error.message.rstrip("."), f"there is {', '.join(commands)}"
            typed = said.partition("'")[2].rstrip("'")
            near = difflib.get_close_matches(typed, commands, n=1)
            return f"{said}; did you mean {near[0]}? {there_is}" if near else f"{said}; {there_is}"
    return error.format_message().rstrip(".")


def _suggestion(name: str, possible: Sequence[str]) -> str:
    # click compares names with their dashes, which makes any two options look alike.
    words = [each.strip("-") for each in possible]
    near = difflib.get_close_matches(name.strip("-"), words, n=1)
    return f"; did you mean --{near[0]}?" if near else ""


def _label(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Option):
        return parameter.opts[0]
    return parameter.human_readable_name.strip("[].")


def _report(name: str, text: str, status: int) -> int:
    line = " ".join(scrub(text).split())
    sys.stderr.write(f"{name}: {line}\n")
    return status
