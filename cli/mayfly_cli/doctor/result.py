"""Findings about a stack, from its records, parameters and alarms. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mayfly.config.paths import unknown_paths
from mayfly.config.problem import printable
from mayfly.records.model import Stray
from mayfly_cli.findings import Finding, Verdict, ok, unknown, warning, wrong
from mayfly_cli.operations.reading import QueueView, StackView
from mayfly_cli.operations.screen import Block, Document, Hint, Mood, Span, columns, line, table
from mayfly_cli.operations.tuning import Stored
from mayfly_cli.operations.words import at, count
from mayfly_cli.status.found import buildkite_word

QUIET = timedelta(minutes=5)
"""A function with reasons about a queue writes them once a minute; longer silence is a fault."""
_MOODS = {
    Verdict.OK: Mood.GOOD,
    Verdict.WARNING: Mood.NOTICE,
    Verdict.WRONG: Mood.BAD,
    Verdict.UNKNOWN: Mood.NOTICE,
}


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm of the stack."""

    name: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class Health:
    """What the doctor found."""

    stack: str
    now: datetime
    findings: tuple[Finding, ...]

    @property
    def needs_person(self) -> bool:
        """Whether a finding is wrong, or a subject could not be read."""
        return any(each.verdict in {Verdict.WRONG, Verdict.UNKNOWN} for each in self.findings)

    def document(self) -> Document:
        """One row a finding, then what to do."""
        rows = [
            (each.subject, Span(each.verdict.value, _MOODS[each.verdict]), each.detail)
            for each in self.findings
        ]
        found: list[Block] = [table(columns("SUBJECT", "VERDICT", "DETAIL"), rows), line("")]
        for each in self.findings:
            if each.remedy:
                found += [line(f"{each.subject}:"), Hint(each.remedy)]
        found.append(
            line("Before a deployment: mayfly preflight, which needs a deployer's rights.")
        )
        return tuple(found)


def health(
    view: StackView,
    strays: Sequence[Stray],
    parameters: Mapping[str, Stored],
    alarms: Sequence[Alarm] | str,
) -> Health:
    """All findings; `alarms` is a text where they could not be read."""
    found = [
        _token(view),
        *_alarms(alarms),
        *(each for queue in view.queues for each in _queue(queue, view.now)),
        _strays(strays),
        *_paths(view, parameters),
    ]
    return Health(view.stack, view.now, tuple(found))


def _token(view: StackView) -> Finding:
    word = buildkite_word(view.lease, view.now)
    if word.token == "good":  # noqa: S105 - a verdict
        listed = "" if word.listed_at is None else f", last list {at(word.listed_at, view.now)}"
        return ok("Buildkite", f"the agent token is good{listed}")
    since = "" if word.since is None else f" since {at(word.since, view.now)}"
    remedy = "see the log of dispatch: mayfly changes, then docs/operating.md#when-something-fails"
    return wrong("Buildkite", f"token {word.token}{since}: {word.reason}", remedy)


def _alarms(alarms: Sequence[Alarm] | str) -> Iterator[Finding]:
    if isinstance(alarms, str):
        yield unknown("alarms", alarms)
        return
    ringing = [each for each in alarms if each.state == "ALARM"]
    for each in ringing:
        yield wrong(each.name, printable(each.reason, 300))
    if not ringing:
        yield ok("alarms", f"none of {len(alarms)} is on")


def _queue(view: QueueView, now: datetime) -> Iterator[Finding]:
    subject = f"queue {view.queue}"
    if not view.record.active:
        yield warning(subject, "its stack is gone; its last instances end")
        return
    for each in view.record.problems:
        name = each.split()[0].rstrip(":")
        yield wrong(subject, printable(each, 300), f"mayfly get {view.queue} {name}")
    for each in view.record.warnings:
        yield warning(subject, printable(each, 300))
    for why in view.reasons:
        if why.code.needs_person:
            yield wrong(subject, why.text, f"mayfly explain {view.queue}")
    old = [i for i in view.instances if i.spec != view.record.spec and i.job is None]
    if old:
        yield warning(
            subject, f"{count(len(old), 'idle instance')} of an older spec, being replaced"
        )
    for said in view.standings:
        if said.says_something and now - said.at > QUIET:
            yield wrong(subject, f"{said.function} has said nothing since {at(said.at, now)}")
    held = any(why.code.needs_person for why in view.reasons)
    if view.config is not None and not view.record.problems and not held:
        yield ok(subject, f"configuration in force, {count(len(view.instances), 'instance')}")


def _strays(strays: Sequence[Stray]) -> Finding:
    if not strays:
        return ok("strays", "no instance without a record")
    names = ", ".join(each.instance_id for each in strays[:5])
    return warning("strays", f"{count(len(strays), 'instance')} without a record: {names}")


def _paths(view: StackView, parameters: Mapping[str, Stored]) -> Iterator[Finding]:
    queues = [each.queue for each in view.queues]
    lines = list(unknown_paths(view.stack, parameters, queues))
    for each in lines:
        yield wrong("parameters", printable(each, 300))
    if not lines:
        yield ok("parameters", f"{count(len(parameters), 'parameter')}, each of a known queue")
