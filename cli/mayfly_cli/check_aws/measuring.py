"""Runs the trials of check-aws in an account, on a table and a role of its own."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from mayfly.adapters.aws.boto_errors import code_of
from mayfly_cli.account import Account, is_refusal, open_account
from mayfly_cli.check_aws.trials import Trial, table_policy, trials
from mayfly_cli.ends import WELL, WRONG, BrokenError

NAME = "mayfly-check-conditions"
"""Name of the table and of the role."""
_GONE = frozenset({"NoSuchEntity", "ResourceNotFoundException"})
_TRIES, _PAUSE = 30, 3.0


class Caller(Protocol):
    """The account with the trials' table and role."""

    def call(self, policy: str, operation: str, **request: Any) -> None:
        """Call DynamoDB as the role, with the rights of this policy only.

        Raises ClientError, as boto3 does.
        """


@dataclass(frozen=True, slots=True)
class Measured:
    """A trial and what IAM did with its request."""

    trial: Trial
    allowed: bool

    @property
    def word(self) -> str:
        """`held`, `broken`, or `known` where no policy of Mayfly depends on the answer."""
        if not self.trial.matters:
            return "known"
        return "held" if self.allowed is self.trial.allowed else "broken"

    @property
    def text(self) -> str:
        """The expectation, with IAM's answer where it matters for understanding the line."""
        answer = "yes" if self.allowed is self.trial.allowed else "no"
        if not self.trial.matters:
            return f"{self.trial.says}: {answer} (no policy of Mayfly depends on it)"
        return (
            self.trial.says if answer == "yes" else f"{self.trial.says}: no, {self.trial.matters}"
        )


def measure(caller: Caller, resource: str, table: str) -> Iterator[Measured]:
    """The trials' results, one after the other.

    Each policy is a session policy, which IAM applies at once, so that a denial is never a change
    of policy that has not spread yet.

    Raises:
        BrokenError: DynamoDB answers another error than a refusal.
    """
    for trial in trials(table):
        statement = {
            "Effect": "Allow",
            "Action": trial.action,
            "Resource": resource,
            **({"Condition": trial.condition} if trial.condition else {}),
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        try:
            caller.call(policy, trial.operation, **trial.request)
        except ClientError as error:
            if not is_refusal(error):
                raise BrokenError(f"{trial.operation}: {error}") from error
            yield Measured(trial, allowed=False)
        else:
            yield Measured(trial, allowed=True)


@dataclass(frozen=True, slots=True)
class RoleCaller:
    """Calls DynamoDB in an account, as the trials' role."""

    account: Account
    role: str
    """ARN of the role."""

    def call(self, policy: str, operation: str, **request: Any) -> None:
        """As in the protocol; a session for each call."""
        sts = self.account.client("sts")
        given = sts.assume_role(RoleArn=self.role, RoleSessionName=NAME, Policy=policy)
        keys = given["Credentials"]
        session = boto3.Session(
            keys["AccessKeyId"],
            keys["SecretAccessKey"],
            keys["SessionToken"],
            region_name=self.account.region,
        )
        client: Any = session.client("dynamodb")
        getattr(client, operation)(**request)


def run(region: str | None) -> int:
    """Measure in the account of the environment's credentials; prints a line for each trial.

    Returns the exit status.

    Raises:
        UsageError: the account cannot be opened.
        BrokenError: table and role cannot be made or deleted.
    """
    account = open_account(region)
    with _errors(), _table(account) as resource, _role(account, resource) as role:
        caller = RoleCaller(account, role)
        _until(lambda: _works(caller, resource))
        return report(measure(caller, resource, NAME))


def report(measured: Iterable[Measured]) -> int:
    """Print the results; 1 if one is broken, else 0."""
    counts = {"held": 0, "broken": 0, "known": 0}
    for each in measured:
        counts[each.word] += 1
        sys.stdout.write(f"{each.word:<8}{each.text}\n")
    sys.stdout.write(", ".join(f"{number} {word}" for word, number in counts.items()) + "\n")
    return WRONG if counts["broken"] else WELL


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise BrokenError(str(error)) from error


@contextlib.contextmanager
def _table(account: Account) -> Iterator[str]:
    """The ARN of an empty table; deleted at the end."""
    client = account.client("dynamodb")
    partition = account.caller.split(":")[1]
    roles = f"arn:{partition}:iam::{account.id}:role"
    table = f"arn:{partition}:dynamodb:{account.region}:{account.id}:table/{NAME}"
    policy = table_policy(table, f"{roles}/{NAME}", f"{roles}/mayfly/*")
    made = client.create_table(
        TableName=NAME,
        # With the table: a policy that is put later takes a while to hold for all requests.
        # Source: DynamoDB API reference, GetResourcePolicy.
        ResourcePolicy=json.dumps(policy),
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
    )
    try:
        client.get_waiter("table_exists").wait(TableName=NAME)
        yield made["TableDescription"]["TableArn"]
    finally:
        _ignoring_gone(lambda: client.delete_table(TableName=NAME))


@contextlib.contextmanager
def _role(account: Account, resource: str) -> Iterator[str]:
    """The ARN of a role with every right on the table, for this account; deleted at the end."""
    client = account.client("iam")
    partition = resource.split(":")[1]
    principal = {"AWS": f"arn:{partition}:iam::{account.id}:root"}
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
    right = {"Effect": "Allow", "Action": "dynamodb:*", "Resource": resource}
    made = client.create_role(RoleName=NAME, AssumeRolePolicyDocument=_document(trust))
    try:
        client.put_role_policy(RoleName=NAME, PolicyName=NAME, PolicyDocument=_document(right))
        yield made["Role"]["Arn"]
    finally:
        _ignoring_gone(lambda: client.delete_role_policy(RoleName=NAME, PolicyName=NAME))
        _ignoring_gone(lambda: client.delete_role(RoleName=NAME))


def _document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _works(caller: Caller, resource: str) -> bool:
    """Whether the role and its policy have spread: an unconditional read is allowed."""
    policy = _document({"Effect": "Allow", "Action": "dynamodb:*", "Resource": resource})
    try:
        caller.call(policy, "describe_table", TableName=NAME)
    except ClientError as error:
        if is_refusal(error):
            return False
        raise
    return True


def _until(holds: Callable[[], bool]) -> None:
    for _ in range(_TRIES):
        if holds():
            return
        time.sleep(_PAUSE)
    raise BrokenError(f"role {NAME} does not work after {_TRIES * _PAUSE:g} seconds")


def _ignoring_gone(call: Callable[[], Any]) -> None:
    try:
        call()
    except ClientError as error:
        if code_of(error) not in _GONE:
            raise
