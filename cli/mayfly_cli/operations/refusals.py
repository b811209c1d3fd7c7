"""Errors of AWS as one line for a person: what could not be asked, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from botocore.exceptions import BotoCoreError, ClientError

from mayfly.adapters.aws.boto_errors import code_of, translate
from mayfly.errors import MayflyError, Transient
from mayfly_cli.account import CREDENTIALS, is_refusal
from mayfly_cli.ends import UsageError
from mayfly_cli.operations.rights import GRANTS, WRITES, how_to_get

_ACTION = re.compile(r"not authorized to perform: ([a-z0-9-]+:[A-Za-z]+)")
_TABLE_READS = frozenset({"BatchGetItem", "GetItem", "Query"})


@contextmanager
def asking(stack: str) -> Iterator[None]:
    """Raise errors of AWS from the block inside as UsageError: the command could not ask."""
    try:
        yield
    except (ClientError, BotoCoreError, MayflyError) as error:
        raise UsageError(why_not_asked(error, stack)) from error


def why_not_asked(error: BaseException, stack: str) -> str:
    """The line for an error of boto3, or for the MayflyError that an adapter raised from one."""
    asked = error.__cause__ if isinstance(error, MayflyError) else error
    if not isinstance(asked, ClientError):
        return _without_answer(error)
    code, message = code_of(asked), str(asked.response.get("Error", {}).get("Message", ""))
    if is_refusal(asked):
        return how_to_get(_action(asked, message), message, stack)
    if code in CREDENTIALS:
        return f"AWS refuses these credentials ({code}): log in again"
    if code == "ResourceNotFoundException" and asked.operation_name in _TABLE_READS:
        return (
            f"there is no stack {stack} here, for there is no table {stack}-fleet: "
            "--stack and --region name another"
        )
    if code == "ResourceNotFoundException" and asked.operation_name == "FilterLogEvents":
        return (
            f"a log group of the stack {stack} does not exist: {_older(stack, 'its functions')}, "
            "or the stack is being deleted"
        )
    if code == "ValidationError" and asked.operation_name == "DescribeStacks":
        return f"CloudFormation has no stack {stack}, though its tables exist: it is being deleted"
    if code == "ValidationException" and "index" in message:
        return _older(stack, message.rstrip("."))
    if isinstance(translate(asked), Transient):
        times = _attempts(asked)
        return f"AWS answers {code} to {asked.operation_name}{times}: try again in a moment"
    return f"AWS answers {code} to {asked.operation_name}: {message}"


def _older(stack: str, what: str) -> str:
    """What to deploy, for a stack that lacks what this tool reads."""
    return (
        f"the stack {stack} is of an older version than this tool, mayfly {version('mayfly')} "
        f"({what}): deploy this version, or use the tool of the checkout that was deployed"
    )


def _attempts(error: ClientError) -> str:
    """How often the call was sent; empty for once."""
    retries = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)
    return f", {retries + 1} times in a row" if retries else ""


def _without_answer(error: BaseException) -> str:
    if isinstance(error, MayflyError) and not isinstance(error.__cause__, BotoCoreError):
        return str(error)
    return f"AWS cannot be asked: {error}"


def _action(error: ClientError, message: str) -> str:
    """The action that AWS names; of a message without one, the operation with its service."""
    found = _ACTION.search(message)
    if found is not None:
        return found[1]
    known = (*GRANTS, *WRITES)
    named = (each for each in known if each.partition(":")[2] == error.operation_name)
    return next(named, error.operation_name)
