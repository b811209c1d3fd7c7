"""Queue parameters that the host reads from SSM itself: they apply before the host has a job."""

from __future__ import annotations

import re
from dataclasses import dataclass

SCRIPT_MINUTES = 15
"""Time limit of the bootstrap script when `bootstrap/script` names none."""
_LONGEST_SCRIPT = 60
_LONGEST_KEPT = 24 * 60
_PLACE = re.compile(
    r"s3://(?P<bucket>[a-z0-9.-]+)/(?P<key>[A-Za-z0-9!_.*'()/-]+)(?:\s+minutes=(?P<minutes>[0-9]{1,2}))?"
)
_MINUTES = re.compile(r"[0-9]{1,4}")


@dataclass(frozen=True)
class ScriptPlace:
    """The S3 object of the operator's bootstrap script, with the script's time limit."""

    bucket: str
    key: str
    minutes: int | None = None
    """Time limit from the parameter; None when the parameter names none."""

    @property
    def url(self) -> str:
        """`s3://bucket/key`."""
        return f"s3://{self.bucket}/{self.key}"


def script_place(text: str) -> ScriptPlace:
    """The value of `bootstrap/script`: `s3://bucket/key [minutes=N]`, N from 1 to 60.

    Raises ValueError for any other text.
    """
    found = _PLACE.fullmatch(text.strip())
    parts = f"{found['bucket']}/{found['key']}".split("/") if found else []
    if found is None or not all(part.strip(".") for part in parts):
        raise ValueError(f"{text!r} is not s3://BUCKET/KEY [minutes=N]")
    minutes = None if found["minutes"] is None else int(found["minutes"])
    if minutes is not None and not 1 <= minutes <= _LONGEST_SCRIPT:
        raise ValueError(f"{text!r} has minutes that are not from 1 to {_LONGEST_SCRIPT}")
    return ScriptPlace(found["bucket"], found["key"], minutes)


def keep_failed_minutes(text: str) -> int:
    """The value of `debug/keep-failed-minutes`: 0 to 1440. Raises ValueError for any other text."""
    found = _MINUTES.fullmatch(text.strip())
    if found is None or int(found[0]) > _LONGEST_KEPT:
        raise ValueError(f"{text!r} is not a number of minutes from 0 to {_LONGEST_KEPT}")
    return int(found[0])
