"""Spot interruption notices: from IMDS where it is open to us, and from the mailbox in any case."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from mayfly_instance.clock import moment
from mayfly_instance.imds import ImdsError
from mayfly_instance.seams import Metadata

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")


def in_metadata(metadata: Metadata) -> str | None:
    """When IMDS says that this instance will be taken; None while it says nothing.

    An error says nothing either: the next look is seconds away, and the mailbox brings the same
    news by way of EventBridge.
    """
    try:
        return metadata.session().get_json("spot/instance-action").get("time")
    except ImdsError:
        return None


def stop_at(notice: str, now: datetime, margin: float) -> datetime:
    """When the job must be stopped so that its end is still told. It names no time: at once."""
    named = _TIME.search(notice)
    taken = moment(named.group()) if named else None
    return now if taken is None else taken - timedelta(seconds=margin)
