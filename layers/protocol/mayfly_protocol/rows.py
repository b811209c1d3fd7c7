"""Keys of mailbox rows."""

from __future__ import annotations

_NOTICES = "notice/"
_STARTS = "start/"


def notice_row(row: str) -> str:
    """The key of the row with the spot notice of the instance whose row is `row`.

    Apart from the instance's own row, so that the writer of notices has no right on assignments.
    The templates' policies name this form, too.
    """
    return _NOTICES + row


def start_row(row: str) -> str:
    """The key of the row with the order to start the stopped instance whose sandbox row is `row`.

    Apart from the instance's own row, so that the writer of orders has no right on assignments.
    The templates' policies name this form, too.
    """
    return _STARTS + row
