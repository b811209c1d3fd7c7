"""Records as items of the Fleet table: the only place that knows both forms.

Attributes are named and typed by the dataclass fields, so a new field needs no word here; it has
its default in items that were written before it. Besides the fields an item has `pk`, and

- while a tick must look at it: `open_queue` and `open_state`, the keys of the index `open`;
- once it is closed: `expires`, after which DynamoDB may remove it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeAlias, cast, get_args, get_origin, get_type_hints

from mayfly.adapters.dynamodb.attributes import Attribute, Item, decode, encode
from mayfly.errors import Misconfigured
from mayfly.records.model import (
    AnyRecord,
    Capacity,
    Claim,
    Instance,
    Launch,
    Lease,
    QueueRecord,
    Record,
    SlotKey,
    Stray,
)
from mayfly.records.states import Ranked

KEEP_CLOSED = timedelta(days=30)
"""How long a closed record stays readable: long enough to ask why something happened."""

_NAMES: Mapping[type[Record], str] = {
    Claim: "claim",
    Launch: "launch",
    Instance: "instance",
    Capacity: "capacity",
    QueueRecord: "queue",
    Stray: "stray",
    Lease: "lease",
}

# Queue keys have letters, digits, - and _ alone, so these cannot be mistaken for one.
QUEUES_PARTITION = "#queues"
STRAYS_PARTITION = "#strays"


def key_of(kind: type[Record], name: str | SlotKey) -> str:
    """The primary key of the record of a kind that has this name."""
    return f"{_NAMES[kind]}#{name}"


LEASE_KEY = key_of(Lease, "dispatch")


def pointer_key(instance_id: str) -> str:
    """Where the slot of an EC2 instance id is noted."""
    return f"ec2#{instance_id}"


def key(record: Record) -> str:
    """The primary key of a record."""
    match record:
        case Claim(job=name) | Launch(id=name) | Instance(key=name) | Stray(instance_id=name):
            return key_of(type(record), name)
        case Capacity(queue=name) | QueueRecord(queue=name):
            return key_of(type(record), name)
        case Lease():
            return LEASE_KEY


def open_prefix(kind: type[Record], state: Ranked | None = None) -> str:
    """How `open_state` begins for open records of a kind, in a state where it has any.

    The rank in it is what the state's row says, so rows that were written earlier stay in place.
    """
    if state is None:
        return f"{_NAMES[kind]}#open#"
    return f"{_NAMES[kind]}#{state.traits.rank:02}:{state}#"


def open_spans(
    kind: type[Record], states: Collection[Ranked] | None = None
) -> Iterator[tuple[str, str]]:
    """The spans of `open_state`, first and last key, that hold just these states.

    Neighbours by rank share one, for each is a query of its own. None is for a kind without states.
    """
    if states is None:
        yield _span(open_prefix(kind), open_prefix(kind))
        return
    prefixes = {state.traits.rank: open_prefix(kind, state) for state in states}
    starts = sorted(rank for rank in prefixes if rank - 1 not in prefixes)
    ends = sorted(rank for rank in prefixes if rank + 1 not in prefixes)
    for start, end in zip(starts, ends, strict=True):
        yield _span(prefixes[start], prefixes[end])


def _span(first: str, last: str) -> tuple[str, str]:
    # Up to a key behind all that begin with the last prefix, and before any other of ours.
    return first, last[:-1] + chr(ord(last[-1]) + 1)


def open_keys(record: Record) -> tuple[str, str] | None:
    """Where the index `open` has a record: partition and sort key. None when it does not."""
    if isinstance(record, Capacity | Lease) or not record.open:
        return None
    match record:
        case Claim(state=state) | Launch(state=state) | Instance(state=state):
            partition, prefix = record.queue, open_prefix(type(record), state)
        case QueueRecord():
            partition, prefix = QUEUES_PARTITION, open_prefix(QueueRecord)
        case Stray():
            partition, prefix = STRAYS_PARTITION, open_prefix(Stray)
    return partition, prefix + key(record).partition("#")[2]


def to_item(record: Record) -> Item:
    """The record as the item that is stored, at the version that it carries."""
    item: dict[str, Attribute] = {"pk": encode(key(record)), **encode(record)["M"]}
    indexed = open_keys(record)
    if indexed:
        item["open_queue"], item["open_state"] = map(encode, indexed)
    elif isinstance(record, Claim | Launch | Instance):
        item["expires"] = encode(int((record.since + KEEP_CLOSED).timestamp()))
    return item


def from_item(kind: type[AnyRecord], item: Item) -> AnyRecord:
    """The record that an item holds. Raises Misconfigured when it cannot be read."""
    hint: Any = kind
    try:
        record: AnyRecord = _reader_of(hint)({name: decode(value) for name, value in item.items()})
    except (KeyError, TypeError, ValueError) as error:
        # Written by a later Mayfly, or by a person.
        name = item.get("pk", {}).get("S", "without key")
        raise Misconfigured(f"row {name} is no readable {kind.__name__}: {error!r}") from error
    return record


def slot_of(pointer: Item) -> SlotKey:
    """The slot that a pointer row names."""
    slot: SlotKey = _reader_of(SlotKey)(decode(pointer["slot"]))
    return slot


Reader: TypeAlias = Callable[[Any], Any]
"""Turns the plain form of a value back into the type that a field declares."""


@cache
def _reader_of(hint: Any) -> Reader:
    if get_origin(hint):
        return _reader_of_many(get_origin(hint), get_args(hint))
    if is_dataclass(hint):
        return _reader_of_dataclass(hint)
    if hint is datetime:
        return datetime.fromisoformat
    if issubclass(hint, StrEnum):
        return cast("Reader", hint)
    return lambda value: _exactly(hint, value)


def _reader_of_many(origin: Any, args: tuple[Any, ...]) -> Reader:
    if origin is UnionType:
        (inner,) = (_reader_of(arg) for arg in args if arg is not NoneType)
        return lambda value: None if value is None else inner(value)
    inners = [_reader_of(arg) for arg in args if arg is not Ellipsis]
    if origin is Mapping:
        return lambda value: {name: inners[1](each) for name, each in value.items()}
    if args[-1] is Ellipsis:
        return lambda value: tuple(inners[0](each) for each in value)
    return lambda value: tuple(inner(each) for inner, each in zip(inners, value, strict=True))


def _reader_of_dataclass(kind: Any) -> Reader:
    hints = get_type_hints(kind)
    readers = {field.name: _reader_of(hints[field.name]) for field in fields(kind)}

    def read(values: Mapping[str, Any]) -> Any:
        return kind(
            **{name: reader(values[name]) for name, reader in readers.items() if name in values}
        )

    return read


def _exactly(kind: type, value: object) -> object:
    if type(value) is not kind:
        raise TypeError(f"{value!r} is not of type {kind.__name__}")
    return value
