"""A command's result as JSON: fields by name, times as ISO 8601 in UTC, durations in seconds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any


def plain(value: object) -> Any:
    """The value in JSON's own types. A field with the metadata `screen` is left out.

    Raises TypeError for a type without a form.
    """
    match value:
        case None | bool() | int() | float():
            return value
        case Enum():
            return value.value
        case str():
            return str(value)
        case Decimal():
            return float(value)
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case timedelta():
            return round(value.total_seconds(), 3)
        case Mapping():
            return {str(name): plain(each) for name, each in value.items()}
        case tuple() | list():
            return [plain(each) for each in value]
    if is_dataclass(value):
        shown = [each for each in fields(value) if not each.metadata.get("screen")]
        return {each.name: plain(getattr(value, each.name)) for each in shown}
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def text_of(value: object, *, ascii_only: bool = False) -> str:
    """The JSON of a result, in one line, as other tools read it."""
    return json.dumps(plain(value), ensure_ascii=ascii_only)
