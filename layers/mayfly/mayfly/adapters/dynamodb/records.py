"""Records as items of the Fleet table: the only place that knows both forms.

The dataclass fields name and type the attributes, so a new field needs no change here; older items
give the field its default. Besides the fields an item has `pk`, and

- while the record is open: `open_queue` and `open_state`, the keys of the index `open`;
- once the record is closed: `closed_queue` and `closed_at`, the keys of the index `closed`, and
  `expires`, after which DynamoDB may remove the item. Items that were closed before that index
  existed lack its keys, so the index does not have them.
- in a standing: `expires`, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import is_dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from mayfly.adapters.dynamodb.attributes import Attribute, Item, decode, encode
from mayfly.adapters.elements import UNREADABLE
from mayfly.errors import Misconfigured
from mayfly.records.audit import ParameterChange, ParametersSeen, SpecChange
from mayfly.records.ledger import Ledger
from mayfly.records.model import (
    AnyRecord,
    Claim,
    Instance,
    Launch,
    Lease,
    QueueRecord,
    Record,
    SlotKey,
    Stray,
)
from mayfly.records.prices import Prices
from mayfly.records.standing import Standing
from mayfly.records.states import Ranked
from mayfly_protocol.moments import checked

KEEP_STANDING = timedelta(days=1)
"""Time after which a standing that nobody renews is removed: its queue is gone."""
KEEP_CLOSED = timedelta(days=30)
"""Time for which a closed record stays readable, so people can ask why something happened."""

_NAMES: Mapping[type[Record], str] = {
    Claim: "claim",
    Launch: "launch",
    Instance: "instance",
    Ledger: "capacity",
    QueueRecord: "queue",
    Stray: "stray",
    Lease: "lease",
    Standing: "standing",
    ParameterChange: "change",
    ParametersSeen: "seen",
    Prices: "prices",
    SpecChange: "spec",
}

# Queue keys have only letters, digits, - and _, so no queue can have the name of these partitions.
CHANGES_PARTITION = "#changes"
PARAMETERS_PARTITION = "#parameters"
QUEUES_PARTITION = "#queues"
STRAYS_PARTITION = "#strays"
STANDINGS_PARTITION = "#standings"


def key_of(kind: type[Record], name: str | SlotKey) -> str:
    """The primary key of the record with this kind and name."""
    return f"{_NAMES[kind]}#{name}"


LEASE_KEY = key_of(Lease, "dispatch")
PRICES_KEY = key_of(Prices, "ec2")


def standing_name(function: str, queue: str) -> str:
    """The name of a standing within its kind."""
    return f"{function}/{queue}"


def pointer_key(instance_id: str) -> str:
    """The primary key of the pointer row, which names the slot of an EC2 instance id."""
    return f"ec2#{instance_id}"


def key(record: Record) -> str:
    """The primary key of a record."""
    match record:
        case Claim(job=name) | Launch(id=name) | Instance(key=name) | Stray(instance_id=name):
            return key_of(type(record), name)
        case ParameterChange(id=name) | SpecChange(id=name):
            return key_of(type(record), name)
        case Ledger(queue=name) | QueueRecord(queue=name):
            return key_of(type(record), name)
        case Standing(function=function, queue=queue):
            return key_of(Standing, standing_name(function, queue))
        case Lease():
            return LEASE_KEY
        case ParametersSeen(group=name):
            return key_of(ParametersSeen, name)
        case Prices():
            return PRICES_KEY


def open_prefix(kind: type[Record], state: Ranked | None = None) -> str:
    """The prefix of `open_state` for open records of a kind, in `state` where the kind has states.

    The prefix has the rank from the state's table, so rows that were written earlier stay in place.
    """
    if state is None:
        return f"{_NAMES[kind]}#open#"
    return f"{_NAMES[kind]}#{state.traits.rank:02}:{state}#"


def open_spans(
    kind: type[Record], states: Collection[Ranked] | None = None
) -> Iterator[tuple[str, str]]:
    """The spans of `open_state`, as first and last key, that hold exactly these states.

    Each span costs one query, so neighbours by rank share a span. `states` is None for a kind
    without states.
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
    # The end sorts after every key with the last prefix, and before every other key of Mayfly.
    return first, last[:-1] + chr(ord(last[-1]) + 1)


