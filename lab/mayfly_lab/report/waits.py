"""How long jobs waited, by path and phase."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mayfly_cli.html_report.model import Path, Phase
from mayfly_cli.operations.waiting import nearest
from mayfly_lab.report.phases import spans
from mayfly_lab.report.timeline import JobLine


@dataclass(frozen=True, slots=True)
class Wait:
    """Percentiles of one phase over the jobs of one path, in seconds.

    Without a phase: the whole wait, from runnable to the begin of the command.
    """

    path: str
    phase: Phase | None
    jobs: int
    p50: float
    p99: float


def waits(lines: Sequence[JobLine]) -> list[Wait]:
    """One value for each path and phase that a job went through, then the path's whole wait."""
    return [wait for path in Path for wait in _of_path(path, lines)]


def _of_path(path: Path, lines: Sequence[JobLine]) -> Iterator[Wait]:
    began = [line for line in lines if line.path == path and "command" in line.seconds]
    found: dict[Phase, list[float]] = defaultdict(list)
    for line in began:
        for span in spans(line.path, line.seconds):
            if span.phase not in {Phase.COMMAND, Phase.END}:
                found[span.phase].append(span.seconds)
    for phase in Phase:
        if phase in found:
            yield _wait(path, phase, found[phase])
    if began:
        yield _wait(path, None, [line.seconds["command"] for line in began])


def _wait(path: Path, phase: Phase | None, seconds: Sequence[float]) -> Wait:
    ordered = sorted(seconds)
    return Wait(path, phase, len(ordered), nearest(ordered, 50), nearest(ordered, 99))
