"""The invocations of `reap`: the scheduled one looks again, the one of messages ends at once."""

from __future__ import annotations

from datetime import timedelta

from mayfly.events import Messages
from mayfly.metrics import Metric
from mayfly.reap import tick as reap
from mayfly.reap.ports import ReapPorts
from mayfly.tick.edge import Edge
from mayfly.tick.outcome import Outcome


def reap_and_look_again(ports: ReapPorts, edge: Edge) -> Outcome:
    """Tick, then look again at hosts that have not taken their job, when each is overdue.

    A job that was given to a dead host must not wait for the next minute too. Only the schedule's
    invocation may stay: at most two invocations take messages, and events would wait behind them.
    Returns the outcomes added up.
    """
    total = Outcome()
    awaited = reap.tick_all(ports, edge, total)
    for instance_id, due in sorted(awaited.items(), key=lambda each: (each[1], each[0])):
        if not edge.wait(due, timedelta(0)):
            break
        total.add(reap.on_overdue(ports, instance_id, edge))
    return total


def reap_messages(ports: ReapPorts, messages: Messages, edge: Edge) -> Outcome:
    """Act on a batch of messages: EC2's events first, then one tick for all nudges.

    No message fails the batch: SQS would deliver the message again only after the next scheduled
    tick, and after the end that a spot warning announces. Returns the outcomes added up.
    """
    total = Outcome()
    for line in messages.unreadable:
        total.alarms.append((Metric.UNREADABLE_ELEMENT, f"left out: {line}"))
    if messages.events:
        total.add(reap.on_events(ports, messages.events, edge))
    if messages.nudges:
        total.add(reap.tick(ports, edge))
    return total
