"""Records as items of the Fleet table: the only place that knows both forms.

Attributes are named and typed by the dataclass fields, so a new field needs no word here; it has
its default in items that were written before it. Besides the fields an item has `pk`, and

- while a tick must look at it: `open_queue` and `open_state`, the keys of the index `open`;
- once it is closed: `expires`, after which DynamoDB may remove it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from mayfly.adapters.dynamodb.attributes import Attribute, Item, decode, encode
from mayfly.errors import Misconfigured
from mayfly.records.model import (
    AnyRecord,
    Claim,
    Instance,
    Launch,
    Lease,
    Ledger,
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
    Ledger: "capacity",
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
        case Ledger(queue=name) | QueueRecord(queue=name):
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
    if isinstance(record, Ledger | Lease) or not record.open:
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
    try:
        record: AnyRecord = _read(_READERS[kind], item)
    except ValueError as error:
        # Written by a later Mayfly, or by a person.
        name = item.get("pk", {}).get("S", "without key")
        reason = _reason(error) if isinstance(error, ValidationError) else error
        raise Misconfigured(f"row {name} is no readable {kind.__name__}: {reason}") from error
    return record


def slot_of(pointer: Item) -> SlotKey:
    """The slot that a pointer row names."""
    slot: SlotKey = _read(_SLOT, pointer["slot"]["M"])
    return slot


_READERS: Mapping[type[Record], TypeAdapter[Any]] = {kind: TypeAdapter(kind) for kind in _NAMES}
_SLOT = TypeAdapter(SlotKey)


def _read(reader: TypeAdapter[Any], item: Item) -> Any:
    """What the item's attributes say. Raises ValueError.

    By way of JSON, in which strict validation takes text for a time and a list for a tuple, yet
    neither text nor a truth value for a number.
    """
    plain = {name: decode(value) for name, value in item.items()}
    return reader.validate_json(to_json(plain), strict=True)


def _reason(error: ValidationError) -> str:
    """Every field that is wrong, why, and what stands there."""
    return "; ".join(
        f"{'.'.join(map(str, each['loc']))}: {each['msg']}"
        + ("" if each["type"] == "missing" else f", not {each['input']!r}")
        for each in error.errors(include_url=False)
    )
