"""Times, durations and names as people read them. All times are in UTC."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from difflib import get_close_matches

from mayfly.records.model import Claim


def lasted(time: timedelta) -> str:
    """A duration in at most two units: `0.3 s`, `40s`, `4m12s`, `2h05m`, `9d`; `0s` if negative."""
    seconds = time.total_seconds()
    if seconds < 0:
        return "0s"
    if seconds < 10 and seconds != int(seconds):
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 48 * 3600:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d"


def at(moment: datetime, now: datetime, *, seconds: bool = False) -> str:
    """A time of today as `09:12`, a time of another day with the date before it."""
    form = "%H:%M:%S" if seconds else "%H:%M"
    day = "" if moment.date() == now.date() else f"{moment:%Y-%m-%d} "
    return f"{day}{moment.strftime(form)}"


def count(number: int, one: str, many: str = "") -> str:
    """`1 queue`, `4 queues`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def job_title(claim: Claim) -> str:
    """A job's name for a person: `app #812 "Integration"`; the UUID of a job without a pipeline."""
    build = f"{claim.pipeline} #{claim.build}" if claim.pipeline else claim.job
    return f'{build} "{claim.step}"' if claim.step else build


def meant(word: str, known: Iterable[str]) -> str:
    """`; did you mean X?` with the nearest of the known words; empty if none is near."""
    names = {name.casefold(): name for name in known}
    near = get_close_matches(word.casefold(), names, n=1, cutoff=0.6)
    return f"; did you mean {names[near[0]]}?" if near else ""
