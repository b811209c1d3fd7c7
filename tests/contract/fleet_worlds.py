"""The fake fleet and the fleet in DynamoDB, with the mailbox beside each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from mayfly.adapters.dynamodb.attributes import decode
from mayfly.adapters.dynamodb.fleet import DynamoFleet
from mayfly.adapters.dynamodb.history import DynamoHistory
from mayfly.adapters.dynamodb.transactions import Tables
from mayfly.ports import Fleet, History
from mayfly.records.states import InstanceState
from mayfly_fakes import FakeFleet, FakeHistory, FakeMailbox
from mayfly_protocol.phases import Phase
from mayfly_protocol.report import Report
from tests.contract.sample_records import NOW, an_instance

ROW = "AROASAND:i-1"
ASSIGNMENT = {"protocol": 1, "job": "job-1", "policy": {"rules": ["fork=no"], "repository": None}}
LAUNCHING = an_instance(state=InstanceState.LAUNCHING, instance_id="i-1")


class World(Protocol):
    """The fleet and its history. `report` writes a mailbox row as a host does."""

    @property
    def fleet(self) -> Fleet: ...

    def history(self, page: int) -> History: ...

    def report(self, row: str) -> None: ...

    def assignment(self, row: str) -> Mapping[str, object] | None: ...


class FakeWorld:
    def __init__(self) -> None:
        self.mailbox = FakeMailbox()
        self.fleet = FakeFleet(self.mailbox)

    def history(self, page: int) -> History:
        return FakeHistory(self.fleet, page)

    def report(self, row: str) -> None:
        self.mailbox.report(row, Report(Phase.SANDBOXED, "boot-1"))

    def assignment(self, row: str) -> Mapping[str, object] | None:
        return self.mailbox.rows[row].assignment if row in self.mailbox.rows else None


class DynamoWorld:
    def __init__(self, client: Any) -> None:
        self.client = client
        self.fleet = DynamoFleet(client, Tables("fleet", "mailbox"), clock=lambda: NOW)

    def history(self, page: int) -> History:
        return DynamoHistory(self.client, "fleet", page)

    def report(self, row: str) -> None:
        self.client.put_item(
            TableName="mailbox", Item={"key": {"S": row}, "report": {"M": {"phase": {"S": "x"}}}}
        )

    def item(self, table: str, **key: str) -> Mapping[str, Any]:
        ((name, value),) = key.items()
        answer = self.client.get_item(TableName=table, Key={name: {"S": value}})
        return {name: decode(value) for name, value in answer.get("Item", {}).items()}

    def assignment(self, row: str) -> Mapping[str, object] | None:
        return self.item("mailbox", key=row).get("assignment")
