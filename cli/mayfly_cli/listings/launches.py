"""Recent launches, and what became of their instances. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mayfly.records.model import Instance, Launch
from mayfly_cli.listings.causes import folded
from mayfly_cli.operations.screen import Document, Hint, Mood, Span, columns, line, table
from mayfly_cli.operations.words import at


@dataclass(frozen=True, slots=True)
class ShownLaunch:
    """One launch."""

    launch: str
    at: datetime
    queue: str
    shape: str
    market: str
    slots: int
    instances: tuple[str, ...]
    """Known EC2 ids, those of failed instances first."""
    failed: int
    """Slots that EC2 did not fill, and instances that ended before they were ready."""
    errors: tuple[str, ...]
    """EC2's errors, then the reasons of instances that failed; each once."""

    @property
    def outcome(self) -> str:
        """`2 launched`, or `1 of 2 failed`."""
        return f"{self.failed} of {self.slots} failed" if self.failed else f"{self.slots} launched"


@dataclass(frozen=True, slots=True)
class Launches:
    """The launches, the latest first."""

    stack: str
    now: datetime
    launches: tuple[ShownLaunch, ...]
    complete: bool
    """Whether these are all; False where there are more than the command reads."""

    @property
    def needs_person(self) -> bool:
        """Never: `status` says whether failures need a person."""
        return False

    def document(self) -> Document:
        """One row a launch, and how to read an instance's last words."""
        if not self.launches:
            return (line("no launches"),)
        heads = columns("AT", "QUEUE", "OUTCOME", "MARKET", "INSTANCES", "WHY")
        rows = [
            (
                at(each.at, self.now, seconds=True),
                each.queue,
                Span(each.outcome, Mood.BAD if each.failed else Mood.PLAIN),
                each.market,
                _ids(each.instances),
                "; ".join(folded(each.errors)),
            )
            for each in self.launches
        ]
        dead = next((e.instances[0] for e in self.launches if e.failed and e.instances), "")
        more = () if self.complete else (line("there are more: give a shorter --since"),)
        return (table(heads, rows), *more, *((Hint(f"mayfly logs {dead}"),) if dead else ()))


def _ids(ids: Sequence[str]) -> str:
    if not ids:
        return "-"
    return ids[0] if len(ids) == 1 else f"{ids[0]} +{len(ids) - 1}"


@dataclass(frozen=True, slots=True)
class Read:
    """Launches and instances that were read, open and ended."""

    launches: tuple[Launch, ...]
    instances: tuple[Instance, ...]
    complete: bool
    """Whether these are all."""


def launches_of(stack: str, now: datetime, read: Read, *, failed: bool) -> Launches:
    """The launches with their instances; with `failed`, only those with a failure."""
    by_launch: dict[str, list[Instance]] = {}
    for each in read.instances:
        by_launch.setdefault(each.key.launch, []).append(each)
    found = [_shown(launch, by_launch.get(launch.id, [])) for launch in read.launches]
    kept = sorted(
        (each for each in found if each.failed or not failed),
        key=lambda each: (each.at, each.launch),
        reverse=True,
    )
    return Launches(stack, now, tuple(kept), read.complete)


def _shown(launch: Launch, slots: Sequence[Instance]) -> ShownLaunch:
    dead = [each for each in slots if has_failed(each)]
    ordered = sorted(slots, key=lambda each: (not has_failed(each), each.key))
    reasons = [each.reason for each in dead if each.instance_id is not None]
    return ShownLaunch(
        launch=launch.id,
        at=launch.created,
        queue=launch.queue,
        shape=str(launch.shape),
        market=launch.market,
        slots=launch.slots,
        instances=tuple(each.instance_id for each in ordered if each.instance_id is not None),
        failed=len(dead),
        errors=tuple(dict.fromkeys([*launch.errors, *filter(None, reasons)])),
    )


def has_failed(instance: Instance) -> bool:
    """Whether the slot got no instance, or the instance ended before it was ever ready."""
    ended = not instance.state.traits.open or str(instance.state) == "condemned"
    return ended and not instance.proven and not instance.retired
