"""Records as DynamoDB items: no field is lost, keys are unique, times are UTC."""

from __future__ import annotations

import re
import typing
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from types import NoneType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mayfly.adapters.dynamodb.attributes import decode, encode
from mayfly.adapters.dynamodb.records import (
    from_item,
    key,
    open_keys,
    open_prefix,
    open_spans,
    to_item,
)
from mayfly.errors import Misconfigured
from mayfly.records import model
from mayfly.records.model import Claim, Instance, Launch, Record
from mayfly.records.standing import Standing
from mayfly.records.states import ClaimState, InstanceState, LaunchState, LaunchTraits
from tests.unit.builders import NOW, a_claim, a_launch, a_ledger, an_instance, assigned

KINDS: tuple[Any, ...] = typing.get_args(Record)
TIMES = st.datetimes(
    min_value=datetime(2020, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(4999, 12, 1),  # noqa: DTZ001 - later times are not read
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]),
)
# DynamoDB's numbers have 38 digits, far more than any number in a record.
for kind, strategy in {
    datetime: TIMES,
    int: st.integers(-(2**63), 2**63),
    model.Step: st.builds(model.Step, at=TIMES),
}.items():
    st.register_type_strategy(kind, strategy)


def in_utc(value: Any) -> Any:
    """The value. Asserts UTC in every field, because equal times in different zones are equal."""
    assert not isinstance(value, datetime) or value.utcoffset() == timedelta(0)
    for field in fields(value) if hasattr(value, "__dataclass_fields__") else ():
        in_utc(getattr(value, field.name))
    return value


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_every_record_is_read_as_it_was_saved(kind: type[Any], data: st.DataObject) -> None:
    record = data.draw(st.from_type(kind))
    read = from_item(kind, to_item(record))
    assert read == record
    in_utc(read)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_field_of_a_record_is_named_like_an_attribute_of_its_row(kind: type[Any]) -> None:
    names = {field.name for field in fields(kind)}
    assert not names & {"pk", "open_queue", "open_state", "closed_queue", "closed_at", "expires"}
    assert "version" in names


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_optional_field_defaults_to_none(kind: type[Any]) -> None:
    """Only fields with a default may be added; fields of the first version are required."""
    for field, hint in typing.get_type_hints(kind).items():
        if NoneType in typing.get_args(hint):
            assert kind.__dataclass_fields__[field].default is None


def test_an_item_without_a_later_field_is_read() -> None:
    item = dict(to_item(a_claim(repository="git@example.org:acme/web.git")))
    del item["repository"]
    assert from_item(Claim, item).repository is None


def test_unknown_attributes_of_an_item_are_ignored() -> None:
    item = {**to_item(a_claim()), "mood": {"S": "good"}}
    assert from_item(Claim, item) == a_claim()


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("state", {"S": "pondering"}),
        ("since", {"S": "yesterday"}),
        ("priority", {"S": "high"}),
        ("priority", {"BOOL": True}),
        ("shape", {"S": "large"}),
        ("history", {"L": [{"M": {"state": {"S": "waiting"}}}]}),
        ("job", None),
        ("reason", {"B": b"bytes"}),
    ],
)
def test_an_unreadable_item_is_named_with_its_wrong_attribute(attribute: str, value: Any) -> None:
    item = dict(to_item(a_claim("job-7")))
    if value is None:
        del item[attribute]
    else:
        item[attribute] = value
    with pytest.raises(Misconfigured, match="claim#job-7 is not a readable Claim") as caught:
        from_item(Claim, item)
    wrong = "attribute type B" if attribute == "reason" else f"{attribute}[.0-9a-z]*: "
    assert re.search(f"Claim: {wrong}", str(caught.value))


def test_the_faults_of_an_unreadable_item_are_listed_in_one_line() -> None:
    item = {**to_item(a_claim("job-7")), "priority": {"S": "high"}, "state": {"S": "pondering"}}
    del item["job"]
    with pytest.raises(Misconfigured) as caught:
        from_item(Claim, item)
    text = str(caught.value)
    assert "\n" not in text
    assert "job: Field required; state: Input should be 'waiting'" in text
    assert "not 'pondering'; priority: Input should be a valid integer, not 'high'" in text


def test_a_time_without_zone_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        to_item(a_claim(since=datetime(2026, 1, 1)))  # noqa: DTZ001 - that is the point


def test_an_item_has_plain_attribute_types() -> None:
    item = to_item(assigned("job-1", since=NOW, priority=-3))
    assert item["pk"] == {"S": "claim#job-1"}
    assert item["state"] == {"S": "assigned"}
    assert item["since"] == {"S": "2026-03-02T09:00:00+00:00"}
    assert item["priority"] == {"N": "-3"}
    assert item["token_until"]["S"].startswith("2026-03-02T")
    assert item["slot"] == {"M": {"launch": {"S": "launch-1"}, "number": {"N": "0"}}}
    assert item["told"] == {"BOOL": True}
    assert item["repository"] == {"NULL": True}


