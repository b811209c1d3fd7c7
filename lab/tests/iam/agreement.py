"""Compares the verdicts of our evaluator and of the independent one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from iam.cases import Case
from iam.simulator import Simulator, Told
from mayfly.iam.evaluation import Statement, Verdict, evaluate


@dataclass(frozen=True, slots=True)
class Compared:
    """A case with both verdicts."""

    case: Case
    ours: Verdict
    theirs: Told

    @property
    def difference(self) -> str:
        """How the verdicts differ; empty when they agree."""
        ours, theirs = self.ours, self.theirs
        if theirs.error:
            return f"the independent evaluator refuses the request: {theirs.error}"
        if theirs.result != _word(ours):
            return f"ours says {_word(ours)}, the independent evaluator {theirs.result}"
        decided = theirs.allowed_by if ours.allowed else theirs.denied_by
        if ours.sid is not None and decided is not None and ours.sid not in decided:
            return f"ours names the statement {ours.sid}, the independent evaluator {decided}"
        return ""

    def __str__(self) -> str:
        """The request, both verdicts, and the policies, for a person who must find the error."""
        case, ours, theirs = self.case, self.ours, self.theirs
        return "\n".join(
            (
                f"{case.title}: {self.difference}",
                f"  caller   {case.caller.arn}",
                f"  request  {case.request.action} on {case.request.resource}",
                f"  context  {json.dumps(dict(case.request.context), default=list)}",
                f"  ours     {_word(ours)} by {ours.by}, statement {ours.sid}",
                f"  theirs   {theirs.result or theirs.error}, ignored keys {list(theirs.ignored)}",
                f"           allowed by {theirs.allowed_by}, denied by {theirs.denied_by}",
                *_shown(case),
            )
        )


def compare(simulator: Simulator, cases: Sequence[Case]) -> list[Compared]:
    """Each case with both verdicts, in order."""
    theirs = simulator.judge(cases)
    return [
        Compared(case, evaluate(case.request, case.caller, case.policies), told)
        for case, told in zip(cases, theirs, strict=True)
    ]


def _word(verdict: Verdict) -> str:
    if verdict.allowed:
        return "Allowed"
    return "ExplicitlyDenied" if verdict.explicit else "ImplicitlyDenied"


def _shown(case: Case) -> Iterator[str]:
    """The statements that are about the request's action or service, with their policies."""
    service = case.request.action.partition(":")[0].lower()
    policies = case.policies
    named = [
        *((f"identity policy {at}", each) for at, each in enumerate(policies.identity)),
        ("boundary", policies.boundary or ()),
        ("session policy", policies.session or ()),
        ("resource policy", policies.resource),
    ]
    for name, statements in named:
        for statement in statements:
            if _about(statement, service):
                yield f"  {name}: {json.dumps(statement)}"


def _about(statement: Statement, service: str) -> bool:
    actions = json.dumps(statement.get("Action", "*")).lower()
    return f'"{service}:' in actions or '"*' in actions
