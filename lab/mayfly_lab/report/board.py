"""The table that a terminal shows while a lab runs: what has not ended, in at most 80 columns."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from buildkite_emulator import JobView
from mayfly.records.model import Instance
from mayfly_lab.report.show import instance_id, plain

_GOOD = frozenset({"passed", "soft_failed", "canceled", "skipped"})
_WIDE = 70
"""Columns of a terminal that has room for every column."""
_BAR = 20
"""Columns of the progress bar."""


@dataclass(frozen=True, slots=True)
class Board:
    """What the table shows."""

    jobs: Sequence[JobView]
    instances: Sequence[Instance]
    """Every instance so far."""
    now: datetime
    seconds: float
    """Seconds since the run's start."""

    def shown(self, lines: int, columns: int) -> RenderableType:
        """The table, in at most so many lines; what has no room is counted."""
        wide = columns >= _WIDE
        running = [job for job in self.jobs if job.outcome is None]
        there = [i for i in self.instances if i.open and i.instance_id]
        room = max(lines - 6, 2)
        jobs = min(len(running), max(room // 2, room - len(there)))
        parts = [Text(), self._head(running, there, wide)]
        if running:
            parts.append(self._jobs(running[:jobs], wide))
            parts += _further(running[jobs:], "jobs")
        if there:
            parts.append(self._instances(there[: room - jobs], wide))
            parts += _further(there[room - jobs :], "instances")
        return Group(*parts)

    def _head(
        self, running: Collection[JobView], there: Collection[Instance], wide: bool
    ) -> RenderableType:
        """How far everything is: a bar, then the same in words."""
        ended = len(self.jobs) - len(running)
        failed = sum(job.outcome not in _GOOD for job in self.jobs if job.outcome is not None)
        words = Text(f"{ended} of {len(self.jobs)} jobs ended" if self.jobs else "no job yet")
        if failed:
            words.append(f", {failed} failed", "red")
        words.append(f"; {len(there)} instances; {self.seconds:.0f} s")
        words.no_wrap = True
        if not wide:
            return words
        grid = Table.grid(padding=(0, 1))
        grid.add_row(ProgressBar(max(len(self.jobs), 1), ended, width=_BAR), words)
        return grid

    def _jobs(self, jobs: Sequence[JobView], wide: bool) -> Table:
        table = _table()
        table.add_column("job", ratio=1, no_wrap=True)
        table.add_column("state", width=9, no_wrap=True)
        table.add_column("s", width=7, justify="right", no_wrap=True)
        if wide:
            table.add_column("queue", max_width=10, no_wrap=True)
            table.add_column("instance", width=19, no_wrap=True)
        for job in jobs:
            since = job.timeline.runnable
            age = "" if since is None else f"{(self.now - since).total_seconds():.1f}"
            running = "bold" if job.state == "running" else ""
            cells = [Text(plain(job.name), running), Text(str(job.state), running), Text(age)]
            if wide:
                cells += [Text(job.queue), Text(instance_id(job.agent_name))]
            table.add_row(*cells)
        return table

    def _instances(self, instances: Sequence[Instance], wide: bool) -> Table:
        names = {job.id: plain(job.name) for job in self.jobs}
        table = _table()
        table.add_column("instance", width=19, no_wrap=True)
        table.add_column("profile", width=9, no_wrap=True)
        if wide:
            table.add_column("state", width=12, no_wrap=True)
            table.add_column("queue", max_width=10, no_wrap=True)
        table.add_column("job", ratio=1, no_wrap=True)
        for each in instances:
            profile = Text("sandbox", "green") if each.proven else Text("bootstrap", "yellow")
            cells = [Text(each.instance_id or ""), profile]
            if wide:
                cells += [Text(str(each.state)), Text(each.queue)]
            table.add_row(*cells, Text(names.get(each.job or "", "-")))
        return table


def _table() -> Table:
    return Table(box=None, expand=True, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")


def _further(left_out: Collection[object], what: str) -> list[RenderableType]:
    return [Text(f"and {len(left_out)} more {what}", "dim")] if left_out else []