KEYS: list[tuple[Record, str, tuple[str, str] | None]] = [
    (a_claim("j"), "claim#j", ("deploy", "claim#01:waiting#j")),
    (a_claim("j", state=ClaimState.RELEASED), "claim#j", None),
    (a_claim("j", state=ClaimState.FAILED), "claim#j", None),
    (a_claim("j", state=ClaimState.FAILED, told=False), "claim#j", ("deploy", "claim#00:failed#j")),
    (a_launch(id="l"), "launch#l", ("deploy", "launch#00:open#l")),
    (a_launch(id="l", state=LaunchState.SETTLED), "launch#l", None),
    (an_instance(number=4), "instance#launch-1/4", ("deploy", "instance#05:ready#launch-1/4")),
    (an_instance(InstanceState.TERMINATED, 4), "instance#launch-1/4", None),
    (a_ledger(), "capacity#deploy", None),
    (model.QueueRecord("q", "{}", "{}", "s"), "queue#q", ("#queues", "queue#open#q")),
    (
        Standing("q", "dispatch", NOW),
        "standing#dispatch/q",
        ("#standings", "standing#open#dispatch/q"),
    ),
    (model.Stray("i-1", NOW), "stray#i-1", ("#strays", "stray#open#i-1")),
    (model.Lease("me", 1, NOW), "lease#dispatch", None),
]


@pytest.mark.parametrize(("record", "primary", "indexed"), KEYS)
def test_each_record_has_its_primary_key_and_its_index_keys(
    record: Record, primary: str, indexed: tuple[str, str] | None
) -> None:
    item = to_item(record)
    assert key(record) == item["pk"]["S"] == primary
    assert open_keys(record) == indexed
    assert ("open_queue" in item, "open_state" in item) == (indexed is not None,) * 2


STORED = {
    *("claim#00:failed#", "claim#01:waiting#", "claim#02:assigned#", "claim#03:running#"),
    *("claim#-1:finished#", "claim#05:released#"),
    *("instance#00:requested#", "instance#01:launching#", "instance#02:booting#"),
    *("instance#03:bootstrapped#", "instance#04:swapping#", "instance#05:ready#"),
    *("instance#06:assigned#", "instance#07:running#", "instance#08:done#"),
    *("instance#09:condemned#", "instance#10:terminated#"),
    *("instance#11:starting#", "instance#12:stopping#", "instance#13:stopped#"),
    *("launch#00:open#", "launch#01:settled#"),
}
"""Prefixes of the key of the index `open`. Rows of running stacks have these prefixes, so no prefix
ever changes. A new state is added at the end, with a rank that no state of its record has."""


def test_the_stored_form_of_each_state_never_changes() -> None:
    prefixes = {
        *(open_prefix(Claim, state) for state in ClaimState),
        *(open_prefix(Instance, state) for state in InstanceState),
        *(open_prefix(Launch, state) for state in LaunchState),
    }
    assert prefixes == STORED


class More(StrEnum):
    """A table with a state that stands before READY, but was added last, as its rank says."""

    BOOTING = "booting"
    BOOTSTRAPPED = "bootstrapped"
    PARKED = "parked"
    READY = "ready"
    TERMINATED = "terminated"

    @property
    def traits(self) -> LaunchTraits:
        return LaunchTraits(rank={"parked": 11}.get(self) or RANKS[self], edges={})


RANKS = {str(state): state.traits.rank for state in InstanceState}


@pytest.mark.parametrize(
    ("states", "spans"),
    [
        ([More.READY], [("instance#05:ready#", "instance#05:ready$")]),
        ([More.PARKED], [("instance#11:parked#", "instance#11:parked$")]),
        (
            [More.BOOTING, More.BOOTSTRAPPED],
            [("instance#02:booting#", "instance#03:bootstrapped$")],
        ),
        (
            list(More),
            [
                ("instance#02:booting#", "instance#03:bootstrapped$"),
                ("instance#05:ready#", "instance#05:ready$"),
                ("instance#10:terminated#", "instance#11:parked$"),
            ],
        ),
        ([], []),
    ],
)
def test_a_new_state_hides_no_earlier_row(states: list[More], spans: list[tuple[str, str]]) -> None:
    assert list(open_spans(Instance, states)) == spans
    ready = open_keys(an_instance(InstanceState.READY))
    assert ready is not None
    assert any(first <= ready[1] < end for first, end in spans) is (More.READY in states)


@pytest.mark.parametrize(
    "record",
    [
        a_claim(state=ClaimState.FINISHED),
        a_launch(state=LaunchState.SETTLED),
        an_instance(InstanceState.TERMINATED),
    ],
)
def test_a_closed_record_is_kept_for_a_month(record: Claim | Launch | Instance) -> None:
    closed = replace(record, since=NOW)
    assert to_item(closed)["expires"] == {"N": str(int((NOW + timedelta(days=30)).timestamp()))}


@pytest.mark.parametrize(
    "value",
    [None, True, False, 0, -7, 2**80, 1.5, -2.5e-300, "", "é\n", {}, [], {"a": [1, {"b": None}]}],
)
def test_plain_values_survive_encoding_and_decoding(value: object) -> None:
    assert decode(encode(value)) == value
    assert type(decode(encode(value))) is type(value)


def test_a_value_without_a_stored_form_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="object"):
        encode({"deep": [object()]})
