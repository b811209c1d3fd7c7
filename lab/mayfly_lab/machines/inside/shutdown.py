"""The order in which a machine stops units and network, as systemd does it.

Each unit is stopped once all units that are ordered after it have ended; units without an order
between them are stopped side by side. The network is one of them. Source: systemd.unit(5), Before=
and After=; seen on systemd 252 and 257.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

NETWORK = "network.target"
_NETWORK_TARGETS = {NETWORK, "network-online.target", "nss-lookup.target"}


@dataclass(frozen=True)
class Stop:
    """The stop of one unit."""

    name: str
    after: frozenset[str]
    """Units that end only after this unit has ended."""
    before: frozenset[str]
    """Units that end before this unit is stopped."""
    begin: Callable[[], object]
    """Asks the unit to end."""
    running: Callable[[], bool]
    kill: Callable[[], object]
    seconds: float
    """Time from `begin` to `kill`."""


class Order:
    """The stops of one shutdown. `turn` never waits."""

    def __init__(self, stops: Sequence[Stop]) -> None:
        self._waiting = list(stops)
        self._ending: dict[str, tuple[Stop, float]] = {}

    def turn(self, now: float) -> bool:
        """Begin, end and forget what is due at this time. Returns whether any unit is left."""
        for stop, until in list(self._ending.values()):
            if not stop.running():
                del self._ending[stop.name]
            elif now >= until:
                stop.kill()
        left = [*self._waiting, *(stop for stop, _ in self._ending.values())]
        for stop in [each for each in self._waiting if not _must_wait(each, left)]:
            self._waiting.remove(stop)
            self._ending[stop.name] = (stop, now + stop.seconds)
            stop.begin()
        return bool(self._waiting or self._ending)


def _must_wait(stop: Stop, left: Sequence[Stop]) -> bool:
    names = _NETWORK_TARGETS if stop.name == NETWORK else {stop.name}
    return any(
        names & other.after or other.name in stop.before for other in left if other is not stop
    )
