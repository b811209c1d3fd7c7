"""Checks statements against the service authorization data: what of them can never hold.

Source: Service Authorization Reference, whose data the independent evaluator brings along.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from iam.globs import arns_overlap, overlap, pattern
from iam.simulator import Action, ResourceType, Simulator
from mayfly.iam.conditions import conditions_hold
from mayfly.iam.evaluation import Request, Statement, as_list

_PER_TYPE = ("aws:resourcetag/", "aws:requesttag/", "aws:tagkeys")
"""Global keys that a request has only where the action's row of the reference names them."""
_ANYWHERE = ResourceType("*", "*", ())
"""In place of a type, for an action that has no types."""


def findings(statement: Statement, simulator: Simulator) -> Iterator[str]:
    """What is wrong with a statement: unknown words, and parts that cannot hold."""
    keys = tuple(_keys(statement))
    for operator, key in keys:
        yield from _of_condition(operator, key, simulator)
        if operator.startswith("ForAllValues:") and not _must_be_there(key, statement):
            yield f"{operator} holds for a request without {key}: the statement needs Null, too"
    for resource in as_list(statement.get("Resource", statement.get("NotResource", ()))):
        yield from _of_resource(str(resource), simulator)
    for asked in as_list(statement.get("Action", statement.get("NotAction"))):
        names = list(_named(str(asked), simulator))
        if not names:
            yield f"there is no action {asked}"
        elif names != ["*"] and "Action" in statement:
            actions = [each for each in simulator.describe(names).values() if each is not None]
            fitting = {action: tuple(_types(action, statement)) for action in actions}
            yield from _of_actions(str(asked), fitting, [key for _, key in keys], simulator)


def _keys(statement: Statement) -> Iterator[tuple[str, str]]:
    for operator, values in statement.get("Condition", {}).items():
        for key in values:
            yield operator, key


def _must_be_there(key: str, statement: Statement) -> bool:
    null = {k.lower(): v for k, v in statement["Condition"].get("Null", {}).items()}
    return str(null.get(key.lower())).lower() == "false"


def _of_condition(operator: str, key: str, simulator: Simulator) -> Iterator[str]:
    try:
        conditions_hold({"Condition": {operator: {key: "x"}}}, Request("", "", {key: "x"}))
    except KeyError:
        yield f"there is no operator {operator}"
    kind = simulator.kind(key)
    if kind is None:
        yield f"there is no condition key {key}"
    elif kind.startswith("ArrayOf") and operator != "Null" and ":" not in operator:
        yield f"{operator} needs ForAllValues or ForAnyValue for {key}, which has several values"


def _of_resource(resource: str, simulator: Simulator) -> Iterator[str]:
    """What is wrong with the ARN of a Resource.

    A wildcard must not stand for the type of a resource, such as `function` in `function:NAME`, and
    whether one spans a colon is not for a policy to rely on. Sources: IAM user guide, "Identify AWS
    resources with Amazon Resource Names", incorrect wildcard usage; "IAM JSON policy elements:
    Resource", wildcards.
    """
    if resource == "*":
        return
    parts = pattern(resource).split(":", 5)
    if len(parts) < 6 or parts[2] == "*":
        yield f"{resource} is not an ARN of six parts with a service"
        return
    kind, rest = _type(parts[5])
    if "*" not in kind and "?" not in kind:
        return
    kinds = {_type(form.split(":", 5)[5])[0] for form in simulator.resources(parts[2])}
    spelled = [each for each in kinds if "$" not in each and overlap(kind, each)]
    if spelled and (kind != "*" or rest):
        yield f"{resource} has a wildcard in the type, which may be {' or '.join(sorted(spelled))}"


def _type(resource: str) -> tuple[str, str]:
    """The last part of an ARN until its first `/` or `:`, and what follows."""
    match = re.match(r"((?:\$\{[^}]*\}|[^:/])*)(.*)", resource, re.DOTALL)
    assert match is not None
    return match[1], match[2]


def _named(asked: str, simulator: Simulator) -> Iterator[str]:
    """The actions that a pattern stands for; `*` for the pattern `*`."""
    if asked == "*":
        yield asked
        return
    service, _, name = asked.partition(":")
    for each in simulator.actions(service):
        if overlap(name.lower(), each.lower()):
            yield f"{service}:{each}"


def _of_actions(
    asked: str,
    fitting: Mapping[Action, Sequence[ResourceType]],
    keys: Sequence[str],
    simulator: Simulator,
) -> Iterator[str]:
    """Of a pattern of actions, one action must fit; of a name, its one action."""
    if not any(fitting.values()):
        yield f"{asked} has no resource that the statement names"
        return
    pairs = [(action, each) for action, types in fitting.items() for each in types]
    for key in keys:
        if not any(_has(action, each, key, simulator) for action, each in pairs):
            yield f"{asked} does not have the condition key {key} for a resource of the statement"


def _types(action: Action, statement: Statement) -> Iterator[ResourceType]:
    """The types of the action's resources of which the statement names some."""
    if "Resource" not in statement:
        yield from action.types or (_ANYWHERE,)
        return
    wanted = [pattern(str(each)) for each in as_list(statement["Resource"])]
    for each in action.types or (_ANYWHERE,):
        if each is _ANYWHERE:
            if "*" in wanted:
                yield each
        elif any(arns_overlap(one, pattern(each.arn)) for one in wanted):
            yield each


def _has(action: Action, of: ResourceType, key: str, simulator: Simulator) -> bool:
    """Whether requests of the action for this type of resource can have the key."""
    if not key.lower().startswith(_PER_TYPE) and _among(key, simulator.global_keys()):
        return True
    return _among(key, (*action.keys, *of.keys))


def _among(key: str, names: Sequence[str]) -> bool:
    """Whether a key is one of the names; a name may end in a variable, such as `${TagKey}`."""
    return any(overlap(key.lower(), pattern(_spelled(name)).lower()) for name in names)


def _spelled(name: str) -> str:
    return name.replace("tag-key", "*")
