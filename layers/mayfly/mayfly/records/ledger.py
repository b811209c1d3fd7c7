"""The ledger of a queue: its account of launches, and of how boots and instances have ended."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

RECENT = timedelta(minutes=3)
"""How long a ledger names a launch: longer than the index has been seen to lag, which is told in
minutes at the worst (AWS names no bound)."""


@dataclass(frozen=True, slots=True)
class Boot:
    """The end of one boot of a shape: it failed, or it was proven after failures."""

    shape: str
    set_up: str
    """Spec and boot-minutes: what the boot depended on besides its shape."""
    launched: datetime
    at: datetime
    """When the boot ended."""
    cause: str = ""
    """Which instance failed and why; empty for one that was proven."""
    times: int = 1
    """Number of failed boots for which this note stands, of which it names the last."""


@dataclass(frozen=True, slots=True)
class Brake:
    """Boots of one shape that failed in a row, none of them proven since."""

    set_up: str
    """Spec and boot-minutes of these boots; a change of either makes failures count no more."""
    at: datetime
    """When the last one failed."""
    launched: datetime
    """When the youngest of them was launched."""
    failures: int = 0
    cause: str = ""
    """Which instance failed last, and why."""
    rounds: tuple[datetime, ...] = ()
    """Failures of instances that were launched after the failure before, oldest first."""
    trials: int = 0
    """How often the time of the next trial was set."""
    next_trial: datetime | None = None
    """No launch of the shape before this time; None while there were too few failures."""


@dataclass(frozen=True, slots=True)
class Losses:
    """Instances of one shape that were lost in a row."""

    rounds: int
    """Losses of instances that were launched after the loss before them."""
    at: datetime
    """When the last instance was lost."""
    cause: str
    """Which instance was lost last, and why."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """A queue's account of launches: one row, so overlapping ticks meet in a Conflict.

    The row is read by key and consistently; counts from an index could lag.
    """

    queue: str
    epoch: datetime
    """When the row was made: launch ids differ from those of a deleted stack of the same name."""
    next_launch: int = 0
    live: int = 0
    """Slots launched and not yet terminated."""
    freed: int = 0
    """Slots freed before this read; a save computes from it the slots freed since."""
    recent: tuple[tuple[datetime, int], ...] = ()
    """Launches within `RECENT`, all of them: time and number of slots."""
    retry_at: Mapping[str, datetime] = field(default_factory=dict)
    """By shape: no launch before this time, because EC2 had no capacity.

    A time that is over tells how old the shape's misses are, and is kept for `OLD_REFUSAL`.
    """
    misses: Mapping[str, int] = field(default_factory=dict)
    """By shape: consecutive launches for which EC2 had no capacity at all."""
    refusals: Mapping[str, str] = field(default_factory=dict)
    """By shape with misses: EC2's words at the last one."""
    losses: Mapping[str, Losses] = field(default_factory=dict)
    """By shape: instances that EC2 took back for lack of capacity before they were ready."""
    idle_ends: Mapping[str, Losses] = field(default_factory=dict)
    """By shape: ready instances that ended soon, without a job and not by Mayfly."""
    spot_dry_until: Mapping[str, datetime] = field(default_factory=dict)
    """By shape: end of the time in which `spot-then-on-demand` buys on demand."""
    dry_pools: Mapping[str, datetime] = field(default_factory=dict)
    """By pool of spot, as `type/subnet`: end of the time in which requests leave the pool out."""
    boots: tuple[Boot, ...] = ()
    """Boots that ended and are not counted in `brakes` yet. Appended without a version.

    A write that meets `MOST_NOTES` or more first merges them, which makes a new version.
    """
    counted: int = 0
    """Number of notes that this save has counted. The save removes them and keeps later ones."""
    brakes: Mapping[str, Brake] = field(default_factory=dict)
    """By shape: boots in a row that failed."""
    version: int = 0


def launch_id(stack: str, ledger: Ledger) -> str:
    """The id of the next launch: 32 hexadecimal digits.

    The id is derived from stack, queue, epoch and counter, so a reader of the ledger can compute
    the ids of earlier launches too.
    """
    name = f"{stack}/{ledger.queue}/{ledger.epoch.isoformat()}/{ledger.next_launch}"
    return hashlib.sha256(name.encode()).hexdigest()[:32]
