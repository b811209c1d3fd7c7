"""Parses the arguments of a command inside a job; flags may come before and after the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from .client import Client
from .options import UsageError

_GLOBAL_SWITCHES = frozenset({"no-color", "debug", "debug-http", "no-http2"})
_GLOBAL_FLAGS = frozenset({"log-level", "endpoint", "agent-access-token"})


@dataclass(frozen=True)
class Arguments:
    """Parsed arguments: positional ones in `rest`, flags and switches in `flags`."""

    rest: tuple[str, ...]
    flags: Mapping[str, str]

    def on(self, name: str) -> bool:
        """Whether a switch was given."""
        return self.flags.get(name, "false") not in {"false", "0"}

    def get(self, name: str, default: str = "") -> str:
        """A flag's value; `default` when it is missing or empty."""
        return self.flags.get(name) or default


def parse(
    command: str,
    given: Sequence[str],
    *,
    flags: Collection[str] = (),
    switches: Collection[str] = (),
    most: int = 1,
) -> Arguments:
    """Parse the arguments of `command`, with at most `most` positional ones.

    Raises:
        UsageError: an unknown flag, a flag without its value, or too many arguments.
    """
    rest: list[str] = []
    known: dict[str, str] = {}
    following = iter(given)
    for argument in following:
        if not argument.startswith("-") or argument == "-":
            rest.append(argument)
            continue
        name, equals, value = argument.lstrip("-").partition("=")
        if name in _GLOBAL_SWITCHES or name in switches:
            known[name] = value if equals else "true"
        elif name not in _GLOBAL_FLAGS and name not in flags:
            raise UsageError(f"this is a stand-in: its `{command}` has no flag --{name}")
        else:
            known[name] = value if equals else _value(name, next(following, None))
    if len(rest) > most:
        raise UsageError(f"{command} takes at most {most} arguments")
    return Arguments(tuple(rest), known)


def client(arguments: Arguments, environ: Mapping[str, str]) -> Client:
    """A client with the job's token.

    Raises:
        UsageError: the endpoint or the token is missing: the process runs outside a job.
    """
    endpoint = arguments.get("endpoint", environ.get("BUILDKITE_AGENT_ENDPOINT", ""))
    token = arguments.get("agent-access-token", environ.get("BUILDKITE_AGENT_ACCESS_TOKEN", ""))
    for name, value in (("endpoint", endpoint), ("agent-access-token", token)):
        if not value:
            raise UsageError(f"Missing {name}: this command runs inside a job")
    return Client(endpoint, token)


def required(arguments: Arguments, flag: str, environ: Mapping[str, str], variable: str) -> str:
    """A flag's value, or else a variable's of the job.

    Raises:
        UsageError: both are missing.
    """
    value = arguments.get(flag, environ.get(variable, ""))
    if not value:
        raise UsageError(f"Missing {flag}")
    return value


def _value(name: str, value: str | None) -> str:
    if value is None:
        raise UsageError(f"flag needs an argument: -{name}")
    return value
