"""The one database row that this instance may write, and what it writes there."""

from __future__ import annotations

from dataclasses import dataclass

from mayfly_instance.seams import Cloud
from mayfly_instance.sigv4 import Credentials
from mayfly_protocol.report import Report, to_row


@dataclass(frozen=True)
class Letter:
    """What the control plane has put into the row."""

    assignment: object = None
    """As it stands there, unchecked."""
    notice: str | None = None


@dataclass(frozen=True)
class Mailbox:
    """One row of the mailbox table. Both methods raise AwsError."""

    cloud: Cloud
    table: str
    key: str

    def send(self, credentials: Credentials, report: Report) -> None:
        """Write the report, whole and in place of the former one."""
        self.cloud.set_attribute(credentials, self.table, self.key, "report", to_row(report))

    def look(self, credentials: Credentials) -> Letter:
        """What lies in the row now. Only sandbox credentials may read."""
        found = self.cloud.item(credentials, self.table, self.key) or {}
        notice = found.get("notice")
        return Letter(found.get("assignment"), notice if isinstance(notice, str) else None)
