"""Preflight's findings about a deployed stack, by what was read of it. Pure.

A caller reads with the rights of a viewer: what needs more is not looked at, and is no fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from mayfly.config.queue import QueueConfig
from mayfly_cli.doctor.stacks import Stack, state
from mayfly_cli.doctor.survey import QueueSurvey, Survey
from mayfly_cli.findings import Finding, Unknown, Verdict, unknown
from mayfly_cli.preflight import (
    checks_account,
    checks_buildkite,
    checks_instances,
    checks_keys,
    checks_network,
)
from mayfly_cli.preflight.answers import Answers

OF_DISPATCH_ALONE = (
    "needs the agent token, which dispatch alone may decrypt: mayfly preflight looks at it with a "
    "deployer's rights, and dispatch's lease says whether Buildkite takes the token"
)
_OF_TOKEN = ("token's value", "token at Buildkite", "token's queues", "token's limits")
_OF_CONTROL = {"TokenParameter", "TokenKmsKey"}
_ADVICE = frozenset(
    {"zones", "addresses", "quota lambda", "quota spot", "quota on-demand", "agent version"}
)
"""Subjects that hold up no job at present: wrong before a deployment, a warning after it."""


@dataclass(frozen=True, slots=True)
class QueueHealth:
    """What the doctor found about one queue."""

    queue: str
    findings: tuple[Finding, ...]
    deployment: tuple[Finding, ...]
    """Preflight's findings, with the values of the deployed stacks."""


@dataclass(frozen=True, slots=True)
class NotLookedAt:
    """Subjects that could not be read."""

    why: str
    """With the missing action, where the caller lacks a right."""
    subjects: tuple[str, ...]


def of_control(stack: str, survey: Survey) -> list[Finding]:
    """Findings about the control plane's deployment."""
    found = [state("control stack", survey.control, survey.seen.region)]
    found += checks_account.of_deployed(survey.seen)
    if isinstance(survey.control, Stack) and survey.control.parameters.keys() >= _OF_CONTROL:
        given = Answers(stack, survey.control.parameters, {}, QueueConfig(""))
        found += [
            each
            for each in checks_buildkite.parameter(given, survey.seen)
            # Whether its value can be read is not asked: see `_OF_TOKEN`.
            if not (each.verdict is Verdict.UNKNOWN and "cannot read its value" in each.detail)
        ]
    return [
        *map(_advised, found),
        *(unknown(subject, OF_DISPATCH_ALONE) for subject in _OF_TOKEN),
    ]


def of_queue(queue: QueueSurvey, region: str) -> list[Finding]:
    """Findings about one queue's deployment."""
    found = [state("stack", queue.stack, region)]
    answers, seen = queue.answers, queue.seen
    if isinstance(answers, Unknown) or seen is None:
        if not isinstance(queue.stack, Unknown) and isinstance(answers, Unknown):
            found.append(unknown("its deployment", answers.reason))
        return found
    deployed = (*checks_network.check(answers, seen), *checks_instances.check(answers, seen))
    # The queue's record has the warnings about its configuration in force.
    found += [_advised(each) for each in deployed if each.verdict is not Verdict.WARNING]
    return [*found, *checks_keys.check(answers, seen)]


def _advised(finding: Finding) -> Finding:
    if finding.verdict is Verdict.WRONG and finding.subject in _ADVICE:
        return replace(finding, verdict=Verdict.WARNING)
    return finding


def not_looked_at(findings: Mapping[str, Iterable[Finding]]) -> Iterator[NotLookedAt]:
    """Unknown findings, by their reason; `findings` are by queue, `""` for none."""
    subjects: dict[str, dict[str, list[str]]] = {}
    for queue, mine in findings.items():
        for each in mine:
            if each.verdict is Verdict.UNKNOWN:
                subjects.setdefault(each.detail, {}).setdefault(each.subject, []).append(queue)
    for why, named in subjects.items():
        yield NotLookedAt(why, tuple(_named(subject, queues) for subject, queues in named.items()))


def _named(subject: str, queues: list[str]) -> str:
    of = [queue for queue in queues if queue]
    return f"{subject} ({', '.join(of)})" if of else subject
