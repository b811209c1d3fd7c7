"""`mayfly doctor` for a screen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mayfly.scrubbing import scrub
from mayfly_cli.doctor.deployment import NotLookedAt, QueueHealth
from mayfly_cli.findings import Finding, Verdict
from mayfly_cli.operations.screen import (
    Block,
    Cell,
    Document,
    Hint,
    Mood,
    Span,
    columns,
    line,
    table,
)
from mayfly_cli.operations.words import count

_MOODS = {
    Verdict.OK: Mood.GOOD,
    Verdict.WARNING: Mood.NOTICE,
    Verdict.WRONG: Mood.BAD,
    Verdict.UNKNOWN: Mood.NOTICE,
}


def document(
    findings: Sequence[Finding], queues: Sequence[QueueHealth], left: Sequence[NotLookedAt]
) -> Document:
    """One row a finding, what to do, and what was not looked at.

    What is well with a queue is one row: a stack may have many queues.
    """
    rows = [_row(each.subject, each) for each in findings]
    told = [("", each) for each in findings]
    for queue in queues:
        every = (*queue.findings, *queue.deployment)
        bad = [each for each in every if each.verdict is not Verdict.OK]
        rows += [_row(f"{queue.queue}: {each.subject}", each) for each in bad]
        told += [(queue.queue, each) for each in bad]
        if good := _good(queue):
            rows.append((queue.queue, Span(Verdict.OK.value, Mood.GOOD), good))
    return (
        table(columns("SUBJECT", "VERDICT", "DETAIL"), rows),
        *_remedies(told),
        *_left(left),
    )


def _row(subject: str, finding: Finding) -> tuple[Cell, ...]:
    # A detail may quote what AWS said.
    verdict = Span(finding.verdict.value, _MOODS[finding.verdict])
    return subject, verdict, scrub(finding.detail)


def _good(queue: QueueHealth) -> str:
    """What is well: of the records by name, of the deployment by number."""
    own = [f"{f.subject}: {f.detail}" for f in queue.findings if f.verdict is Verdict.OK]
    deployed = sum(1 for each in queue.deployment if each.verdict is Verdict.OK)
    more = [f"{count(deployed, 'more check')} of its deployment"] if deployed else []
    return "; ".join([*own, *more])


def _remedies(told: Iterable[tuple[str, Finding]]) -> Iterator[Block]:
    """What to do, once for all subjects that the same command mends."""
    subjects: dict[str, list[str]] = {}
    for queue, each in told:
        if each.remedy:
            name = f"{queue}: {each.subject}" if queue else each.subject
            subjects.setdefault(each.remedy, []).append(name)
    for remedy, names in subjects.items():
        yield line("")
        yield line(", ".join(names))
        for command in remedy.splitlines():
            yield Hint(command)


def _left(left: Sequence[NotLookedAt]) -> Iterator[Block]:
    if left:
        yield line("")
        yield line(Span("Not looked at", Mood.STRONG))
    for each in left:
        yield line(f"{', '.join(each.subjects)}: {scrub(each.why)}", indent=2)
