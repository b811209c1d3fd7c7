"""The report: phase, reason and last output of a host, in its mailbox row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from mayfly_protocol import PROTOCOL
from mayfly_protocol.moments import stamp
from mayfly_protocol.phases import Phase

REFUSED = "the job is refused: "
"""Begin of the reason of a host that refused its job before the job's first code."""
LARGEST = 4096
"""Largest size of a report, in bytes of `encoded`."""
_BYTES_A_CHARACTER = 6
"""Upper bound in JSON: a control character becomes `\\u001f`."""


@dataclass(frozen=True)
class Report:
    """A host's report about itself. Untrusted: no security decision rests on the content."""

    phase: Phase
    boot: str
    """The kernel's boot id."""
    at: datetime | None = None
    step: str = ""
    """The step at which the host failed."""
    job: str = ""
    exit: int | None = None
    """The agent's exit code; None when the agent was killed or has not run."""
    reason: str = ""
    words: str = ""
    """Last lines of the failed step's output."""
    agent: str = ""
    """The agent's version."""
    notice: str = ""
    """The announced time of a spot interruption; empty without one."""
    start: int | None = None
    """Number of the order that commanded this boot (see `order`); None at the first boot."""


def encoded(report: object) -> bytes:
    """The report as compact JSON in UTF-8; `LARGEST` limits the length of this form."""
    text = json.dumps(report, ensure_ascii=False, separators=(",", ":"))
    # A path in a message may hold bytes that are not UTF-8; the report must go out all the same.
    return text.encode("utf-8", "surrogatepass")


def to_row(report: Report) -> dict[str, object]:
    """The value of the row's `report` attribute: the protocol and all fields that are not empty.

    Returns at most `LARGEST` bytes. Words are cut first, from the front, because the end of an
    output tells the cause of a failure; then the reason, from the end.
    """
    named: dict[str, Any] = {each.name: getattr(report, each.name) for each in fields(report)}
    named["phase"] = str(report.phase)
    named["at"] = report.at and stamp(report.at)
    kept = {"protocol": PROTOCOL, **{n: v for n, v in named.items() if v is not None and v != ""}}
    for name, from_front in (("words", True), ("reason", False)):
        if name in kept:
            kept[name] = _cut(kept, name, from_front=from_front)
    return kept


def _cut(report: Mapping[str, object], name: str, *, from_front: bool) -> str:
    """The longest part of this field with which the report fits into `LARGEST` bytes."""
    text = str(report[name])
    while text and (over := len(encoded({**report, name: text})) - LARGEST) > 0:
        count = max(1, over // _BYTES_A_CHARACTER)
        text = text[count:] if from_front else text[:-count]
    return text
