"""The one table row that this instance may write: its report, assignment and spot notice."""

from __future__ import annotations

from dataclasses import dataclass, field

from mayfly_instance.ports import Cloud
from mayfly_instance.sigv4 import Credentials
from mayfly_protocol.report import Report, to_row


@dataclass(frozen=True)
class Letter:
    """The control plane's attributes of the row."""

    assignment: object = field(default=None, repr=False)
    """The assignment with its token, unchecked; None without one."""
    notice: str | None = None
    """The spot notice; None without one."""


@dataclass(frozen=True)
class Mailbox:
    """One row of the mailbox table. Both methods raise AwsError."""

    cloud: Cloud
    table: str
    key: str

    def send(self, credentials: Credentials, report: Report) -> None:
        """Write the report over the previous one."""
        self.cloud.set_attribute(credentials, self.table, self.key, "report", to_row(report))

    def read(self, credentials: Credentials) -> Letter:
        """The row's assignment and notice. Only sandbox credentials may read the row."""
        found = self.cloud.item(credentials, self.table, self.key) or {}
        notice = found.get("notice")
        return Letter(found.get("assignment"), notice if isinstance(notice, str) else None)
