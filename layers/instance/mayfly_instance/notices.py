"""Spot interruption notices: from IMDS while it is open, and always from the mailbox."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from mayfly_instance.aws import AwsError
from mayfly_instance.clock import parse_time
from mayfly_instance.imds import ImdsError
from mayfly_instance.ports import Metadata
from mayfly_instance.reports import Reporter
from mayfly_protocol.words import Imds

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")


@dataclass
class Notices:
    """Looks for the spot notice of this instance."""

    metadata: Metadata
    reporter: Reporter
    imds: Imds
    _told: str = ""
    """The error of the mailbox that the console shows."""

    def look(self) -> str | None:
        """The announced interruption, from IMDS or the mailbox; None without one.

        An error of the mailbox returns None, too, and is written to the console once: a running
        job needs no mailbox, and a waiting host reads its own row besides.
        """
        notice = None if self.imds is Imds.OFF else notice_in_metadata(self.metadata)
        if notice is not None:
            return notice
        try:
            return self.reporter.read_notice()
        except (AwsError, ImdsError) as error:
            if str(error) != self._told:
                self._told = str(error)
                self.reporter.note(f"the spot notice in the mailbox cannot be read: {error}")
            return None


def notice_in_metadata(metadata: Metadata) -> str | None:
    """The announced interruption time, as IMDS writes it; None without an announcement.

    Errors of IMDS return None, too: the next check is seconds away, and the mailbox gets the same
    notice through EventBridge.
    """
    try:
        return metadata.session().get_json("spot/instance-action").get("time")
    except ImdsError:
        return None


def interruption(notice: str) -> datetime | None:
    """The time of the interruption, in UTC; None for a notice without a time."""
    named = _TIME.search(notice)
    return parse_time(named.group()) if named else None


def stop_time(notice: str, now: datetime, margin: float) -> datetime:
    """The time to stop the job: `margin` s before the notice's time; `now` without a time."""
    taken = interruption(notice)
    return now if taken is None else taken - timedelta(seconds=margin)
