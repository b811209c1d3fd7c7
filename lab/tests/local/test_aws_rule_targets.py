"""Targets of rules: functions are invoked, queues get messages that their policy allows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.function_lab import ARN, a_world
from mayfly_lab.aws.triggers.targets import Targets, may_send
from mayfly_lab.aws.world import World

QUEUE = "arn:aws:sqs:us-east-1:123456789012:events"
RULE = "arn:aws:events:us-east-1:123456789012:rule/ends"
EVENT = {"source": "aws.ec2", "detail-type": "x", "detail": {"instance-id": "i-1"}}


def allowing(**changes: Any) -> dict[str, Any]:
    """A queue's policy that allows the events of the rule."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": QUEUE,
        "Condition": {"ArnEquals": {"aws:SourceArn": [RULE]}},
        **changes,
    }
    return {"Statement": [{k: v for k, v in statement.items() if v is not None}]}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as running:
        running.cloud.open()
        yield running
        running.cloud.close()


def sent(world: World, policy: dict[str, Any] | None) -> list[Any]:
    """The messages in a queue with this policy after an event of the rule."""
    sqs = world.cloud.backend("sqs")
    sqs.create_queue("events", {})
    if policy is not None:
        sqs.set_queue_attributes("events", {"Policy": json.dumps(policy)})
    Targets(world, lambda *_: None).deliver({"Arn": QUEUE}, EVENT, RULE)
    return [json.loads(each.body) for each in sqs.get_queue("events")._messages]


def test_a_queue_gets_the_event_as_its_message(world: World) -> None:
    assert sent(world, allowing()) == [EVENT]
    assert world.journal.select(operation="FailedInvocation") == []


@pytest.mark.parametrize(
    "policy",
    [
        None,
        allowing(Principal={"Service": "sns.amazonaws.com"}),
        allowing(Action="sqs:ReceiveMessage"),
        allowing(Resource=f"{QUEUE}-other"),
        allowing(Condition={"ArnEquals": {"aws:SourceArn": f"{RULE}-other"}}),
    ],
)
def test_a_queue_whose_policy_does_not_allow_the_rule_gets_nothing(
    world: World, policy: dict[str, Any] | None
) -> None:
    assert sent(world, policy) == []
    (entry,) = world.journal.select(operation="FailedInvocation")
    assert entry.resources["rule"] == RULE


def test_a_policy_without_condition_or_for_everybody_allows_every_rule() -> None:
    assert may_send(allowing(Condition=None), QUEUE, RULE)
    assert may_send(allowing(Principal="*"), QUEUE, RULE)


@pytest.mark.parametrize(
    ("condition", "may"),
    [
        ({"ArnNotEquals": {"aws:SourceArn": [RULE, f"{RULE}-too"]}}, True),
        ({"ArnNotEquals": {"aws:SourceArn": f"{RULE}-other"}}, False),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::123456789012:role/*"}}, True),
        ({}, False),
    ],
)
def test_a_deny_counts_beside_the_right(condition: dict[str, Any], may: bool) -> None:
    deny = allowing(Effect="Deny", Principal="*", Condition=condition)["Statement"]
    for statements in (allowing()["Statement"] + deny, deny + allowing()["Statement"]):
        assert may_send({"Statement": statements}, QUEUE, RULE) is may


def test_a_function_is_invoked_and_another_target_is_refused(world: World) -> None:
    invoked: list[tuple[str, Any]] = []
    targets = Targets(world, lambda *given: invoked.append(given))
    targets.deliver({"Arn": ARN}, EVENT, RULE)
    assert invoked == [(ARN, EVENT)]
    with pytest.raises(NotImplementedError, match="sns"):
        targets.deliver({"Arn": "arn:aws:sns:us-east-1:123456789012:topic"}, EVENT, RULE)
