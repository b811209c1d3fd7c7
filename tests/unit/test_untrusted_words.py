"""Words of hosts and consoles are scrubbed where they are read, before any decision cuts them."""

from __future__ import annotations

from mayfly.adapters.aws.ec2 import Ec2Machines
from mayfly.adapters.dynamodb.attributes import encode
from mayfly.adapters.dynamodb.mailbox import DynamoMailbox
from mayfly.reap.consoles import failure
from mayfly.records.brakes import failed_boot
from mayfly.records.model import move_instance
from mayfly.records.states import InstanceState
from mayfly_protocol.phases import Phase
from mayfly_protocol.report import Report, to_row
from tests.unit.builders import NOW, an_instance

KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
"""A secret access key: only its 40 characters mark it, so a key that was cut has no mark."""


def test_a_hosts_reason_keeps_no_part_of_a_secret_in_the_note_of_its_boot() -> None:
    reason = f"{'no ' * 85}{KEY}"
    report = to_row(Report(Phase.FAILED, "boot", reason=reason, words=f"key {KEY}", step=KEY))
    rows: list[object] = [{"key": {"S": "AROA:i-1"}, "report": encode(report)}]
    mailbox = DynamoMailbox(Table(rows), "mailbox")  # type: ignore[arg-type]  # a fake
    (read,) = mailbox.reports(["AROA:i-1"]).values()
    assert KEY not in repr(read)
    booting = an_instance(InstanceState.BOOTING)
    condemned = move_instance(booting, InstanceState.CONDEMNED, NOW, read.reason)
    (note,) = failed_boot(booting, condemned)
    assert KEY[:8] not in note.boot.cause


def test_a_line_of_a_console_keeps_no_part_of_a_secret() -> None:
    said = f"mayfly 1 FAILED: {'no ' * 126}{KEY}\r\n"
    console = Ec2Machines(Console(said), "ci").console("i-1")  # type: ignore[arg-type]  # a fake
    assert failure(console).startswith("no no")
    assert KEY[:8] not in failure(console)


class Table:
    """A DynamoDB client with one table of a few rows."""

    def __init__(self, rows: list[object]) -> None:
        self._rows = rows

    def batch_get_item(self, **_: object) -> dict[str, object]:
        return {"Responses": {"mailbox": self._rows}, "UnprocessedKeys": {}}


class Console:
    """An EC2 client with one console."""

    class exceptions:  # noqa: N801 - boto3's name
        ClientError = RuntimeError

    def __init__(self, output: str) -> None:
        self._output = output

    def get_console_output(self, **_: object) -> dict[str, str]:
        return {"Output": self._output}
