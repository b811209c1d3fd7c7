"""Removes a stack or a queue: lists its resources, asks, deletes, and lists what is left."""

from __future__ import annotations

from dataclasses import dataclass

from mayfly.scrubbing import hide
from mayfly_cli.account import Account, open_account
from mayfly_cli.confirmation import confirmed
from mayfly_cli.endpoints import AGENT_ENDPOINT
from mayfly_cli.ends import WELL, WRONG, BrokenError
from mayfly_cli.findings import Unknown
from mayfly_cli.uninstall.inventory import Inventory, Scope
from mayfly_cli.uninstall.inventory_reader import InventoryReader
from mayfly_cli.uninstall.steps import Steps, tell


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command."""

    stack: str
    queue: str
    """Key of one queue; empty for the whole stack."""
    now: bool
    """Whether to go on without waiting for running jobs."""
    yes: bool
    """Whether to delete without confirmation."""
    region: str | None
    """None for the environment's region."""
    token_parameter: str | None
    """None for the stack's parameter."""
    agent_endpoint: str | None
    """None for the stack's endpoint."""


def run(options: Options) -> int:
    """Delete the stack or the queue. Returns the exit status: 0 if nothing is left, else 1.

    Raises:
        UsageError: the account cannot be opened, or there is no terminal for the confirmation.
        BrokenError: the confirmation was refused, or AWS refused a call.
    """
    scope = Scope(options.stack, options.queue)
    account = open_account(options.region)
    reader = InventoryReader(account)
    inventory = reader.read(scope)
    parameter = options.token_parameter or inventory.token_parameter
    steps = Steps(account, scope)
    if inventory.is_empty(scope):
        tell(f"nothing of {scope.name} is in {account.id}, {account.region}")
    else:
        _show(inventory, scope, account)
        if not options.yes:
            _confirm(scope)
    # The token is read first: only the stack knows its parameter, and the stack is deleted below.
    token = "" if scope.queue else _token(account, parameter)
    endpoint = options.agent_endpoint or inventory.agent_endpoint or AGENT_ENDPOINT
    if not inventory.is_empty(scope):
        _delete(steps, inventory, now=options.now)
    outcome = "" if scope.queue else steps.deregister(token, endpoint)
    return _report(reader.read(scope), scope, outcome, parameter)


def _delete(steps: Steps, inventory: Inventory, *, now: bool) -> None:
    scope, reader = steps.scope, InventoryReader(steps.account)
    own = inventory.own_stacks(scope)
    if inventory.control or inventory.instances:
        steps.pause(inventory)
        if not now:
            steps.wait_for_jobs(inventory)
    steps.forget_queues(inventory)
    steps.terminate()
    for each in own:
        steps.delete_stack(each.name)
    if not scope.queue:
        steps.delete_stack(scope.stack)
        # A tick that ran during the deletion may have launched more instances.
        steps.terminate()
    steps.delete_leftovers(reader.read(scope))


def _show(inventory: Inventory, scope: Scope, account: Account) -> None:
    lines = list(inventory.lines(scope))
    tell(f"{scope.name} in {account.id}, {account.region}; to be deleted:")
    for line in lines:
        tell(f"  {line}")


def _confirm(scope: Scope) -> None:
    if not confirmed(scope.queue or scope.stack, "delete all of that"):
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


def _report(left: Inventory, scope: Scope, outcome: str, parameter: str) -> int:
    if outcome:
        tell(outcome)
    remains = list(left.lines(scope))
    for line in remains:
        tell(f"left: {line}")
    if not scope.queue:
        tell(
            f"kept: the token parameter {parameter} (aws ssm delete-parameter --name {parameter}),"
        )
        tell("  the uploads of `sam deploy`, and for 35 days DynamoDB's own last backup")
    if remains or outcome.startswith("not deregistered"):
        tell("something is left: repair what is listed above, then run this again")
        return WRONG
    tell(f"nothing of {scope.name} is left")
    return WELL