def open_keys(record: Record) -> tuple[str, str] | None:
    """Partition and sort key of a record in the index `open`; None if the index has no entry."""
    if (
        isinstance(record, Ledger | Lease | ParameterChange | Prices | SpecChange)
        or not record.open
    ):
        return None
    match record:
        case Claim(state=state) | Launch(state=state) | Instance(state=state):
            partition, prefix = record.queue, open_prefix(type(record), state)
        case QueueRecord():
            partition, prefix = QUEUES_PARTITION, open_prefix(QueueRecord)
        case ParametersSeen():
            partition, prefix = PARAMETERS_PARTITION, open_prefix(ParametersSeen)
        case Stray():
            partition, prefix = STRAYS_PARTITION, open_prefix(Stray)
        case Standing():
            partition, prefix = STANDINGS_PARTITION, open_prefix(Standing)
    return partition, prefix + key(record).partition("#")[2]


def closed_keys(record: Record) -> tuple[str, str, datetime] | None:
    """Partition, sort key and time of a record in the index `closed`; None without an entry."""
    match record:
        case Claim(since=at) | Launch(since=at) | Instance(since=at) if not record.open:
            partition = record.queue
        case ParameterChange(at=at) | SpecChange(at=at):
            partition = CHANGES_PARTITION
        case _:
            return None
    name = key(record).partition("#")[2]
    return partition, f"{closed_prefix(type(record), at)}#{name}", at


def closed_prefix(kind: type[Record], at: datetime) -> str:
    """The part of `closed_at` before a record's name; sorts before every record of this time."""
    # All digits of the fraction, so that texts sort as their times do.
    return f"{_NAMES[kind]}#{at.astimezone(UTC).isoformat(timespec='microseconds')}"


def closed_place(partition: str, sort: str) -> dict[str, Attribute]:
    """All keys of an entry of the index `closed`, from which a query goes on."""
    kind, _, name = sort.split("#", 2)
    return {
        "pk": encode(f"{kind}#{name}"),
        "closed_queue": encode(partition),
        "closed_at": encode(sort),
    }


def to_item(record: Record) -> Item:
    """The record as a stored item, at the record's own version."""
    item: dict[str, Attribute] = {"pk": encode(key(record)), **encode(record)["M"]}
    if opened := open_keys(record):
        item["open_queue"], item["open_state"] = map(encode, opened)
    if closed := closed_keys(record):
        *keys, at = closed
        item["closed_queue"], item["closed_at"] = map(encode, keys)
        item["expires"] = encode(int((at + KEEP_CLOSED).timestamp()))
    if isinstance(record, Standing):
        item["expires"] = encode(int((record.at + KEEP_STANDING).timestamp()))
    return item


def from_item(kind: type[AnyRecord], item: Item) -> AnyRecord:
    """The record in an item. Raises Misconfigured when the item cannot be read."""
    try:
        record: AnyRecord = read_value(_READERS[kind], item)
    except UNREADABLE as error:
        # A later Mayfly wrote the item, or a person.
        name = item.get("pk", {}).get("S", "without key")
        reason = _reason(error) if isinstance(error, ValidationError) else error
        raise Misconfigured(f"row {name} is not a readable {kind.__name__}: {reason}") from error
    return record


def slot_of(pointer: Item) -> SlotKey:
    """The slot that a pointer row names. Raises Misconfigured when the row cannot be read."""
    try:
        slot: SlotKey = read_value(_SLOT, pointer["slot"]["M"])
    except UNREADABLE as error:
        name = pointer.get("pk", {}).get("S", "without key")
        raise Misconfigured(f"row {name} names no slot: {type(error).__name__}") from error
    return slot


_READERS: Mapping[type[Record], TypeAdapter[Any]] = {kind: TypeAdapter(kind) for kind in _NAMES}
_SLOT = TypeAdapter(SlotKey)


def read_value(reader: TypeAdapter[Any], item: Item) -> Any:
    """The value that `reader` makes of the item's attributes. Raises ValueError.

    The item goes through JSON: strict validation of JSON accepts text for a time and a list for a
    tuple, but neither text nor a truth value for a number.
    """
    plain = {name: decode(value) for name, value in item.items()}
    found = reader.validate_json(to_json(plain), strict=True)
    _check_moments(found)
    return found


def _check_moments(value: object) -> None:
    """Raise ValueError for a time inside the value that decisions cannot calculate with."""
    if isinstance(value, str | int | float | None):
        return
    if isinstance(value, datetime):
        checked(value)
    elif isinstance(value, tuple):
        for inner in value:
            _check_moments(inner)
    elif isinstance(value, Mapping):
        _check_moments(tuple(value.values()))
    else:
        for name in value.__dataclass_fields__ if is_dataclass(value) else ():
            _check_moments(getattr(value, name))


def _reason(error: ValidationError) -> str:
    """Every wrong field with the reason and the found value, in one line."""
    return "; ".join(
        f"{'.'.join(map(str, each['loc']))}: {each['msg']}"
        + ("" if each["type"] == "missing" else f", not {each['input']!r}")
        for each in error.errors(include_url=False)
    )
