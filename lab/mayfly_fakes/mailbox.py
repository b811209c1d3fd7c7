"""The Mailbox table in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from mayfly_fakes.faults import Faults
from mayfly_protocol.order import Order, to_row
from mayfly_protocol.report import Report
from mayfly_protocol.rows import notice_row, start_row


@dataclass(slots=True)
class MailboxRow:
    """One row of the table."""

    report: Report | None = None
    assignment: Mapping[str, object] | None = None
    notice: str | None = None
    order: Mapping[str, object] | None = None
    """The order to start, in the form that the host reads."""
    expires: datetime | None = None


class FakeMailbox(Faults):
    """Implements `mayfly.ports.Mailbox`; hosts read `rows`, FakeFleet writes assignments there."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, MailboxRow] = {}

    def report(self, row: str, report: Report) -> None:
        """Replace the report of a row as its instance does; other attributes of the row stay."""
        self.rows.setdefault(row, MailboxRow()).report = report

    def reports(self, rows: Iterable[str]) -> Mapping[str, Report]:
        """See `mayfly.ports.Mailbox`."""
        with self._call("reports"):
            return {key: row.report for key in rows if (row := self.rows.get(key)) and row.report}

    def notice(self, row: str, text: str, expires: datetime) -> None:
        """See `mayfly.ports.Mailbox`."""
        with self._call("notice"):
            told = self.rows.setdefault(notice_row(row), MailboxRow())
            told.notice, told.expires = text, expires

    def order(self, row: str, order: Order) -> None:
        """See `mayfly.ports.Mailbox`."""
        with self._call("order"):
            told = self.rows.setdefault(start_row(row), MailboxRow())
            told.order, told.expires = to_row(order), order.expires

    def remove(self, rows: Collection[str]) -> None:
        """See `mayfly.ports.Mailbox`."""
        with self._call("remove"):
            for row in rows:
                self.rows.pop(row, None)
                self.rows.pop(notice_row(row), None)
                self.rows.pop(start_row(row), None)
