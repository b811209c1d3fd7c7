"""One invocation of each function: parse the event, tick while there is work, report.

Each function returns the outcome of its ticks as a JSON object.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from mayfly import observe, wiring
from mayfly.dispatch.loop import dispatch_until_replaced
from mayfly.events import Nudged, ParameterCall, SpotWarning, StateChanged, parse, read_messages
from mayfly.observe import Context
from mayfly.provision.audit import name_who
from mayfly.provision.loop import provision_until_quiet
from mayfly.reap import tick as reaping
from mayfly.reap.loop import reap_and_look_again, reap_messages
from mayfly.sandbox.loop import sandbox_while_open
from mayfly.settings import DispatchSettings
from mayfly.tick.edge import Edge
from mayfly.tick.outcome import Outcome

log = logging.getLogger("mayfly")

RESERVE = timedelta(seconds=8)
"""Time kept free at the end of an invocation, so Lambda cuts off no tick."""
NUDGED_STAY = timedelta(seconds=10)
"""Longest time that a nudged `sandbox` stays for a profile swap under way."""
MESSAGES_STAY = timedelta(seconds=20)
"""Longest time of `reap` for one batch: spot warnings, which give two minutes, wait behind it."""


@observe.invocation
def dispatch(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Tick until the next invocation takes over the lease.

    Raises TokenRefused at the end, after the report, where Buildkite refused the agent token, and
    Transient where Buildkite or the records did not answer all along: an alarm watches for errors.
    """
    ports, settings = wiring.dispatch(), wiring.settings(DispatchSettings)
    parse(event)
    owner = f"{settings.account}/{settings.region}/{settings.stack}"
    edge = _edge(context)
    outcome = dispatch_until_replaced(ports, owner, context.aws_request_id, edge)
    answer = _report(outcome)
    if failure := outcome.refusal or outcome.idle:
        raise failure
    return answer


@observe.invocation
def provision(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Tick until there is nothing more to launch."""
    ports = wiring.provision()
    seen = parse(event)
    outcome = provision_until_quiet(ports, _edge(context), nudged=isinstance(seen, Nudged))
    if isinstance(seen, ParameterCall):
        # After the tick, which records the change where no tick has done so yet.
        name_who(ports, seen, outcome)
    return _report(outcome)


@observe.invocation
def sandbox(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Tick while instances are being set up; after a nudge, only while a change is imminent."""
    ports = wiring.sandbox()
    nudged = isinstance(parse(event), Nudged)
    edge = _edge(context, at_most=NUDGED_STAY if nudged else None)
    return _report(sandbox_while_open(ports, edge, nudged=nudged))


@observe.invocation
def reap(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Tick for all instances, or for those of EC2's events; foreign instances are ignored."""
    ports, edge = wiring.reap(), _edge(context)
    match parse(event):
        case Nudged():
            edge = _edge(context, at_most=MESSAGES_STAY)
            return _report(reap_messages(ports, read_messages(event), edge))
        case SpotWarning() | StateChanged() as seen:
            return _report(reaping.on_events(ports, [seen], edge))
        case _:
            return _report(reap_and_look_again(ports, edge))


def utc_now() -> datetime:
    """The current time in UTC: the only clock of the functions."""
    return datetime.now(UTC)


def _edge(context: Context, at_most: timedelta | None = None) -> Edge:
    left = timedelta(milliseconds=context.get_remaining_time_in_millis()) - RESERVE
    stay = left if at_most is None else min(left, at_most)
    return Edge(utc_now, time.sleep, utc_now() + stay)


def _report(outcome: Outcome) -> dict[str, Any]:
    """Log the outcome and count its metrics, alarms included. Returns the JSON object."""
    answer = outcome.as_dict()
    for metric, number in outcome.metrics():
        observe.count(metric, number)
    for series, values in outcome.of_queues.all():
        observe.measure(series, values)
    for problem, about in outcome.unlogged.items():
        log.error("%s", problem, extra=about)
    for each in outcome.held.values():
        if each.is_logged:
            log.warning("%s", each.line, extra=each.about)
    for metric, reason in outcome.alarms:
        if reason in outcome.told:
            continue
        log.warning("%s: %s", metric, reason)
    log.info("tick", extra={"outcome": answer})
    return answer
