"""The report: what a host says of itself in its mailbox row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from mayfly_protocol import PROTOCOL
from mayfly_protocol.moments import stamp
from mayfly_protocol.phases import Phase

LARGEST = 4096
"""Bytes of a report, as `encoded` counts them."""
_BYTES_A_CHARACTER = 6
"""At most, in JSON: a control character as `\\u001f`."""


@dataclass(frozen=True)
class Report:
    """What an instance says of itself; believed for nothing that matters."""

    phase: Phase
    boot: str
    """The kernel's id of this boot."""
    at: datetime | None = None
    step: str = ""
    """The step at which the host failed."""
    job: str = ""
    exit: int | None = None
    """The agent's exit code; None when it was killed, or has not run."""
    reason: str = ""
    words: str = ""
    """The last lines of what failed."""
    agent: str = ""
    """The agent's version."""
    notice: str = ""
    """When spot takes the instance, once that is announced."""


def encoded(report: object) -> bytes:
    """A report as compact JSON in UTF-8: the form in which its bytes are counted."""
    text = json.dumps(report, ensure_ascii=False, separators=(",", ":"))
    # A path in a message may hold bytes that are no text; they must not keep a report from going.
    return text.encode("utf-8", "surrogatepass")


def written(report: Report) -> dict[str, object]:
    """The report as it goes into the row: with its protocol, without what is empty, fitted.

    At most `LARGEST` bytes: the words are cut first, from their front, because the end of an output
    says why it failed; then the reason, from its end.
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
    """As much of this text as the report has room for."""
    text = str(report[name])
    while text and (over := len(encoded({**report, name: text})) - LARGEST) > 0:
        count = max(1, over // _BYTES_A_CHARACTER)
        text = text[count:] if from_front else text[:-count]
    return text
