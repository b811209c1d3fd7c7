"""Events that wake a function, read from samples in the shapes that AWS sends."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mayfly.errors import Misconfigured
from mayfly.events import (
    Event,
    Messages,
    Nudged,
    ParameterCall,
    ParameterChanged,
    Scheduled,
    SpotWarning,
    StateChanged,
    parse,
    read_messages,
)

EVENTS = Path(__file__).parents[2] / "events"
INSTANCE = "i-0f5d1c3a9b7e42d10"


@pytest.mark.parametrize(
    ("file", "meaning"),
    [
        ("schedule", Scheduled()),
        ("nudge", Nudged(1)),
        ("mailbox", Nudged(1)),
        ("instance-messages", Nudged(2)),
        ("instance-state-change", StateChanged(INSTANCE, "terminated")),
        ("spot-warning", SpotWarning(INSTANCE, datetime(2026, 11, 20, 9, 43, tzinfo=UTC))),
        (
            "parameter-call",
            ParameterCall(
                ("/mayfly/mayfly/queues/linux/pool/hot",),
                "arn:aws:sts::123456789012:assumed-role/operators/alice",
                datetime(2026, 11, 20, 9, 41, tzinfo=UTC),
            ),
        ),
        ("parameter-change", ParameterChanged("/mayfly/mayfly/queues/linux/pool/hot")),
    ],
)
def test_every_sample_event_is_parsed(file: str, meaning: Event) -> None:
    event = json.loads((EVENTS / f"{file}.json").read_text(encoding="utf-8"))
    assert parse(event) == meaning


def test_the_messages_of_a_batch_are_the_events_of_their_bodies() -> None:
    event = json.loads((EVENTS / "instance-messages.json").read_text(encoding="utf-8"))
    until = datetime(2026, 11, 20, 9, 43, tzinfo=UTC)
    events = (StateChanged(INSTANCE, "terminated"), SpotWarning(INSTANCE, until))
    assert read_messages(event) == Messages(events, nudges=0, unreadable=())


def test_an_unknown_event_is_a_misconfiguration() -> None:
    with pytest.raises(Misconfigured, match="Pizza Ordered"):
        parse({"detail-type": "Pizza Ordered", "detail": {}})
