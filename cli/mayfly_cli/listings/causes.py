"""Folds EC2's errors that differ only by the zone. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

_NEXT = re.compile(r"; (?=[A-Z][A-Za-z.]+: )")
"""Between two errors of one answer, which a launch without instances has in one text."""
_ZONE = re.compile(r"\b[a-z]{2}(?:-[a-z]+)+-\d[a-z]\b")
"""A zone, as us-east-1a. Source: EC2 user guide, "Regions and Zones"."""
_LIST = re.compile(r"ZONE(?:, (?:or )?ZONE)*")


def folded(errors: Iterable[str]) -> tuple[str, ...]:
    """Each error once; one that several zones had is told once, with all of these zones.

    An error is about the first zone that its text names.
    """
    zones: dict[str, list[str]] = {}
    texts: dict[str, str] = {}
    for error in errors:
        for text in _NEXT.split(error):
            named = _ZONE.findall(text)
            same = _LIST.sub("ZONE", _ZONE.sub("ZONE", text))
            texts.setdefault(same, text)
            mine = zones.setdefault(same, [])
            if named and named[0] not in mine:
                mine.append(named[0])
    return tuple(_told(texts[same], zones[same]) for same in texts)


def _told(text: str, zones: list[str]) -> str:
    return text if len(zones) < 2 else _ZONE.sub(", ".join(sorted(zones)), text, count=1)
