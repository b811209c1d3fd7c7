"""How long jobs waited, hot and cold, and in which phase. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mayfly.records.model import Claim, Instance, SlotKey
from mayfly_cli.operations.screen import Document, columns, line, table
from mayfly_cli.operations.waiting import nearest, wait_of
from mayfly_cli.past.reading import Past

_SHARES = (">RESERVING", ">PLACING", ">STARTING")
_MEANING = (
    "shares of the waits: until Buildkite took the reservation, until an instance was there, until "
    "an agent had the job"
)


@dataclass(frozen=True, slots=True)
class Row:
    """The waits of one queue or pipeline on one path."""

    name: str
    path: str
    """`hot`: the instance was there before the job; `cold`: launched later; `unknown`."""
    jobs: int
    p50: float
    """Seconds from runnable to accepted; the job's log begins a moment later."""
    p99: float
    reserving: float
    """Share of the waits until Buildkite took the reservation, from 0 to 1."""
    placing: float
    """Share until an instance was there."""
    starting: float
    """Share until an agent had the job."""


@dataclass(frozen=True, slots=True)
class Waits:
    """The waits of jobs that began."""

    stack: str
    since: datetime
    by: str
    rows: tuple[Row, ...]
    complete: bool

    @property
    def needs_person(self) -> bool:
        """Never: figures are no verdict."""
        return False

    def document(self) -> Document:
        """One row for each name and path."""
        if not self.rows:
            return (line("no job began in this time"),)
        heads = columns(self.by.upper(), "PATH", ">JOBS", ">P50", ">P99", *_SHARES)
        rows = [
            (
                each.name,
                each.path,
                str(each.jobs),
                f"{each.p50:.1f}s",
                f"{each.p99:.1f}s",
                f"{each.reserving:.0%}",
                f"{each.placing:.0%}",
                f"{each.starting:.0%}",
            )
            for each in self.rows
        ]
        more = () if self.complete else (line("there are more jobs: give a shorter --since"),)
        return (table(heads, rows), line(_MEANING), *more)


def waits_of(past: Past, by: str) -> Waits:
    """The waits by `queue` or `pipeline`."""
    launched = {each.key: each for each in past.instances}
    groups: dict[tuple[str, str], list[Claim]] = {}
    for claim in past.claims:
        if wait_of(claim) is not None:
            name = claim.queue if by == "queue" else claim.pipeline
            groups.setdefault((name, _path(claim, launched)), []).append(claim)
    rows = tuple(_row(name, path, claims) for (name, path), claims in sorted(groups.items()))
    return Waits(past.stack, past.start, by, rows, past.complete)


def _path(claim: Claim, launched: Mapping[SlotKey, Instance]) -> str:
    instance = launched.get(claim.slot) if claim.slot is not None else None
    if instance is None:
        return "unknown"
    return "hot" if instance.created < claim.runnable_at else "cold"


def _row(name: str, path: str, claims: Sequence[Claim]) -> Row:
    waits = sorted(wait for wait in map(wait_of, claims) if wait is not None)
    parts = [_parts(claim) for claim in claims]
    sums = [sum(part[at] for part in parts) for at in range(3)]
    whole = sum(sums) or 1.0
    shares = [round(each / whole, 3) for each in sums]
    return Row(name, path, len(waits), nearest(waits, 50), nearest(waits, 99), *shares)


def _parts(claim: Claim) -> tuple[float, float, float]:
    """Seconds of the three phases; a phase without a time counts to the next one."""
    phases, begin = claim.phases, claim.runnable_at
    accepted = phases.accepted or begin
    assigned = phases.assigned or accepted
    reserved = phases.reserved or begin
    spans = (reserved - begin, assigned - reserved, accepted - assigned)
    first, second, third = (max(each.total_seconds(), 0.0) for each in spans)
    return first, second, third
