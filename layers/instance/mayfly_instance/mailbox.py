"""The instance's rows of the mailbox table: its own, its spot notice's, its order's to start."""

from __future__ import annotations

from dataclasses import dataclass, field

from mayfly_instance.ports import Cloud
from mayfly_instance.sigv4 import Credentials
from mayfly_protocol.report import Report, to_row
from mayfly_protocol.rows import notice_row, start_row


@dataclass(frozen=True)
class Letter:
    """What the control plane writes into the instance's own row."""

    assignment: object = field(default=None, repr=False)
    """The assignment with its token, unchecked; None without one."""


@dataclass(frozen=True)
class Mailbox:
    """The rows of one instance in the mailbox table. All methods raise AwsError.

    Only sandbox credentials may read, and no credentials of an instance may write its notice or
    its order.
    """

    cloud: Cloud
    table: str
    key: str
    """Of the instance's own row."""

    def send(self, credentials: Credentials, report: Report) -> None:
        """Write the report over the previous one."""
        self.cloud.set_attribute(credentials, self.table, self.key, "report", to_row(report))

    def read(self, credentials: Credentials) -> Letter:
        """What the control plane has written into the instance's own row."""
        found = self.cloud.item(credentials, self.table, self.key) or {}
        return Letter(found.get("assignment"))

    def notice(self, credentials: Credentials) -> str | None:
        """The spot notice; None without one."""
        found = self.cloud.item(credentials, self.table, notice_row(self.key)) or {}
        notice = found.get("notice")
        return notice if isinstance(notice, str) else None

    def order(self, credentials: Credentials) -> object:
        """The order to start this instance, unchecked; None without one. The newest one."""
        row = start_row(self.key)
        found = self.cloud.item(credentials, self.table, row, consistent=True) or {}
        return found.get("order")
