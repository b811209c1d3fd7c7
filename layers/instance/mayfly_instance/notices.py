"""Spot interruption notices: from IMDS while it is open, and always from the mailbox."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from mayfly_instance.clock import parse_time
from mayfly_instance.imds import ImdsError
from mayfly_instance.ports import Metadata

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")


def notice_in_metadata(metadata: Metadata) -> str | None:
    """The announced interruption time, as IMDS writes it; None without an announcement.

    Errors of IMDS return None, too: the next check is seconds away, and the mailbox gets the same
    notice through EventBridge.
    """
    try:
        return metadata.session().get_json("spot/instance-action").get("time")
    except ImdsError:
        return None


def stop_time(notice: str, now: datetime, margin: float) -> datetime:
    """The time to stop the job: `margin` s before the notice's time; `now` without a time."""
    named = _TIME.search(notice)
    taken = parse_time(named.group()) if named else None
    return now if taken is None else taken - timedelta(seconds=margin)
