"""What a report for operators says, for the screen, as JSON, and as one HTML file. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from mayfly_cli.html_report import operators
from mayfly_cli.html_report.model import Fact, Report, Tone
from mayfly_cli.operations.screen import Document, Mood, Span, columns, line, table
from mayfly_cli.operations.words import at, count, lasted
from mayfly_cli.past.cost import Cost

_HEADS = columns("QUEUE", ">MOST JOBS WAITING", ">FEWEST HOT INSTANCES", ">HOURS BELOW TARGET")
_SCREEN = {"screen": True}
"""Of a field that JSON leaves out."""


@dataclass(frozen=True, slots=True)
class OperatorReport:
    """Queues by hour, failed launches, cost, and changes of some time."""

    stack: str
    region: str
    since: datetime
    now: datetime
    hours: tuple[operators.QueueHours, ...]
    """Queues without an hour of which all claims are known have no entry."""
    failed_launches: tuple[operators.Cause, ...]
    cost: Cost
    changes: tuple[operators.Change, ...]
    """In order of time."""
    needy: tuple[str, ...]
    """Queues that need a person now."""
    left_out: tuple[str, ...]
    """What the report does not have, a sentence each."""
    complete: bool
    """Whether everything that was kept of this time was read."""
    file: str = field(default="", metadata=_SCREEN)
    """The file that has the report as HTML; empty for none."""

    @property
    def needs_person(self) -> bool:
        """Never: a history is no verdict."""
        return False

    @property
    def verdict(self) -> str:
        """The report in one line."""
        needs = f"{len(self.needy)} need{'s' if len(self.needy) == 1 else ''}"
        now = f"{needs} a person now: {', '.join(self.needy)}" if self.needy else "all is well now"
        read = "" if self.complete else "; not everything was read"
        return f"{lasted(self.now - self.since)}, {count(len(self.hours), 'queue')}, {now}{read}"

    def document(self) -> Document:
        """The verdict, a row for each queue, the gravest causes, and where the rest is."""
        rows = [(each.queue, *_extremes(each)) for each in self.hours]
        found: Document = (
            line(Span(f"{self.stack} · {self.region}", Mood.STRONG), f" · {self.verdict}"),
            table(_HEADS, rows),
        )
        for cause in self.failed_launches[:5]:
            failed = f"{count(cause.launches, 'failed launch', 'failed launches')}"
            found += (line(cause.queue, "  ", Span(failed, Mood.BAD), f" {cause.text}"),)
        spent = sum(row.usd or 0 for row in self.cost.rows) + self.cost.idle_pool_usd
        found += (line(f"${spent:.2f}, {count(len(self.changes), 'change')}; {self.cost.prices}"),)
        if self.left_out:
            found += (line(Span("Not in the report:", Mood.FAINT)),)
        found += tuple(line(Span(each, Mood.FAINT), indent=2) for each in self.left_out)
        said = f"written: {self.file}" if self.file else "the whole report: --html FILE, or --json"
        return (*found, line(said))

    def picture(self) -> Report:
        """The report for the renderer of HTML."""
        left = (Fact("Left out", each) for each in self.left_out)
        return Report(
            title=f"mayfly report · stack {self.stack}, {self.region}",
            verdict=self.verdict,
            tone=Tone.GOOD if self.complete and not self.needy else Tone.MIXED,
            facts=(
                Fact("From", f"{at(self.since, self.now)} UTC"),
                Fact("To", f"{self.now:%Y-%m-%d %H:%M} UTC"),
                *left,
            ),
            sections=(
                operators.Hours(self.hours, self.changes),
                operators.Launches(self.failed_launches),
                _costs(self.cost),
                operators.Changes(self.changes),
            ),
        )


def _extremes(queue: operators.QueueHours) -> tuple[str, str, str]:
    hot = [hour.hot for hour in queue.hours if hour.hot is not None]
    told = [
        hour.hot < hour.target
        for hour in queue.hours
        if hour.hot is not None and hour.target is not None
    ]
    most = max(hour.waiting for hour in queue.hours)
    return str(most), str(min(hot)) if hot else "-", f"{sum(told)} of {len(told)}" if told else "-"


def _costs(cost: Cost) -> operators.Costs:
    unpriced = ""
    if cost.unpriced_hours:
        unpriced = f" {cost.unpriced_hours:.1f} hours of instances have no known price."
    stopped = f" {str(cost.stopped_pool).capitalize()}." if cost.stopped_pool.instances else ""
    prices = f"{cost.prices[:1].upper()}{cost.prices[1:]}.{unpriced}{stopped}"
    rows = (operators.Cost(r.name, r.jobs, r.hours, r.usd, r.spot) for r in cost.rows)
    return operators.Costs(tuple(rows), cost.idle_pool_usd, prices)
