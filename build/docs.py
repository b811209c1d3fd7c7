"""Generates the blocks of README.md and docs/ from the product's code.

`python -m build.docs` names the stale documents and exits with 1; with `--write` it renews them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from build.blocks import ROOT, Documents, main, table
from mayfly.config import rules
from mayfly.config.parameters import DESCRIPTIONS
from mayfly.metrics import NAMESPACE, Metric, Service
from mayfly.records.states import CLAIM_STATES, INSTANCE_STATES, LAUNCH_STATES
from mayfly.records.why import Code
from mayfly_cli.preflight.rights import SECRETS_KEY, of_templates
from mayfly_cli.templates.reading import read
from mayfly_protocol.agent_settings import KNOWN, REFUSED


def parameters() -> str:
    """Table of a queue's parameters, from the model that parses them."""
    return table(
        ("parameter", "what it is", "allowed", "default"),
        (
            (f"`{about.name}`", about.meaning, about.allowed, about.default)
            for about in DESCRIPTIONS.values()
        ),
    )


class StateWithEdges(Protocol):
    """A row of a table of states, with the state's successors."""

    @property
    def edges(self) -> Mapping[Any, str]:
        """By next state: the cause of the change."""


class StateWithDeadline(Protocol):
    """A row of a table of states, with the state's deadline."""

    @property
    def deadline(self) -> timedelta | None:
        """The longest time in the state; None for no limit."""


def diagram(states: Mapping[Any, StateWithEdges]) -> str:
    """A Mermaid state diagram without causes; `edges` lists the causes."""
    first = next(iter(states))
    arrows = [f"    [*] --> {first}"]
    for old, traits in states.items():
        arrows.extend(f"    {old} --> {new}" for new in traits.edges)
        if not traits.edges:
            arrows.append(f"    {old} --> [*]")
    return "\n".join(["```mermaid", "stateDiagram-v2", *arrows, "```"])


def edges(states: Mapping[Any, StateWithEdges]) -> str:
    """Table of all edges with their causes."""
    return table(
        ("from", "to", "because"),
        (
            (f"`{old}`", f"`{new}`", cause)
            for old, traits in states.items()
            for new, cause in traits.edges.items()
        ),
    )


def deadlines() -> str:
    """Table of the states that have a deadline."""
    records = (*_deadlines("claim", CLAIM_STATES), *_deadlines("instance", INSTANCE_STATES))
    return table(("record", "state", "at most"), records)


def _deadlines(
    record: str, states: Mapping[Any, StateWithDeadline]
) -> Iterator[tuple[str, str, str]]:
    for state, traits in states.items():
        if traits.deadline is not None:
            yield record, f"`{state}`", _minutes(traits.deadline)


def _minutes(limit: timedelta) -> str:
    if limit < timedelta(minutes=1):
        return f"{limit.total_seconds():g} s"
    return f"{limit / timedelta(minutes=1):g} min"


def trusted_keys() -> str:
    """Table of the keys that policy rules may have."""
    return table(("key", "values"), ((f"`{key}`", what) for key, what in rules.KEYS.items()))


def refused_keys() -> str:
    """Table of the keys that policy rules cannot have, grouped by reason."""
    return _by_reason(("not a key", "why"), rules.REFUSED_KEYS)


def refused_settings() -> str:
    """Table of the agent settings that `agent/config` refuses, grouped by reason."""
    return _by_reason(("cannot be set", "why"), REFUSED)


def allowed_settings() -> str:
    """List of the agent settings that are known to be harmless."""
    return ", ".join(f"`{name}`" for name in sorted(KNOWN))


def metrics() -> str:
    """Table of all metrics, with their dimensions, functions and alarms in both templates."""
    alarms = {**_alarms(ROOT / "template.yaml"), **_alarms(ROOT / "stacks/queue.yaml")}
    return table(
        (
            f"metric in `{NAMESPACE}`",
            "unit",
            "dimensions",
            "sent by",
            "sent",
            "meaning",
            "alarm",
        ),
        (
            (
                f"`{metric}`",
                metric.unit,
                _names(metric.dimensions),
                "any" if metric.services == tuple(Service) else _names(metric.services),
                metric.kind.sent if metric.of_queue else "after invocations",
                metric.meaning,
                _names(alarms.get(metric, ())) or "none",
            )
            for metric in Metric
        ),
    )


