"""Findings about a stack, from its records and from what was read of its account. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from mayfly.config.paths import unknown_paths
from mayfly.config.problem import printable
from mayfly.records.model import Stray
from mayfly_cli.doctor.deployment import (
    NotLookedAt,
    QueueHealth,
    not_looked_at,
    of_control,
    of_queue,
)
from mayfly_cli.doctor.screen import document
from mayfly_cli.doctor.survey import Survey
from mayfly_cli.findings import Finding, Unknown, Verdict, ok, unknown, warning, wrong
from mayfly_cli.operations.mending import mends
from mayfly_cli.operations.reading import QueueView, StackView
from mayfly_cli.operations.screen import Document
from mayfly_cli.operations.tuning import LONGEST, Stored
from mayfly_cli.operations.words import at, count
from mayfly_cli.status.found import buildkite_word

QUIET = timedelta(minutes=5)
"""A function with reasons about a queue writes them once a minute; longer silence is a fault."""
_MAY_NOT = re.compile(r"may not ([a-z0-9-]+:[A-Za-z]+)")


@dataclass(frozen=True, slots=True)
class Health:
    """What the doctor found."""

    stack: str
    now: datetime
    findings: tuple[Finding, ...]
    """About the stack as a whole."""
    queues: tuple[QueueHealth, ...]
    not_looked_at: tuple[NotLookedAt, ...]

    @property
    def needs_person(self) -> bool:
        """Whether a finding is wrong. What could not be read is listed, and is no fault."""
        return any(each.verdict is Verdict.WRONG for each in self.every)

    @property
    def every(self) -> Iterator[Finding]:
        """All findings, of the stack and of its queues."""
        yield from self.findings
        for each in self.queues:
            yield from (*each.findings, *each.deployment)

    def document(self) -> Document:
        """See `screen`."""
        return document(self.findings, self.queues, self.not_looked_at)


def health(
    view: StackView, strays: Sequence[Stray], survey: Survey, queues_of_stack: Sequence[str] = ()
) -> Health:
    """All findings about the view's queues.

    `queues_of_stack` names all queues of a stack that has more than the view.
    """
    names = queues_of_stack or [each.queue for each in view.queues]
    whole = [
        *_dispatch(view),
        *_alarms(survey.alarms),
        _strays(strays),
        *_paths(view.stack, names, survey.parameters),
        *of_control(view.stack, survey),
    ]
    queues = [
        QueueHealth(each.queue, tuple(_queue(each, view.now)), _deployment(each, survey))
        for each in view.queues
    ]
    unread = {"": whole, **{q.queue: (*q.findings, *q.deployment) for q in queues}}
    left = tuple(not_looked_at(unread))
    return Health(
        stack=view.stack,
        now=view.now,
        findings=(_rights(left), *_read(whole)),
        queues=tuple(
            replace(q, findings=_read(q.findings), deployment=_read(q.deployment)) for q in queues
        ),
        not_looked_at=left,
    )


def _read(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(each for each in findings if each.verdict is not Verdict.UNKNOWN)


def _deployment(view: QueueView, survey: Survey) -> tuple[Finding, ...]:
    mine = survey.queues.get(view.queue)
    return () if mine is None else tuple(of_queue(mine, survey.seen.region))


def _rights(left: Iterable[NotLookedAt]) -> Finding:
    lacking = sorted({action for each in left for action in _MAY_NOT.findall(each.why)})
    if not lacking:
        return ok("rights", "the caller may read all that this command asks AWS for")
    detail = f"the caller may not {', '.join(lacking)}: what needs these actions is not looked at"
    return warning("rights", detail)


def _dispatch(view: StackView) -> Iterator[Finding]:
    """Findings about the lease, and about what Buildkite answers its holder."""
    word, lease = buildkite_word(view.lease, view.now), view.lease
    since = "" if word.since is None else f" since {at(word.since, view.now)}"
    if lease is None or word.token == "unknown":  # noqa: S105 - a verdict
        remedy = f"aws logs tail --since 1h /aws/lambda/{view.stack}-dispatch"
        yield wrong("lease", f"{word.reason}{since}, so no job is taken", remedy)
        yield unknown("token", f"only dispatch asks Buildkite, and {word.reason}")
        return
    until = at(lease.until, view.now, seconds=True)
    yield ok("lease", f"the function dispatch runs, and holds its lease until {until}")
    if word.token == "good":  # noqa: S105 - a verdict
        listed = "" if word.listed_at is None else f", last list {at(word.listed_at, view.now)}"
        yield ok("token", f"Buildkite takes the agent token{listed}")
        return
    remedy = "docs/operating.md#when-something-fails: put a new token into the token's parameter"
    yield wrong("token", f"Buildkite refuses the agent token{since}: {word.reason}", remedy)


def _alarms(alarms: Sequence[Mapping[str, Any]] | Unknown) -> Iterator[Finding]:
    if isinstance(alarms, Unknown):
        yield unknown("alarms", alarms.reason)
        yield unknown("dead letters", alarms.reason)
        return
    ringing = [each for each in alarms if each["StateValue"] == "ALARM"]
    letters = [each for each in alarms if "DeadLettersWaiting" in each["AlarmName"]]
    for each in ringing:
        yield wrong(each["AlarmName"], printable(each.get("StateReason", ""), 300))
    if not ringing:
        yield ok("alarms", f"none of {count(len(alarms), 'alarm')} is in ALARM")
    if not letters:
        yield unknown("dead letters", "the stack has no alarm DeadLettersWaiting")
    elif not any(each in ringing for each in letters):
        detail = f"no event was given up: {letters[0]['AlarmName']} is {letters[0]['StateValue']}"
        yield ok("dead letters", detail)


def _queue(view: QueueView, now: datetime) -> Iterator[Finding]:
    subject = "configuration"
    if not view.record.active:
        yield warning("stack", "it is gone; its last instances end")
        return
    for each in view.record.problems:
        yield wrong(subject, printable(each, LONGEST), "\n".join(mends(view.queue, each)))
    for each in view.record.warnings:
        yield warning(subject, printable(each, LONGEST))
    if view.config is not None and not view.record.problems:
        yield ok(subject, "in force")
    for why in view.reasons:
        if why.code.needs_person:
            yield wrong(why.code.value, why.text, f"mayfly explain {view.queue}")
    for said in view.standings:
        if said.says_something and now - said.at > QUIET:
            yield wrong(said.function, f"has said nothing since {at(said.at, now)}")
    yield from _instances(view, now)


def _instances(view: QueueView, now: datetime) -> Iterator[Finding]:
    """Findings about the spec of instances, and about their roles."""
    old = [i for i in view.instances if i.spec != view.record.spec and i.job is None]
    number, spec = count(len(view.instances), "instance"), view.record.spec
    if old:
        detail = (
            f"{len(old)} of {number} without a job are of an earlier configuration, and are being"
            f" replaced (now {spec})"
        )
        yield warning("spec", detail)
    else:
        yield ok("spec", f"{number} of the current configuration ({spec})")
    roles = view.record.roles
    if roles is None:
        yield unknown("roles", "provision has not read the queue's roles yet")
    elif not roles.refused:
        yield ok("roles", f"allowed, as IAM had them at {at(roles.at, now)}")


def _strays(strays: Sequence[Stray]) -> Finding:
    if not strays:
        return ok("strays", "Mayfly has a record of each instance")
    names = ", ".join(each.instance_id for each in strays[:5])
    detail = f"{count(len(strays), 'instance')} of which Mayfly has no record: {names}"
    return warning("strays", detail, "docs/operating.md#when-something-fails")


def _paths(
    stack: str, queues: Sequence[str], parameters: Mapping[str, Stored] | Unknown
) -> Iterator[Finding]:
    if isinstance(parameters, Unknown):
        yield unknown("parameters", parameters.reason)
        return
    strange = list(unknown_paths(stack, parameters, queues))
    for each in strange:
        yield wrong("parameters", each.detail, each.removal)
    if not strange:
        yield ok("parameters", f"{count(len(parameters), 'parameter')}, each of a known queue")
