"""Arrivals of real jobs: when each could run, and how long it ran.

Two forms. Pairs of big-endian 32-bit numbers, milliseconds since the first job and milliseconds of
the run (taskcluster-provisioning-simulator's captures). CSV, plain or gzip, with a line of names
that has `created_s` or `run_created_s`, seconds, and `duration_s`. Jobs with a duration below 0
never ran, and are left out.
"""

from __future__ import annotations

import csv
import gzip
import io
import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

_GZIP = b"\x1f\x8b"
_CREATED = ("created_s", "run_created_s")
_DURATION = "duration_s"
MOST = 10_000_000
FORMS = "pairs of big-endian uint32 in milliseconds, or CSV with created_s and duration_s"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One job, in seconds."""

    at: float
    """Since the trace's first job."""
    lasts: float


def read(file: Path) -> tuple[Arrival, ...]:
    """The arrivals in a file, the first one first.

    Raises OSError for a file that cannot be read, ValueError for one that is no trace.
    """
    content = file.read_bytes()
    if content.startswith(_GZIP):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError) as error:
            raise ValueError(f"it is no whole gzip file: {error}") from error
    found = _from_text(content)
    if found is None:
        found = _from_pairs(content)
    if not found or len(found) > MOST:
        raise ValueError(f"it has {len(found)} jobs, and a trace has 1 to {MOST}")
    found.sort(key=lambda each: each.at)
    first = found[0].at
    return tuple(Arrival(each.at - first, each.lasts) for each in found)


def _from_text(content: bytes) -> list[Arrival] | None:
    """The arrivals of a CSV; None for anything but text with the names."""
    try:
        rows = csv.DictReader(io.StringIO(content.decode()))
        names = rows.fieldnames or ()
    except (UnicodeDecodeError, csv.Error):
        return None
    created = next((name for name in _CREATED if name in names), None)
    if created is None or _DURATION not in names:
        return None
    found = []
    for number, row in enumerate(rows, 2):
        try:
            arrival = Arrival(float(row[created]), float(row[_DURATION] or 0))
        except (TypeError, ValueError) as error:
            raise ValueError(f"line {number}: {error}") from error
        if not (0 <= arrival.at < float("inf") and abs(arrival.lasts) < float("inf")):
            raise ValueError(f"line {number}: a time is not a number of seconds from 0 on")
        if arrival.lasts >= 0:
            found.append(arrival)
    return found


def _from_pairs(content: bytes) -> list[Arrival]:
    if len(content) % 8:
        raise ValueError(f"it is neither of the forms: {FORMS}")
    found = [Arrival(at / 1000, lasts / 1000) for at, lasts in struct.iter_unpack(">II", content)]
    if any(later.at < earlier.at for earlier, later in pairwise(found)):
        raise ValueError(f"its times do not rise, so it is neither of the forms: {FORMS}")
    return found
