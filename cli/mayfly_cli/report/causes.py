"""Failed launches by cause, from launches and instances. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from mayfly.records.model import Instance, Launch
from mayfly_cli.html_report.operators import Cause
from mayfly_cli.listings.launches import has_failed

UNTOLD = "no reason is recorded"


def causes_of(
    launches: Iterable[Launch], instances: Iterable[Instance], most: int
) -> tuple[tuple[Cause, ...], int]:
    """The causes with the most launches, at most `most`, and how many others there are.

    A launch counts once for each of its causes, however many of its instances had it.
    """
    found: dict[tuple[str, str], set[str]] = {}
    told = set[str]()
    for launch in launches:
        for error in launch.errors:
            told.add(launch.id)
            found.setdefault((error, launch.queue), set()).add(launch.id)
    for each in filter(has_failed, instances):
        if each.instance_id is None and each.key.launch in told:
            continue  # EC2's error of the launch is the reason.
        cause = each.reason or UNTOLD
        found.setdefault((cause, each.queue), set()).add(each.key.launch)
    rows = sorted(
        (Cause(text, queue, len(ids)) for (text, queue), ids in found.items()),
        key=lambda row: (-row.launches, row.queue, row.text),
    )
    return tuple(rows[:most]), len(rows[most:])
