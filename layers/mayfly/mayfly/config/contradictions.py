"""Contradictions among valid parameters, and between parameters and the queue's stack."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator

from mayfly.config.folders import is_within
from mayfly.config.infra import Infra
from mayfly.config.parameters import DESCRIPTIONS, MAX_MINUTES_WITHOUT_IMDS
from mayfly.config.problem import Problem, printable
from mayfly.config.queue import DEFAULT_TYPES, QueueConfig
from mayfly.config.roles import RoleLine
from mayfly.config.rules import Condition
from mayfly.config.values import architecture_of
from mayfly_protocol.grace import grace_seconds
from mayfly_protocol.words import Imds, Root

MAX_POOLS = 300
"""CreateFleet's limit for pairs of instance type and subnet (EC2's page on fleet quotas)."""


EVERY_SIZE = frozenset({"*"})
"""The control plane's InstanceSizes where every size is allowed."""


def forbidden_sizes(config: QueueConfig, sizes: Collection[str]) -> Iterator[Problem]:
    """Chosen instance types whose size the control plane may not launch, as one problem.

    The default types are a problem only if none of them may be launched.
    """
    outside = [name for name in config.instance_types if name.partition(".")[2] not in sizes]
    is_default = config.instance_types == DEFAULT_TYPES[config.architecture]
    usable = len(outside) < len(config.instance_types)
    if "*" not in sizes and outside and not (is_default and usable):
        named = ", ".join(sorted(sizes))
        allowed = f"types of the sizes {named} (InstanceSizes of the control plane's stack)"
        yield _problem("instance_types", ", ".join(outside), allowed)


def contradictions(config: QueueConfig, infra: Infra) -> tuple[Problem, ...]:
    """Every contradiction, each as a problem of the parameter that should change."""
    return (*_among_parameters(config), *_with_the_stack(config, infra))


def _among_parameters(config: QueueConfig) -> Iterator[Problem]:
    if config.hot.most > config.max_instances:
        yield _problem("hot", config.hot, f"at most limits/max-instances ({config.max_instances})")
    elif config.hot.most + config.stopped.most > config.max_instances:
        room = config.max_instances - config.hot.most
        allowed = f"at most {room}: limits/max-instances less pool/hot"
        yield _problem("stopped", config.stopped, allowed)
    if config.stopped.most and config.purchase != "on-demand":
        allowed = (
            f"0 where launch/purchase is {config.purchase}: EC2 stops no spot instance of a fleet"
        )
        yield _problem("stopped", config.stopped, allowed)
    strange = [t for t in config.instance_types if architecture_of(t) != config.architecture]
    if strange:
        allowed = f"types of launch/architecture ({config.architecture})"
        yield _problem("instance_types", ", ".join(strange), allowed)
    if Root(config.root).in_effect and config.imds == Imds.SUPERVISOR:
        allowed = (
            f"off or job where job/root is {config.root}: root could undo the rule that keeps jobs "
            "from it"
        )
        yield _problem("imds", config.imds, allowed)
    if config.imds == Imds.OFF and config.max_minutes > MAX_MINUTES_WITHOUT_IMDS:
        allowed = (
            f"at most {MAX_MINUTES_WITHOUT_IMDS} where imds is off: the sandbox role's credentials "
            "are fetched once and expire after that time"
        )
        yield _problem("max_minutes", config.max_minutes, allowed)
    yield from _of_grace(config)
    yield from _of_grants(config)


def _of_grace(config: QueueConfig) -> Iterator[Problem]:
    try:
        grace = grace_seconds(config.agent_config)
    except ValueError as error:
        # A record of an earlier version may hold a configuration that this one does not read.
        yield _problem("agent_config", "…", str(error))
        return
    if grace > config.max_minutes * 60:
        least = math.ceil(grace / 60)
        allowed = f"at least {least}: agent/config gives a cancelled job {grace:g} seconds"
        yield _problem("max_minutes", config.max_minutes, allowed)


def _of_grants(config: QueueConfig) -> Iterator[Problem]:
    given = "secrets/path" if config.secrets_path is not None else ""
    given = given or (config.roles[0].parameter if config.roles else "")
    reach = "a job could take what other jobs are given, with the sandbox role"
    if given and Root(config.root).in_effect:
        yield _problem("root", config.root, f"no or rootless-docker with {given}: as root {reach}")
    if given and config.imds == Imds.JOB:
        yield _problem("imds", config.imds, f"off or supervisor with {given}: {reach}")
    if config.secrets_path is None:
        for field in ("shared_ssh_keys", "ssh_during_command"):
            if value := getattr(config, field):
                shown = ", ".join(value) if isinstance(value, tuple) else "true"
                yield _problem(field, shown, "only together with secrets/path")
    first: dict[tuple[Condition, ...], RoleLine] = {}
    for line in config.roles:
        before = first.setdefault(line.rule.conditions, line)
        if before is not line:
            allowed = f"other conditions than those of a line of {before.parameter}"
            yield _role_problem(line, str(line.rule), allowed)


def _with_the_stack(config: QueueConfig, infra: Infra) -> Iterator[Problem]:
    if config.architecture not in infra.templates:
        known = " or ".join(sorted(infra.templates))
        allowed = f"{known}: the queue's stack has no launch template for other architectures"
        yield _problem("architecture", config.architecture, allowed)
    most = MAX_POOLS // len(infra.subnets)
    if len(config.instance_types) > most:
        allowed = f"at most {most}: EC2 accepts {MAX_POOLS} pairs of type and subnet"
        yield _problem("instance_types", f"{len(config.instance_types)} types", allowed)
    below = f"s3://{infra.script_prefix}"
    if config.script is not None and infra.script_prefix == "":
        yield _problem("script", config.script.url, "none: the queue's stack has no script prefix")
    elif config.script is not None and not config.script.url.startswith(below):
        yield _problem("script", config.script.url, f"an object below {below}")
    yield from _secrets_with_the_stack(config, infra.secrets_path)
    for line in config.roles:
        if not infra.job_role_path:
            allowed = (
                "none: the queue's stack lets hosts assume no role (its parameter JobRolePath)"
            )
            yield _role_problem(line, line.arn, allowed)
        elif not line.path.startswith(infra.job_role_path):
            allowed = f"roles below {infra.job_role_path} (JobRolePath of the queue's stack)"
            yield _role_problem(line, line.arn, allowed)


def _secrets_with_the_stack(config: QueueConfig, published: str) -> Iterator[Problem]:
    names = {"secrets_path": [config.secrets_path] if config.secrets_path is not None else []}
    names["shared_ssh_keys"] = list(config.shared_ssh_keys)
    for field, paths in names.items():
        for path in paths:
            if not published:
                allowed = "none: the queue's stack gives no right to secrets (its SecretsPath)"
                yield _problem(field, path, allowed)
            elif not is_within(path, published):
                allowed = f"{published} or below it (SecretsPath of the queue's stack)"
                yield _problem(field, path, allowed)


def _role_problem(line: RoleLine, value: str, allowed: str) -> Problem:
    return Problem(line.parameter, printable(value), f"allowed: {allowed}")


def _problem(field: str, value: object, allowed: str) -> Problem:
    return Problem(DESCRIPTIONS[field].name, printable(str(value)), f"allowed: {allowed}")
