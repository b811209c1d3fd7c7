"""Instances that live, each with its job. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mayfly.records.model import Instance
from mayfly_cli.operations.reading import StackView, newest_first
from mayfly_cli.operations.screen import Document, columns, line, table
from mayfly_cli.operations.words import job_title, lasted


@dataclass(frozen=True, slots=True)
class Shown:
    """One instance."""

    instance: str | None
    """The instance's EC2 id; None until EC2 has answered the launch."""
    slot: str
    """Launch and number, by which the instance's record is found."""
    queue: str
    state: str
    since: datetime
    launched: datetime
    instance_type: str
    zone: str
    market: str
    usd_an_hour: str
    """At the launch, as a decimal number; empty for an unknown price."""
    job: str | None
    title: str
    """The job's name for a person; empty without a job."""
    reason: str
    """Why the instance is in its state."""
    start_after: datetime | None = None
    """When a stopped instance may be started again that EC2 did not start; None where now."""

    @property
    def kind(self) -> str:
        """Type, market and zone, without those that are unknown."""
        return " ".join(filter(None, (self.instance_type, self.market, self.zone)))


@dataclass(frozen=True, slots=True)
class Instances:
    """The instances of a stack, the newest first within each queue."""

    stack: str
    now: datetime
    instances: tuple[Shown, ...]

    @property
    def needs_person(self) -> bool:
        """Never: a list is no verdict."""
        return False

    def document(self) -> Document:
        """One row an instance."""
        if not self.instances:
            return (line("no instances"),)
        heads = columns("INSTANCE", "QUEUE", "STATE", ">SINCE", "TYPE", "JOB OR REASON")
        rows = [
            (
                each.instance or "(no id yet)",
                each.queue,
                each.state,
                lasted(self.now - each.since),
                each.kind or "-",
                each.title or _why(each, self.now),
            )
            for each in self.instances
        ]
        return (table(heads, rows),)


def instances_of(view: StackView) -> Instances:
    """The instances of these queues."""
    titles = {claim.job: job_title(claim) for queue in view.queues for claim in queue.claims}
    shown = [
        shown_of(each, titles.get(each.job or "", each.job or ""))
        for queue in view.queues
        for each in newest_first(queue.instances)
    ]
    return Instances(view.stack, view.now, tuple(shown))


def _why(shown: Shown, now: datetime) -> str:
    if shown.start_after is None or shown.start_after <= now:
        return shown.reason
    again = f"may be started again in {lasted(shown.start_after - now)}"
    return f"{shown.reason.removesuffix('.')}, {again}"


def shown_of(instance: Instance, title: str) -> Shown:
    """An instance with the title of its job."""
    return Shown(
        instance=instance.instance_id,
        slot=str(instance.key),
        queue=instance.queue,
        state=str(instance.state),
        since=instance.since,
        launched=instance.created,
        instance_type=instance.instance_type,
        zone=instance.zone,
        market=instance.market,
        usd_an_hour=instance.price,
        job=instance.job,
        title=title,
        reason=instance.reason,
        start_after=instance.start_after,
    )
