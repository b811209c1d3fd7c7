"""Encodes plain values as DynamoDB attributes, and decodes them.

boto3's own codec would not save code: the codec supports neither dataclasses nor times nor floats.
It also decodes sets and binary values, which only an attacker on an instance would write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

Attribute: TypeAlias = Mapping[str, Any]
"""One typed value, such as `{"S": "text"}`."""

Item: TypeAlias = Mapping[str, Attribute]


def moment(at: datetime) -> str:
    """A time as text: ISO 8601 in UTC. Raises ValueError for a naive time."""
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone")
    return at.astimezone(UTC).isoformat()


def encode(value: object) -> Attribute:
    """A value as an attribute. Raises TypeError for a type that records do not use."""
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case int() | float():
            return {"N": repr(value)}
        case str():
            return {"S": str(value)}
        case datetime():
            return {"S": moment(value)}
        case Mapping():
            return {"M": {str(name): encode(inner) for name, inner in value.items()}}
        case Sequence():
            return {"L": [encode(inner) for inner in value]}
    if is_dataclass(value):
        return {"M": {field.name: encode(getattr(value, field.name)) for field in fields(value)}}
    raise TypeError(f"{type(value).__name__} cannot be stored in DynamoDB")


def decode(attribute: Attribute) -> object:
    """An attribute as a plain value. Raises ValueError for a type that Mayfly never writes."""
    ((kind, value),) = attribute.items()
    match kind:
        case "NULL":
            return None
        case "S" | "BOOL":
            return value
        case "N":
            return float(value) if set(value) & set(".eE") else int(value)
        case "M":
            return {name: decode(inner) for name, inner in value.items()}
        case "L":
            return [decode(inner) for inner in value]
    raise ValueError(f"attribute type {kind}")
