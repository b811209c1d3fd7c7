"""Protected things of the control plane: code, wake-ups, alarms, logs, stacks, the account."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mayfly_cli.templates.resolution import ACCOUNT, REGION
from tests.security import deployed
from tests.security.authorization import Action
from tests.security.thing import SERVICES_IN_USE, Thing, tagged


def _lambda(name: str) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:{name}"


def code() -> Iterator[Thing]:
    control = deployed.control()
    for name in ("dispatch", "provision", "sandbox", "reap"):
        function = f"function:{deployed.STACK}-{name}"
        resource = control[f"{name.capitalize()}Function"]
        yield Thing(
            f"function/{name}",
            f"the function {name}",
            _lambda(function),
            tagged(resource) | {"lambda:FunctionArn": _lambda(function)},
        )
    for name in ("instance", "mayfly"):
        layer = f"layer:{deployed.STACK}-{name}"
        yield Thing(f"layer/{name}", f"the layer {name}", _lambda(layer), {})
        yield Thing(
            f"layer/{name}-version", f"a version of the layer {name}", _lambda(f"{layer}:7"), {}
        )
    mapping = control["ReapFunctionNudge"]
    yield Thing(
        "mapping/reap",
        "an event source mapping of reap",
        _lambda("event-source-mapping:0e6a0f3e-7c2b-4e0f-9d27-cf6b0d0c5c11"),
        tagged(mapping) | {"lambda:FunctionArn": _lambda(f"function:{deployed.STACK}-reap")},
    )


def signals() -> Iterator[Thing]:
    control = deployed.control()
    for logical, title in (
        ("NudgeQueue", "the queue that wakes provision"),
        ("ReapQueue", "the queue that wakes reap"),
        ("DeadLetters", "the queue of undelivered events"),
    ):
        yield Thing(
            f"queue/{logical}",
            title,
            _named("sqs", logical),
            tagged(control[logical]),
            policy=tuple(deployed.queue_statements(control, logical)),
        )
    for logical, title in (
        ("InstanceStateChange", "the rule for ends of instances"),
        ("DispatchFunctionTick", "the schedule of dispatch"),
    ):
        invented = deployed.physical_name(deployed.STACK, logical)
        rule = control[logical]["Properties"].get("Name", invented)
        arn = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{rule}"
        yield Thing(f"rule/{logical}", title, arn, tagged(control[logical]))
    topic = tagged(control["AlarmTopic"])
    yield Thing("topic/alarms", "the topic of alarms", _named("sns", "AlarmTopic"), topic)
    alarm = _named("cloudwatch", "DispatchErrors").replace(":acme-", ":alarm:acme-")
    yield Thing("alarm/dispatch", "an alarm", alarm, tagged(control["DispatchErrors"]))
    board = f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{deployed.STACK}"
    yield Thing("dashboard/own", "the dashboard", board, tagged(control["Dashboard"]))
    for name, title, logical in (
        ("dispatch", "the log of dispatch", "DispatchLogs"),
        ("last-words", "the log of last words", "LastWords"),
    ):
        group = control[logical]["Properties"]["LogGroupName"]
        arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"
        yield Thing(f"log/{name}", title, arn, tagged(control[logical]))
        yield Thing(f"log/{name}-stream", f"a stream of {title}", f"{arn}:log-stream:i-0c", {})


def _named(service: str, logical_id: str) -> str:
    name = deployed.physical_name(deployed.STACK, logical_id)
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{name}"


def stacks() -> Iterator[Thing]:
    for name, title, stack in (
        ("control", "the control plane's stack", deployed.STACK),
        ("queue", "the queue's stack", f"{deployed.STACK}-linux"),
        ("queue-2", "another queue's stack", f"{deployed.STACK}-linux2"),
        ("stack-2", "another control plane's stack", deployed.OTHER_STACK),
    ):
        arn = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{stack}/0c2d9f60"
        yield Thing(f"stack/{name}", title, arn, {})


def account() -> Iterator[Thing]:
    """Actions that IAM checks for no resource: for Mayfly by a key of the request, and all."""
    reap = _lambda(f"function:{deployed.STACK}-reap")
    for name, title, keys, only in (
        (
            "mapping/new",
            "a new event source mapping of a function of Mayfly",
            {"lambda:FunctionArn": reap},
            "lambda:CreateEventSourceMapping",
        ),
        (
            "alarm/metric",
            "a metric of Mayfly",
            {"cloudwatch:namespace": "Mayfly"},
            "cloudwatch:PutMetricData",
        ),
    ):
        yield Thing(name, title, "*", keys, takes=_is(only))
    for service in SERVICES_IN_USE:
        yield Thing(
            f"account/{service}", f"the account, by {service}", "*", {}, takes=_is(f"{service}:")
        )


def _is(beginning: str) -> Callable[[Action], bool]:
    return lambda action: action.name.startswith(beginning)
