"""Agent query rules of a job, matched against the tags that a queue offers.

An agent that acquires a job by id takes the job whatever the agent's own tags are (Buildkite's
reference of `buildkite-agent start --acquire-job`), so Mayfly alone checks the rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from mayfly.config.queue import SPOT_FIRST_ATTEMPT, QueueConfig
from mayfly.config.tags import ARCHITECTURE_KEYS, ARCHITECTURE_NAMES, TYPE_KEYS
from mayfly.records.model import Claim, Shape

ON_DEMAND_ONLY = "on-demand-only"
"""Purchase of a shape for later attempts and retries in a queue with `spot-first-attempt`.

The name keeps its instances apart from ones that `spot-then-on-demand` may have bought as spot.
"""

_TYPES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The reason why a queue cannot serve a job: the failed rule, and what the queue offers."""

    rule: str
    reason: str


def shape_for(
    config: QueueConfig, rules: Sequence[str], *, repeated: bool = False
) -> Shape | Mismatch:
    """The shape that a job needs, or the job's first rule that this queue does not meet.

    A rule is `key=value`, or `key=*` or `key` for any value. A job may narrow the instance types
    of its queue by `instance-type=…`. A job without a queue rule matches: Buildkite lists the job
    only in its cluster's default queue. `repeated` is for a later attempt or a retry.
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
    return Shape(config.queue, config.architecture, types, _purchase(config, repeated=repeated))


def _purchase(config: QueueConfig, *, repeated: bool) -> str:
    if config.purchase != SPOT_FIRST_ATTEMPT:
        return config.purchase
    return ON_DEMAND_ONLY if repeated else "spot-then-on-demand"


def named(shape: Shape) -> str:
    """The shape for readers of a build, such as `m7i.large or m6i.large, spot`."""
    types = shape.instance_types
    rest = f" or {len(types) - _TYPES_SHOWN} more" if len(types) > _TYPES_SHOWN else ""
    return f"{' or '.join(types[:_TYPES_SHOWN])}{rest}, {shape.purchase}"


def is_offered(config: QueueConfig, shape: Shape) -> bool:
    """Whether a job could need this shape by the queue's present configuration."""
    purchases = {_purchase(config, repeated=repeated) for repeated in (False, True)}
    common = (config.queue, config.architecture)
    return (
        (shape.queue, shape.architecture) == common
        and shape.purchase in purchases
        and set(shape.instance_types) <= set(config.instance_types)
    )


def by_configuration(
    claims: Iterable[Claim], config: QueueConfig
) -> tuple[tuple[Claim, ...], Mapping[str, Mismatch]]:
    """Claims with the shapes that their jobs need by this configuration, and mismatches by job.

    A claim that the queue matches no more, and a claim without rules, keep their shape.
    """
    found: list[Claim] = []
    mismatches: dict[str, Mismatch] = {}
    known: dict[tuple[tuple[str, ...], bool], Shape | Mismatch] = {}
    for claim in claims:
        shape: Shape | Mismatch = claim.shape
        if claim.rules is not None:
            need = claim.rules, claim.attempt > 1 or claim.retry > 0
            if need not in known:
                known[need] = shape_for(config, claim.rules, repeated=need[1])
            shape = known[need]
        if isinstance(shape, Mismatch):
            mismatches[claim.job] = shape
        elif shape != claim.shape:
            claim = replace(claim, shape=shape)  # noqa: PLW2901 - the same claim, as configured
        found.append(claim)
    return tuple(found), mismatches


def matching(waiting: Iterable[Claim], config: QueueConfig) -> tuple[Claim, ...]:
    """Waiting claims as the configuration has them, without those that the queue matches no more.

    `dispatch` gives the latter back to Buildkite.
    """
    claims, mismatches = by_configuration(waiting, config)
    return tuple(claim for claim in claims if claim.job not in mismatches)


def serves(offered: Shape, wanted: Shape) -> bool:
    """Whether an instance of shape `offered` may run a job of shape `wanted`.

    Queue and architecture must be equal, and the job must accept every instance type of the
    instance's shape. The purchase option does not matter to a job, but for ON_DEMAND_ONLY.
    """
    return (
        offered.queue == wanted.queue
        and offered.architecture == wanted.architecture
        and set(offered.instance_types) <= set(wanted.instance_types)
        and (wanted.purchase != ON_DEMAND_ONLY or offered.purchase == ON_DEMAND_ONLY)
    )


def unserved(wanted: Mapping[Shape, int], offered: Mapping[Shape, int]) -> Counter[Shape]:
    """The number of jobs by shape that get none of the offered instances, one for each job.

    Jobs of the first shape take instances first.
    """
    lacking, free = Counter(wanted), Counter(offered)
    for shape in lacking:
        for other in free:
            if serves(other, shape):
                served = min(free[other], lacking[shape])
                free[other] -= served
                lacking[shape] -= served
    return lacking


def offer(config: QueueConfig, shape: Shape) -> Mapping[str, str]:
    """Agent tags on an instance of this shape, as far as they are known before launch."""
    single = {"instance-type": shape.instance_types[0]} if len(shape.instance_types) == 1 else {}
    return {"queue": config.queue, "arch": shape.architecture, **single, **config.tags}


def agent_tags(config: QueueConfig, shape: Shape) -> str:
    """The tags of `offer` in the agent's notation: `queue=…,arch=…`."""
    return ",".join(f"{key}={value}" for key, value in offer(config, shape).items())
