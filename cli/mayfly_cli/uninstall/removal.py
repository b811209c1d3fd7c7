"""The way from a stack or a queue to nothing: shown, asked for, taken away, looked at again."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from mayfly.scrubbing import hide
from mayfly_cli.account import Account, open_account
from mayfly_cli.endpoints import AGENT_ENDPOINT
from mayfly_cli.ends import WELL, WRONG, BrokenError, UsageError
from mayfly_cli.findings import Unknown
from mayfly_cli.uninstall.found import Found, Scope
from mayfly_cli.uninstall.looking import Looker
from mayfly_cli.uninstall.steps import Steps, tell


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is to go, and how."""

    stack: str
    queue: str
    """One queue; empty for all of the stack."""
    now: bool
    """Whether running jobs are not waited for."""
    yes: bool
    """Whether nobody is asked."""
    region: str | None
    """None for that of the environment."""
    token_parameter: str | None
    """None for the one that the stack names."""
    agent_endpoint: str | None
    """None for the one that the stack names."""


def run(chosen: Chosen) -> int:
    """Take the stack or the queue away; the exit status.

    Raises:
        UsageError: no account can be opened, or nobody can be asked.
        BrokenError: the answer was no, or AWS does not let it go on.
    """
    scope = Scope(chosen.stack, chosen.queue)
    account = open_account(chosen.region)
    looker = Looker(account)
    found = looker.look(scope)
    parameter = chosen.token_parameter or found.token_parameter
    steps = Steps(account, scope)
    if found.nothing(scope):
        tell(f"nothing of {scope.name} is in {account.id}, {account.region}")
    else:
        _show(found, scope, account)
        if not chosen.yes:
            _ask(scope)
    # Read before the stack that says where it is has gone.
    token = "" if scope.queue else _token(account, parameter)
    endpoint = chosen.agent_endpoint or found.agent_endpoint or AGENT_ENDPOINT
    if not found.nothing(scope):
        _take_away(steps, found, now=chosen.now)
    outcome = "" if scope.queue else steps.deregister(token, endpoint)
    return _conclude(looker.look(scope), scope, outcome, parameter)


def _take_away(steps: Steps, found: Found, *, now: bool) -> None:
    scope, looker = steps.scope, Looker(steps.account)
    own = found.own_stacks(scope)
    if found.control or found.instances:
        steps.pause(found)
        if not now:
            steps.wait_for_jobs(found)
    steps.forget_queues(found)
    steps.terminate()
    for each in own:
        steps.delete_stack(each.name)
    if not scope.queue:
        steps.delete_stack(scope.stack)
        # A tick that was under way may have launched once more.
        steps.terminate()
    steps.sweep(looker.look(scope))


def _show(found: Found, scope: Scope, account: Account) -> None:
    lines = list(found.lines(scope))
    tell(f"{scope.name} in {account.id}, {account.region}; to be deleted:")
    for line in lines:
        tell(f"  {line}")


def _ask(scope: Scope) -> None:
    wanted = scope.queue or scope.stack
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked here: give --yes to delete all of that")
    sys.stdout.write(f"type {wanted} to delete all of that: ")
    sys.stdout.flush()
    if sys.stdin.readline().strip() != wanted:
        raise BrokenError("nothing was deleted")


def _token(account: Account, name: str) -> str:
    given = account.ask(
        "ssm", "get_parameter", ("ParameterNotFound",), Name=name, WithDecryption=True
    )
    if given is None or isinstance(given, Unknown):
        return ""
    token = str(given["Parameter"]["Value"]).strip()
    hide(token)
    return token


def _conclude(left: Found, scope: Scope, outcome: str, parameter: str) -> int:
    if outcome:
        tell(outcome)
    remains = list(left.lines(scope))
    for line in remains:
        tell(f"left: {line}")
    if not scope.queue:
        tell(
            f"kept: the token parameter {parameter} (aws ssm delete-parameter --name {parameter}),"
        )
        tell(
            "  what `sam deploy` uploaded to its bucket, and for 35 days DynamoDB's own last backup"
        )
    if remains or outcome.startswith("not deregistered"):
        tell("not all is gone: mend what stands above, then run this again")
        return WRONG
    tell(f"nothing of {scope.name} is left")
    return WELL
