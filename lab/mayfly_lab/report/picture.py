"""The report as one HTML file, for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from mayfly_cli.html_report import model
from mayfly_cli.html_report.render import page
from mayfly_lab.report.phases import spans
from mayfly_lab.report.result import Result
from mayfly_lab.report.show import plain
from mayfly_lab.report.timeline import InstanceLine, JobLine

_TONES = {"passed": model.Tone.GOOD, "soft_failed": model.Tone.MIXED}
_MIXED = frozenset({"canceled", "skipped"})


def write(path: Path, result: Result) -> None:
    """Write the report as HTML. Raises OSError where the file cannot be written."""
    path.write_text(page(report(result)), encoding="utf-8")


def report(result: Result) -> model.Report:
    """The report with the numbers of the result, in seconds since the first build began."""
    numbers = {line.id: number for number, line in enumerate(result.jobs, start=1)}
    instances = {i.id: _instance(i, numbers) for i in result.instances}
    jobs = tuple(_job(numbers[line.id], line, instances) for line in result.jobs)
    used = {line.instance for line in result.jobs}
    idle = tuple(each for name, each in instances.items() if name not in used)
    when = datetime.fromtimestamp(result.began, UTC)
    return model.Report(
        title=result.command,
        verdict=f"{result.verdict[:1].upper()}{result.verdict[1:]}",
        tone=model.Tone.GOOD if result.passed else model.Tone.BAD,
        facts=(
            model.Fact("Began", f"{when:%Y-%m-%d %H:%M:%S} UTC"),
            model.Fact("Took", f"{result.seconds:.0f} s"),
            *(model.Fact(name, value) for name, value in result.facts),
        ),
        sections=(
            model.Checks(
                tuple(model.Check(each.name, each.promise, each.broken) for each in result.checks)
            ),
            model.Chart("seconds since the build began", jobs, idle),
            model.Jobs(jobs),
            _waits(result),
            model.Instances(tuple(instances.values())),
            *_incidents(result),
        ),
    )


def _job(number: int, line: JobLine, instances: dict[str, model.Instance]) -> model.Job:
    return model.Job(
        number=number,
        id=line.id,
        label=plain(line.label),
        queue=line.queue,
        path=model.Path(line.path or model.Path.NONE),
        outcome=line.outcome,
        tone=_tone(line.outcome),
        exit_status=line.exit_status,
        signal_reason=line.signal_reason,
        instance=instances.get(line.instance),
        attempt=line.attempt,
        agent=line.agent,
        reason=line.reason,
        spans=tuple(
            model.Span(s.phase, round(line.began + s.begin, 3), round(line.began + s.end, 3))
            for s in spans(line.path, line.seconds)
        ),
        notes=tuple(model.Note(at, text) for at, text in line.notes),
        log_tail=line.log_tail,
    )


def _tone(outcome: str) -> model.Tone:
    return _TONES.get(outcome, model.Tone.MIXED if outcome in _MIXED else model.Tone.BAD)


def _instance(line: InstanceLine, numbers: dict[str, int]) -> model.Instance:
    return model.Instance(
        id=line.id,
        queue=line.queue,
        bands=tuple(_bands(line)),
        reason=line.reason,
        job=numbers.get(line.job),
    )


def _bands(line: InstanceLine) -> Iterator[model.Band]:
    """A band for each time in which a profile was served; no band spans a stop."""
    begins = [at for at, _ in line.profiles]
    last = max([line.ended or 0.0, *begins, *(at for at, _ in line.states)])
    ends = [*begins[1:], line.ended or last]
    for (begin, name), end in zip(line.profiles, ends, strict=True):
        for since, until in _powered(begin, end, line.off):
            yield model.Band(name, round(line.launched + since, 3), round(line.launched + until, 3))


def _powered(
    begin: float, end: float, off: Sequence[tuple[float, float | None]]
) -> Iterator[tuple[float, float]]:
    """The parts of a time that lie outside of the times in `off`, which are in order."""
    for since, until in off:
        if begin < min(since, end):
            yield begin, min(since, end)
        begin = max(begin, end if until is None else until)
    if begin < end:
        yield begin, end


def _waits(result: Result) -> model.Waits:
    return model.Waits(
        tuple(model.Wait(model.Path(w.path), w.phase, w.jobs, w.p50, w.p99) for w in result.waits)
    )


def _incidents(result: Result) -> Sequence[model.Section]:
    """Alarms, and faults where the command turned on any."""
    before = result.began - result.started
    alarms = model.Alarms(
        tuple(
            model.Alarm(
                each.name,
                round(each.since - before, 3),
                None if each.until is None else round(each.until - before, 3),
                each.description,
                each.reason,
            )
            for each in result.alarms
        )
    )
    faults = tuple(model.Fault(each.text, each.meaning, each.strikes) for each in result.faults)
    return (alarms, model.Faults(faults)) if faults else (alarms,)
