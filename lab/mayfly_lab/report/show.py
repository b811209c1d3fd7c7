"""The report as text: at most 80 columns, every text whole, no escape codes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from mayfly.batched import batched
from mayfly_lab.report.alarms import AlarmLine
from mayfly_lab.report.checks import Check
from mayfly_lab.report.result import Result
from mayfly_lab.report.screen import WIDTH, folded, row
from mayfly_lab.report.timeline import POINTS, InstanceLine, JobLine

_COLUMN = 7
_FIRST = 14
_INDENT = 4
_JOBS = (-2, 16, 8, 7, 14, -4, 19, -3)
_INSTANCES = (19, 8, -3, 46)
_CHECKS = (6, 14, 58)


def sections(result: Result, cold_floor: float) -> Iterator[Iterator[str]]:
    """The lines of each section of the report; `cold_floor` is as in `speed`."""
    numbers = {line.id: number for number, line in enumerate(result.jobs, start=1)}
    names = {line.id: plain(line.label) for line in result.jobs}
    yield jobs_table(result.jobs)
    yield instances_table(result.instances, numbers, names)
    yield speed(result.jobs, cold_floor)
    yield alarms_table(result.alarms)
    yield checks_table(result.checks, names)


def jobs_table(lines: Sequence[JobLine]) -> Iterator[str]:
    """Lines: a numbered list of the jobs, then a table of `POINTS` with a column for each job."""
    yield from row(("#", "job", "queue", "path", "outcome", "exit", "instance", "try"), _JOBS)
    for number, line in enumerate(lines, start=1):
        status = "" if line.exit_status is None else str(line.exit_status)
        yield from row(
            (
                str(number),
                plain(line.label),
                line.queue,
                line.path or "-",
                line.outcome,
                status,
                line.instance or "-",
                str(line.attempt or "-"),
            ),
            _JOBS,
        )
        if line.reason:
            yield from folded(line.reason, _INDENT)
        for at, text in line.notes:
            yield from folded(f"note at {at:.1f} s: {text}", _INDENT)
    before = 0
    for some in batched(lines, (WIDTH - _FIRST) // _COLUMN):
        yield ""
        yield from _seconds(some, before)
        before += len(some)


def plain(label: str) -> str:
    """A label without Buildkite's `:emoji:` words, which a terminal does not draw."""
    return re.sub(r":[a-z0-9_+-]+:", "", label).strip() or label


def instance_id(agent: str | None) -> str:
    """The instance's id, with which the name of an agent ends; empty for another name."""
    _, found, rest = (agent or "").rpartition("i-")
    return f"i-{rest}" if found else ""


def named(text: str, names: Mapping[str, str]) -> str:
    """The text with the name of a job in front of each id of a job; `names` are by id."""
    for job, name in names.items():
        text = text.replace(job, f"{name} ({job})")
    return text


def _seconds(lines: Sequence[JobLine], before: int) -> Iterator[str]:
    numbers = range(before + 1, before + 1 + len(lines))
    yield f"{'seconds since':<{_FIRST}}"
    yield f"{'runnable':<{_FIRST}}" + "".join(f"{'#' + str(n):>{_COLUMN}}" for n in numbers)
    for point in POINTS:
        cells = (line.seconds.get(point) for line in lines)
        shown = "".join(f"{'-' if s is None else format(s, '.2f'):>{_COLUMN}}" for s in cells)
        yield f"{point.replace('_', ' '):<{_FIRST}}{shown}"


def instances_table(
    lines: Sequence[InstanceLine], numbers: Mapping[str, int], names: Mapping[str, str]
) -> Iterator[str]:
    """Lines: each instance, the profiles that its metadata service served, and why it ended.

    `numbers` and `names` are of jobs, by id.
    """
    if not lines:
        yield "no instance was launched"
        return
    heading = ("instance", "queue", "job", "profile served, in seconds since its launch")
    yield from row(heading, _INSTANCES)
    for line in lines:
        job = f"#{numbers[line.job]}" if line.job in numbers else "-"
        served = ", ".join(f"{name} from {at:.2f}" for at, name in line.profiles)
        served += "".join(f"; {_stop(begin, end)}" for begin, end in line.off)
        yield from row((line.id, line.queue, job, served), _INSTANCES)
        if line.reason:
            yield from folded(named(line.reason, names), _INDENT)


def _stop(begin: float, end: float | None) -> str:
    return f"stopped from {begin:.2f}" + ("" if end is None else f" to {end:.2f}")


def speed(lines: Sequence[JobLine], cold_floor: float) -> Iterator[str]:
    """Lines: medians from runnable to the command's first output, by path.

    `cold_floor` is the sum of the lab's stated delays of EC2 and boot, in seconds.
    """
    for path in ("hot", "stopped", "cold"):
        times = [
            line.seconds["first_output"]
            for line in lines
            if line.path == path and line.attempt == 1 and "first_output" in line.seconds
        ]
        if not times:
            continue
        beyond = (
            f", {median(times) - cold_floor:.2f} s beyond the stated delays of {cold_floor:g} s"
        )
        yield from folded(
            f"{path:<7} runnable to first output: median {median(times):.2f} s of {len(times)}"
            f"{beyond if path == 'cold' else ''}",
            _INDENT,
            "",
        )


def alarms_table(lines: Sequence[AlarmLine]) -> Iterator[str]:
    """Lines: each time that an alarm was on, what the alarm means and why it went on."""
    if not lines:
        yield "no alarm fired"
    for line in lines:
        end = "the end" if line.until is None else f"{line.until:.1f} s"
        yield from folded(f"{line.name}: ALARM from {line.since:.1f} s to {end}", _INDENT, "")
        yield from folded(line.description, _INDENT)
        yield from folded(line.reason, _INDENT)


def checks_table(checks: Sequence[Check], names: Mapping[str, str]) -> Iterator[str]:
    """Lines: every check with its promise and its violations; `names` are of jobs, by id."""
    for check in checks:
        yield from row(("held" if check.held else "BROKEN", check.name, check.promise), _CHECKS)
        for line in check.broken:
            yield from folded(named(line, names), _INDENT + 4)
