"""The command `uninstall`."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence

from mayfly.scrubbing import hide
from mayfly_cli.account import Account, open_account
from mayfly_cli.buildkite import AGENT_ENDPOINT, checked_address
from mayfly_cli.ends import WELL, WRONG, BrokenError, UsageError, ended, parser
from mayfly_cli.findings import Unknown
from mayfly_cli.uninstall.found import TOKEN_PARAMETER, Found, Scope
from mayfly_cli.uninstall.looking import Looker
from mayfly_cli.uninstall.steps import Steps, tell

NAME = "uninstall"
_ABOUT = """\
Takes a stack, or one of its queues, away: pauses, waits for running jobs, terminates instances,
deletes CloudFormation stacks and everything that they leave, and gives the stack's key back to
Buildkite. It shows what it will delete and asks. After an interruption, run it again."""
_EPILOG = """\
  scripts/uninstall --region eu-central-1                   all of the stack mayfly
  scripts/uninstall --region eu-central-1 --queue deploy    one queue, the others go on

The token parameter is never deleted. Exit status: 0 nothing is left, 1 something is, 2 it could
not begin."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; returns the exit status."""
    return ended(NAME, _uninstall, sys.argv[1:] if arguments is None else arguments)


def _uninstall(arguments: Sequence[str]) -> int:
    chosen = _parser().parse_args(arguments)
    scope = Scope(chosen.stack, chosen.queue)
    for name, form in (
        (scope.stack, "[A-Za-z][A-Za-z0-9-]{0,50}"),
        (scope.queue, "[A-Za-z0-9_-]*"),
    ):
        if not re.fullmatch(form, name):
            raise UsageError(f"{name!r} is not the name of a stack or the key of a queue")
    if chosen.agent_endpoint:  # it is called last, when nothing could be taken back
        checked_address(chosen.agent_endpoint, AGENT_ENDPOINT)
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


def _parser() -> argparse.ArgumentParser:
    made = parser(NAME, _ABOUT, _EPILOG)
    made.add_argument("--stack", default="mayfly", help="name of the stack (default: mayfly)")
    made.add_argument("--queue", metavar="KEY", default="", help="only this queue")
    made.add_argument("--now", action="store_true", help="do not wait for running jobs")
    made.add_argument("--yes", action="store_true", help="do not ask")
    made.add_argument("--region", help="AWS region (default: that of the environment)")
    made.add_argument(
        "--token-parameter",
        metavar="NAME",
        help=f"where the agent token is, once the stack is gone (default: {TOKEN_PARAMETER})",
    )
    made.add_argument("--agent-endpoint", metavar="URL", help="Buildkite's agent API")
    return made
