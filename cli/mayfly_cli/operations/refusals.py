"""Errors of AWS as one line for a person: what could not be asked, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from mayfly.adapters.aws.boto_errors import code_of, translate
from mayfly.errors import MayflyError, Transient
from mayfly_cli.account import is_refusal
from mayfly_cli.ends import UsageError

_ACTION = re.compile(r"not authorized to perform: ([a-z0-9-]+:[A-Za-z]+)")
_CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)


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
        return (
            f"you may not {_action(asked, message)}: the stack's policies for people allow it "
            f"(outputs of the stack {stack}: ViewersPolicy, OperatorsPolicy, SecurityOwnersPolicy)"
        )
    if code in _CREDENTIALS:
        return f"AWS refuses these credentials ({code}): log in again"
    if code == "ResourceNotFoundException" and asked.operation_name in {"GetItem", "Query"}:
        return (
            f"there is no stack {stack} here, for there is no table {stack}-fleet: "
            "--stack and --region name another"
        )
    if code == "ValidationException" and "index" in message:
        return (
            f"the stack {stack} is of an older version than this tool ({message.rstrip('.')}): "
            "deploy the version of this checkout, or use the stack's own checkout"
        )
    if isinstance(translate(asked), Transient):
        return f"AWS answers {code} to {asked.operation_name}: try again in a moment"
    return f"AWS answers {code} to {asked.operation_name}: {message}"


def _without_answer(error: BaseException) -> str:
    if isinstance(error, MayflyError) and not isinstance(error.__cause__, BotoCoreError):
        return str(error)
    return f"AWS cannot be asked: {error}"


def _action(error: ClientError, message: str) -> str:
    found = _ACTION.search(message)
    return found[1] if found else error.operation_name
