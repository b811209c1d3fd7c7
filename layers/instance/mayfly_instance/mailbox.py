"""The one database row that this instance may write, and what it writes there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mayfly_instance.host import PROTOCOL
from mayfly_instance.seams import Cloud
from mayfly_instance.sigv4 import Credentials

LARGEST = 4096
"""Bytes of a report, as JSON."""


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

    def send(self, credentials: Credentials, report: Mapping[str, Any]) -> None:
        """Write the report, whole and in place of the former one."""
        self.cloud.set_attribute(credentials, self.table, self.key, "report", fitted(report))

    def look(self, credentials: Credentials) -> Letter:
        """What lies in the row now. Only sandbox credentials may read."""
        found = self.cloud.item(credentials, self.table, self.key) or {}
        notice = found.get("notice")
        return Letter(found.get("assignment"), notice if isinstance(notice, str) else None)


def fitted(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report with its protocol, without what is empty, in at most 4 KB.

    The words are cut first, from the front, for the end of an output says why it failed; then the
    reason, from its end.
    """
    kept = {"protocol": PROTOCOL, **report}
    kept = {name: value for name, value in kept.items() if value is not None and value != ""}
    for name, last in (("words", True), ("reason", False)):
        if _size(kept) > LARGEST and name in kept:
            text = str(kept[name])
            # An ASCII character takes one byte as JSON, others up to twelve.
            while text and _size({**kept, name: text}) > LARGEST:
                cut = max(1, (_size({**kept, name: text}) - LARGEST) // 12)
                text = text[cut:] if last else text[:-cut]
            kept[name] = text
    return kept


def _size(report: Mapping[str, Any]) -> int:
    return len(json.dumps(report))
