"""The decisions of a lab's journal as cases, and the rights that they exercised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from iam.cases import Case
from mayfly.iam.evaluation import Request, Statement, as_list, decide
from mayfly.iam.matching import like
from mayfly_lab.aws.front.call import Decided, Kind
from mayfly_lab.aws.front.journal import Entry, Journal


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """An action that a statement of a principal's policies allows."""

    who: str
    """The function, the kind of a host's role, or the person."""
    sid: str
    action: str
    """As the statement spells it, with its wildcards."""


def decided(journal: Journal) -> Iterator[tuple[Entry, Decided]]:
    """Each decision once, with the first call that needed it; not those on administrators."""
    seen: set[tuple[str, int]] = set()
    for entry in journal:
        for each in entry.iam:
            if entry.kind != Kind.ADMINISTRATOR and (entry.principal, id(each)) not in seen:
                seen.add((entry.principal, id(each)))
                yield entry, each


def without_mapping(journal: Journal) -> list[str]:
    """The calls, of anybody, that the lab could not turn into IAM's requests."""
    return [
        f"{entry.kind} {entry.principal}: {entry.service}:{entry.operation}: {each.sid}"
        for entry in journal
        for each in entry.iam
        if each.policies is None
    ]


def cases(journal: Journal) -> Iterator[Case]:
    """The decisions that were made by policies."""
    for entry, each in decided(journal):
        if each.caller is not None and each.policies is not None:
            title = f"{who(entry, each)} calls {entry.service}:{entry.operation}"
            request = Request(each.action, each.resource, each.context)
            yield Case(title, request, each.caller, each.policies)


def exercised(journal: Journal) -> tuple[set[Right], set[Right]]:
    """All rights of the principals that called, and those that let a request through.

    A right is exercised by a request that its statement alone would allow.
    """
    every: set[Right] = set()
    used: set[Right] = set()
    for entry, each in decided(journal):
        if each.policies is None:
            continue
        request = Request(each.action, each.resource, each.context)
        for statement in (s for policy in each.policies.identity for s in policy):
            rights = _rights(who(entry, each), statement)
            every |= rights.keys()
            if each.allowed and decide(request, [statement]).allowed:
                used |= {right for right, action in rights.items() if _names(action, request)}
    return every, used


def who(entry: Entry, each: Decided) -> str:
    """The function or person by name, a host by the kind of its role."""
    if entry.kind == Kind.FUNCTION:
        return str(each.context["lambda:SourceFunctionArn"]).rpartition("-")[2]
    if entry.kind == Kind.PERSON and each.caller is not None:
        return each.caller.arn.rpartition("/")[2]
    return entry.kind


def _rights(who: str, statement: Statement) -> Mapping[Right, str]:
    if statement["Effect"] != "Allow":
        return {}
    actions = map(str, as_list(statement.get("Action", ())))
    return {Right(who, str(statement.get("Sid")), action): action for action in actions}


def _names(action: str, request: Request) -> bool:
    return like(action.lower(), request.action.lower(), request)
