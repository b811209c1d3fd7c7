"""The view of `reap`: what one tick knows of records, of EC2 and of the hosts' reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from mayfly.answers import Ec2Instance
from mayfly.errors import Failure
from mayfly.records.model import Claim, Instance, SlotKey, Stray
from mayfly.records.prices import Prices
from mayfly_protocol.report import Report


@dataclass(frozen=True, slots=True)
class ReapView:
    """What `reap` knows of all open instances, or of some."""

    instances: tuple[Instance, ...]
    seen: Mapping[str, Ec2Instance]
    """EC2's instances with the stack's tag, by instance id."""
    reports: Mapping[str, Report]
    """By mailbox row, of bootstrap and sandbox rows."""
    running: Mapping[SlotKey, Claim]
    """Running claims, by slot."""
    ended: Mapping[SlotKey, Instance | None]
    """Slots of running claims with a closed instance, and the instance; None without a record. From
    consistent reads."""
    open_launches: frozenset[str]
    """Launch ids without a recorded answer: no record has the ids of their instances yet."""
    strays: Mapping[str, Stray]
    """Known strays, by EC2 instance id."""
    unknown: frozenset[str]
    """Ids of living EC2 instances without an open record, by consistent reads."""
    keep_failed: Mapping[str, timedelta]
    """By queue: how long a host that was never ready is kept for a look."""
    finished: Mapping[SlotKey, Claim] = field(default_factory=dict)
    """Finished claims of open instances that still seem busy, by slot. From consistent reads."""
    owing: tuple[Instance, ...] = ()
    """Closed instances that still owe their last words."""
    unreadable: frozenset[str] = frozenset()
    """Ids of living EC2 instances with a record that cannot be read."""
    unanswered: Failure | None = None
    """Why EC2 has not shown its instances: then `seen` is empty and says nothing."""
    told: frozenset[str] = frozenset()
    """Ids of instances whose end EC2's events tell: no fact yet, but a cause to ask."""
    prices: Prices | None = None
    """EC2's prices as last read; None where nobody knows them."""
    consoles: Mapping[str, str] = field(default_factory=dict)
    """By EC2 instance id, of instances that end without a report of it (see `wants_console`)."""
