"""The stack that a command asks: found by itself, or named."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from mayfly.adapters.dynamodb.fleet import DynamoFleet
from mayfly.adapters.dynamodb.history import DynamoHistory
from mayfly.adapters.dynamodb.transactions import Tables
from mayfly.ports import History
from mayfly_cli.account import QUICK, Account, is_refusal, open_account
from mayfly_cli.ends import UsageError
from mayfly_cli.operations.reading import Records
from mayfly_cli.operations.refusals import asking
from mayfly_cli.operations.rights import GRANTS, either
from mayfly_cli.operations.tuning import StackParameters


def wall_clock() -> datetime:
    """The time, in UTC: the only clock of the commands."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Connection:
    """One stack, ready to be asked."""

    stack: str
    account: Account
    records: Records
    parameters: StackParameters
    history: History
    """Closed records by time."""
    named: bool = False
    """Whether the caller named the stack: then commands to paste name the stack, too."""
    clock: Callable[[], datetime] = field(default=wall_clock)
    sleep: Callable[[float], None] = field(default=time.sleep)

    @property
    def region(self) -> str:
        """The region of the stack."""
        return self.account.region

    @property
    def suffix(self) -> str:
        """The option that a command to paste needs to reach the same stack."""
        return f" --stack {self.stack}" if self.named else ""

    def alarms(self) -> list[Mapping[str, Any]]:
        """The stack's alarms as CloudWatch shows them. Raises ClientError."""
        client = self.account.client("cloudwatch")
        # CloudFormation's names of alarms begin with the stack's name.
        pages = client.get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{self.stack}-")
        return [alarm for page in pages for alarm in page["MetricAlarms"]]


def connect(stack: str | None, region: str | None) -> Connection:
    """The named stack, or the only stack of the region, for which AWS is asked.

    Raises:
        UsageError: there are no credentials, or no stack, or several ones.
    """
    account = open_account(region, QUICK)
    name = stack or _only_stack(account)
    dynamodb = account.client("dynamodb")
    return Connection(
        stack=name,
        account=account,
        # No mailbox: the tool never reads the rows of instances, which hold tokens.
        records=DynamoFleet(dynamodb, Tables(f"{name}-fleet", mailbox="")),
        parameters=StackParameters(account.client("ssm"), name),
        history=DynamoHistory(dynamodb, f"{name}-fleet"),
        named=stack is not None,
    )


def _only_stack(account: Account) -> str:
    with asking("?"):
        try:
            found = account.client("dynamodb").get_paginator("list_tables").paginate()
            names = [name for page in found for name in page["TableNames"]]
        except ClientError as error:
            if is_refusal(error):
                policies = either(GRANTS["dynamodb:ListTables"])
                raise UsageError(
                    "you may not dynamodb:ListTables, by which the stack is found: give --stack, "
                    f"or MAYFLY_STACK; the stack's {policies} allows it"
                ) from error
            raise
    stacks = stacks_of(names)
    if not stacks:
        raise UsageError(
            f"there is no stack of Mayfly in {account.region}: --region names another region, "
            "--stack a stack"
        )
    if len(stacks) > 1:
        raise UsageError(
            f"there are several stacks in {account.region}: {', '.join(stacks)}; "
            "name one by --stack or MAYFLY_STACK"
        )
    return stacks[0]


def stacks_of(tables: Sequence[str]) -> list[str]:
    """The stacks of these tables: a stack has a table for records and a table for its instances."""
    names = [name.removesuffix("-fleet") for name in tables if name.endswith("-fleet")]
    return sorted(name for name in names if f"{name}-mailbox" in tables)
