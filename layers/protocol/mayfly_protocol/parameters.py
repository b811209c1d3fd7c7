"""Parameters of a queue that the host reads for itself, because they hold before it has a job."""

from __future__ import annotations

import re
from dataclasses import dataclass

SCRIPT_MINUTES = 15
"""The bootstrap script's time limit where its parameter names none."""
_LONGEST_SCRIPT = 60
_LONGEST_KEPT = 24 * 60
_PLACE = re.compile(
    r"s3://(?P<bucket>[a-z0-9.-]+)/(?P<key>[A-Za-z0-9!_.*'()/-]+)(?:\s+minutes=(?P<minutes>[0-9]{1,2}))?"
)
_MINUTES = re.compile(r"[0-9]{1,4}")


@dataclass(frozen=True)
class ScriptPlace:
    """Where the operator's bootstrap script lies."""

    bucket: str
    key: str
    minutes: int | None = None
    """Its own time limit; None without one."""

    @property
    def url(self) -> str:
        """`s3://bucket/key`."""
        return f"s3://{self.bucket}/{self.key}"


def script_place(text: str) -> ScriptPlace:
    """What `bootstrap/script` says: `s3://bucket/key [minutes=N]`, with N from 1 to 60.

    Raises ValueError for any other text.
    """
    found = _PLACE.fullmatch(text.strip())
    parts = f"{found['bucket']}/{found['key']}".split("/") if found else []
    if found is None or not all(part.strip(".") for part in parts):
        raise ValueError(f"{text!r} is not s3://BUCKET/KEY [minutes=N]")
    minutes = None if found["minutes"] is None else int(found["minutes"])
    if minutes is not None and not 1 <= minutes <= _LONGEST_SCRIPT:
        raise ValueError(f"{text!r} names minutes that are not from 1 to {_LONGEST_SCRIPT}")
    return ScriptPlace(found["bucket"], found["key"], minutes)


def keep_failed_minutes(text: str) -> int:
    """What `debug/keep-failed-minutes` says, from 0 to 1440. Raises ValueError for other texts."""
    found = _MINUTES.fullmatch(text.strip())
    if found is None or int(found[0]) > _LONGEST_KEPT:
        raise ValueError(f"{text!r} is no number of minutes from 0 to {_LONGEST_KEPT}")
    return int(found[0])
