"""The promises of `mayfly.ports.Mailbox`, held by the fake and by DynamoDB alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import pytest

from mayfly.adapters.dynamodb.attributes import decode, encode
from mayfly.adapters.dynamodb.mailbox import DynamoMailbox
from mayfly.ports import Mailbox
from mayfly_fakes import FakeMailbox
from mayfly_protocol import PROTOCOL
from mayfly_protocol import report as protocol
from mayfly_protocol.order import Order, parse
from mayfly_protocol.phases import Phase
from mayfly_protocol.report import Report
from mayfly_protocol.rows import notice_row, start_row

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
ROW = "AROASAND:i-1"
REPORT = Report(
    phase=Phase.DONE,
    boot="0f3b",
    at=NOW,
    step="agent",
    job="6a1e",
    exit=-1,
    reason="lost",
    words="last line\nno newline: é",
    agent="3.83.1",
    notice="2026-11-20T09:32:00Z",
    start=3,
)


class World(Protocol):
    """The mailbox; `report` writes a row as an instance does, `noticed` reads a notice so."""

    @property
    def mailbox(self) -> Mailbox: ...

    def report(self, row: str, report: Report) -> None: ...

    def noticed(self, row: str) -> str | None: ...

    def ordered(self, row: str) -> object: ...


class FakeWorld:
    def __init__(self) -> None:
        self.mailbox = FakeMailbox()

    def report(self, row: str, report: Report) -> None:
        self.mailbox.report(row, report)

    def noticed(self, row: str) -> str | None:
        told = self.mailbox.rows.get(notice_row(row))
        return told.notice if told else None

    def ordered(self, row: str) -> object:
        told = self.mailbox.rows.get(start_row(row))
        return told.order if told else None


class DynamoWorld:
    def __init__(self, client: Any) -> None:
        self.client = client
        self.mailbox = DynamoMailbox(client, "mailbox")

    def write(self, row: str, report: object) -> None:
        """Write as a host does: UpdateItem of the attribute `report` alone."""
        self.client.update_item(
            TableName="mailbox",
            Key={"key": {"S": row}},
            UpdateExpression="SET report = :report",
            ExpressionAttributeValues={":report": encode(report)},
        )

    def report(self, row: str, report: Report) -> None:
        self.write(row, written(report))

    def item(self, row: str) -> Mapping[str, Any]:
        item = self.client.get_item(TableName="mailbox", Key={"key": {"S": row}}).get("Item", {})
        return {name: decode(value) for name, value in item.items()}

    def noticed(self, row: str) -> str | None:
        return self.item(notice_row(row)).get("notice")

    def ordered(self, row: str) -> object:
        return self.item(start_row(row)).get("order")


def written(report: Report, **changes: object) -> dict[str, object]:
    """The report as a host writes it: a map without empty values, here with `changes`."""
    named = {**protocol.to_row(report), **changes}
    return {name: value for name, value in named.items() if value not in (None, "")}


@pytest.fixture
def dynamo(
    aws: None,
    client_of: Callable[[str], Any],
    table_definitions: Mapping[str, dict[str, Any]],
) -> Iterator[DynamoWorld]:
    client = client_of("dynamodb")
    client.create_table(TableName="mailbox", **table_definitions["MailboxTable"])
    yield DynamoWorld(client)
    client.delete_table(TableName="mailbox")


@pytest.fixture(params=["fake", "dynamodb"])
def world(request: pytest.FixtureRequest) -> World:
    return FakeWorld() if request.param == "fake" else request.getfixturevalue("dynamo")


@pytest.mark.parametrize("report", [REPORT, Report(phase=Phase.SANDBOXED, boot="0f3b")])
def test_a_report_is_read_as_it_was_written(world: World, report: Report) -> None:
    world.report(ROW, report)
    assert world.mailbox.reports([ROW]) == {ROW: report}


def test_a_later_report_replaces_the_earlier_one(world: World) -> None:
    world.report(ROW, REPORT)
    world.report(ROW, Report(phase=Phase.FAILED, boot="0f3b"))
    assert world.mailbox.reports([ROW])[ROW] == Report(phase=Phase.FAILED, boot="0f3b")


def test_rows_without_report_are_omitted(world: World) -> None:
    world.report(ROW, REPORT)
    world.mailbox.notice("AROASAND:i-2", "2026-11-20T09:32:00Z", NOW)
    rows = [ROW, ROW, "AROASAND:i-2", "AROASAND:i-3"]
    assert list(world.mailbox.reports(rows)) == [ROW]
    assert world.mailbox.reports([]) == {}


def test_many_mailbox_rows_are_read_at_once(world: World) -> None:
    rows = [f"AROASAND:i-{number}" for number in range(230)]
    for row in rows:
        world.report(row, Report(phase=Phase.SANDBOXED, boot=row))
    reports = world.mailbox.reports(rows)
    assert {row: report.boot for row, report in reports.items()} == {row: row for row in rows}


def test_a_repeated_notice_stands_beside_the_report(world: World) -> None:
    world.report(ROW, REPORT)
    world.mailbox.notice(ROW, "2026-11-20T09:32:00Z", NOW)
    world.mailbox.notice(ROW, "2026-11-20T09:32:00Z", NOW)
    assert world.noticed(ROW) == "2026-11-20T09:32:00Z"
    assert world.mailbox.reports([ROW]) == {ROW: REPORT}


def test_a_removed_row_leaves_no_notice(world: World) -> None:
    for row in (ROW, "AROASAND:i-2"):
        world.mailbox.notice(row, "2026-11-20T09:32:00Z", NOW)
    world.mailbox.remove([ROW])
    assert world.noticed(ROW) is None
    assert world.noticed("AROASAND:i-2") == "2026-11-20T09:32:00Z"


def test_a_later_order_replaces_the_earlier_one_beside_the_report(world: World) -> None:
    world.report(ROW, REPORT)
    for number in (1, 2):
        world.mailbox.order(ROW, Order(number, NOW + timedelta(minutes=5)))
    read = parse(world.ordered(ROW), NOW, used=1)
    assert read == Order(2, NOW + timedelta(minutes=5))
    assert world.mailbox.reports([ROW]) == {ROW: REPORT}


def test_a_removed_row_leaves_no_order(world: World) -> None:
    for row in (ROW, "AROASAND:i-2"):
        world.mailbox.order(row, Order(1, NOW))
    world.mailbox.remove([ROW])
    assert world.ordered(ROW) is None
    assert world.ordered("AROASAND:i-2") is not None


def test_removing_rows_leaves_the_other_rows(world: World) -> None:
    rows = [f"AROASAND:i-{number}" for number in range(60)]
    for row in rows:
        world.report(row, REPORT)
    world.mailbox.remove([*rows[1:], rows[1], "AROASAND:never"])
    assert list(world.mailbox.reports(rows)) == rows[:1]
    world.mailbox.remove([])


@pytest.mark.parametrize(
    "report",
    [
        written(REPORT, protocol=2),
        written(REPORT, phase="rich"),
        written(REPORT, boot=""),
        written(REPORT, exit="0"),
        written(REPORT, at="yesterday"),
        written(REPORT, at="2026-11-20T09:30:00"),
        written(REPORT, words=["a", "list"]),
        written(REPORT, words="x" * 4096),
        written(REPORT, extra={"deep": "x" * 5000}),
        "sandboxed",
        ["sandboxed"],
        None,
    ],
)
def test_an_unreadable_report_is_omitted_and_logged(
    dynamo: DynamoWorld, caplog: pytest.LogCaptureFixture, report: object
) -> None:
    dynamo.report("AROASAND:i-2", REPORT)
    dynamo.write(ROW, report)
    assert dynamo.mailbox.reports([ROW, "AROASAND:i-2"]) == {"AROASAND:i-2": REPORT}
    assert f"unreadable report in {ROW}" in caplog.text
    assert "xxxx" not in caplog.text


def test_a_report_with_binary_attributes_is_omitted(dynamo: DynamoWorld) -> None:
    dynamo.client.put_item(
        TableName="mailbox", Item={"key": {"S": ROW}, "report": {"M": {"phase": {"B": b"done"}}}}
    )
    assert dynamo.mailbox.reports([ROW]) == {}


def test_unknown_fields_of_a_report_are_ignored(dynamo: DynamoWorld) -> None:
    dynamo.write(ROW, written(REPORT, weather="fine"))
    assert dynamo.mailbox.reports([ROW]) == {ROW: REPORT}


def test_an_order_has_an_expiring_row_of_its_own(dynamo: DynamoWorld) -> None:
    dynamo.report(ROW, REPORT)
    dynamo.mailbox.order(ROW, Order(1, NOW))
    assert dynamo.item(ROW).keys() == {"key", "report"}
    key, expires = f"start/{ROW}", int(NOW.timestamp())
    order = {"protocol": PROTOCOL, "number": 1, "expires": expires}
    assert dynamo.item(key) == {"key": key, "order": order, "expires": expires}


def test_a_notice_has_an_expiring_row_of_its_own(dynamo: DynamoWorld) -> None:
    dynamo.report(ROW, REPORT)
    dynamo.mailbox.notice(ROW, "soon", NOW)
    assert dynamo.item(ROW).keys() == {"key", "report"}
    key = f"notice/{ROW}"
    assert dynamo.item(key) == {"key": key, "notice": "soon", "expires": int(NOW.timestamp())}
