"""Agent query rules of a job, matched against the tags that a queue offers.

An agent that acquires a job by id takes the job whatever the agent's own tags are (Buildkite's
reference of `buildkite-agent start --acquire-job`), so Mayfly alone checks the rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mayfly.config.queue import QueueConfig
from mayfly.config.tags import ARCHITECTURE_KEYS, ARCHITECTURE_NAMES, TYPE_KEYS
from mayfly.records.model import Shape


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The reason why a queue cannot serve a job: the failed rule, and what the queue offers."""

    rule: str
    reason: str


def shape_for(config: QueueConfig, rules: Sequence[str]) -> Shape | Mismatch:
    """The shape that a job needs, or the job's first rule that this queue does not meet.

    A rule is `key=value`, or `key=*` or `key` for any value. A job may narrow the instance types
    of its queue by `instance-type=…`. A job without a queue rule matches: Buildkite lists the job
    only in its cluster's default queue.
    """
    types = config.instance_types
    offered = {"queue": config.queue, **config.tags}
    for rule in rules:
        key, _, value = (part.strip() for part in rule.partition("="))
        wildcard = value in {"", "*"}
        if key in ARCHITECTURE_KEYS:
            if not wildcard and ARCHITECTURE_NAMES.get(value) != config.architecture:
                return Mismatch(rule, f"the queue's architecture is {config.architecture}")
        elif key in TYPE_KEYS:
            types = tuple(name for name in types if wildcard or name == value)
            if not types:
                known = ", ".join(config.instance_types)
                return Mismatch(rule, f"the queue's instance types are {known}")
        elif key not in offered:
            return Mismatch(rule, f"the queue has no tag {key}")
        elif not wildcard and offered[key] != value:
            return Mismatch(rule, f"the queue offers {key}={offered[key]}")
    return Shape(config.queue, config.architecture, types, config.purchase)


def is_offered(config: QueueConfig, shape: Shape) -> bool:
    """Whether a job of the queue, as it is configured now, could need this shape."""
    common = (config.queue, config.architecture, config.purchase)
    return (shape.queue, shape.architecture, shape.purchase) == common and (
        set(shape.instance_types) <= set(config.instance_types)
    )


def offer(config: QueueConfig, shape: Shape) -> Mapping[str, str]:
    """Agent tags on an instance of this shape, as far as they are known before launch."""
    single = {"instance-type": shape.instance_types[0]} if len(shape.instance_types) == 1 else {}
    return {"queue": config.queue, "arch": shape.architecture, **single, **config.tags}


def agent_tags(config: QueueConfig, shape: Shape) -> str:
    """The tags of `offer` in the agent's notation: `queue=…,arch=…`."""
    return ",".join(f"{key}={value}" for key, value in offer(config, shape).items())