def reasons() -> str:
    """Table of the codes of reasons, the gravest first."""
    return table(
        ("code", "meaning", "needs a person", "ends by itself", "what helps"),
        (
            (
                f"`{code}`",
                code.meaning,
                "yes" if code.needs_person else "no",
                "yes" if code.ends_by_itself else "no",
                code.remedy or "nothing but time",
            )
            for code in Code
        ),
    )


def deployer_rights() -> str:
    """Table of the actions that a deployer needs, by service."""
    always, rights = of_templates(), of_templates([SECRETS_KEY])
    services = sorted({each.partition(":")[0] for each in rights.create | rights.later})
    others = {each.partition(":")[0] for each in always.create}
    return table(
        ("service", "the first deployment", "besides, for upgrades, rollbacks and `uninstall`"),
        (
            (
                f"`{service}`" + ("" if service in others else ", for `SecretsKey=own`"),
                _of(service, rights.create),
                _of(service, rights.later),
            )
            for service in services
        ),
    )


def queue_stack_parameters() -> str:
    """Table of the parameters of a queue's stack that have a default."""
    parameters = read(ROOT / "stacks" / "queue.yaml")["Parameters"]
    return table(
        ("parameter", "default", "meaning"),
        (
            (
                f"`{name}`",
                f"`{slot['Default']}`" if slot["Default"] != "" else "empty",
                slot["Description"].replace("<", "&lt;"),
            )
            for name, slot in parameters.items()
            if "Default" in slot
        ),
    )


def _of(service: str, actions: Iterable[str]) -> str:
    names = sorted(each.partition(":")[2] for each in actions if each.startswith(f"{service}:"))
    return _names(names) or "none"


def _alarms(template: Path) -> Mapping[str, list[str]]:
    """By metric of Mayfly's namespace: the names of the alarms on the metric."""
    found: dict[str, list[str]] = {}
    for name, resource in read(template)["Resources"].items():
        if resource["Type"] != "AWS::CloudWatch::Alarm":
            continue
        properties = resource["Properties"]
        own = properties.get("AlarmName", {"Fn::Sub": name})
        queries = (each.get("MetricStat", {}) for each in properties.get("Metrics", ()))
        watched = [properties, *(each.get("Metric", {}) for each in queries)]
        for metric in {w["MetricName"] for w in watched if w.get("Namespace") == NAMESPACE}:
            found.setdefault(metric, []).append(str(own["Fn::Sub"]).rpartition("/")[2])
    return found


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _by_reason(head: Iterable[str], reasons: Mapping[str, str]) -> str:
    grouped: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        grouped.setdefault(reason, []).append(f"`{name}`")
    return table(head, ((", ".join(names), reason) for reason, names in grouped.items()))


BLOCKS: Mapping[str, Callable[[], str]] = {
    "parameters": parameters,
    "policy-keys": trusted_keys,
    "policy-refused-keys": refused_keys,
    "agent-settings": allowed_settings,
    "agent-refused-settings": refused_settings,
    "claim-diagram": lambda: diagram(CLAIM_STATES),
    "claim-edges": lambda: edges(CLAIM_STATES),
    "instance-diagram": lambda: diagram(INSTANCE_STATES),
    "instance-edges": lambda: edges(INSTANCE_STATES),
    "launch-edges": lambda: edges(LAUNCH_STATES),
    "deadlines": deadlines,
    "metrics": metrics,
    "reasons": reasons,
    "deployer-rights": deployer_rights,
    "queue-stack-parameters": queue_stack_parameters,
}
DOCUMENTS = Documents(("README.md", "docs/operating.md", "docs/first-day.md"), BLOCKS)


if __name__ == "__main__":
    main(DOCUMENTS)
