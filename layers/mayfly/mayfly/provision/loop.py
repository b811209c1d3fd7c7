"""The loop of `provision`: ticks until nothing is left to launch, then asks for a later tick."""

from __future__ import annotations

from datetime import datetime, timedelta

from mayfly.provision import tick as provision
from mayfly.provision.ports import ProvisionPorts
from mayfly.records.standing import PROVISION
from mayfly.tick.edge import Edge
from mayfly.tick.outcome import Outcome
from mayfly.tick.standings import Standings

PROVISION_PACE = timedelta(seconds=2)
"""Time to the first repetition of a tick that left work."""
SLOWEST_PACE = timedelta(seconds=16)
"""The pace doubles up to this while AWS does not do what a tick asks."""
SCHEDULE = timedelta(minutes=1)
"""The schedule's period: its next tick asks for whatever is due later."""


def provision_until_quiet(ports: ProvisionPorts, edge: Edge, *, nudged: bool) -> Outcome:
    """Tick until a tick launches nothing and leaves nothing, or time is up.

    One tick starts at most one launch per queue. Where the last tick can tell when it would decide
    otherwise, a delayed nudge brings a tick at that time. Waiting here instead would keep one of
    the two invocations that SQS may start, and other jobs' nudges with it. Returns the outcomes
    of all ticks, added up.

    A call that AWS throttles is repeated ever more rarely: each repetition uses up calls of the
    account's rate, which other software of the account needs too.
    """
    total, pace = Outcome(), PROVISION_PACE
    standings = Standings(ports.fleet, PROVISION)
    while True:
        started = edge.clock()
        outcome = provision.tick(ports, edge, nudged=nudged, told=total.told, standings=standings)
        total.add(outcome)
        if not outcome.launched and not outcome.unfinished:
            break
        if outcome.launched or outcome.lost_races:
            pace = PROVISION_PACE
        if not edge.wait(started, pace if outcome.unfinished else timedelta(0)):
            break
        pace = min(2 * pace, SLOWEST_PACE)
    _ask_again(ports, total, edge.clock())
    return total


def _ask_again(ports: ProvisionPorts, total: Outcome, now: datetime) -> None:
    """Send a nudge that arrives when the last tick wants to be repeated, at most a minute later.

    One nudge under way is enough: without this memory each nudge of a burst would start a chain.
    """
    due, asked = total.again, ports.asked.due
    if due is None or due - now >= SCHEDULE or (asked is not None and now < asked <= due):
        return
    with total.noting("the nudge for a later tick"):
        ports.nudges.send("a wait ends", max(due - now, timedelta(0)))
        ports.asked.due = due
