"""Reads a queue's parameters into the configuration in force and the queue's record."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from mayfly.answers import Parameter
from mayfly.config.contradictions import EVERY_SIZE, contradictions, forbidden_sizes
from mayfly.config.grant_values import all_lines, filled
from mayfly.config.infra import Infra
from mayfly.config.parameters import DESCRIPTIONS, LARGEST_RULES, RULES, QueueParameters
from mayfly.config.paths import near_name
from mayfly.config.problem import Problem, printable
from mayfly.config.queue import DEFAULT_TYPES, GRANTED, QueueConfig, Script
from mayfly.config.roles import LARGEST_ROLES, ROLES
from mayfly.config.rules import UNREADABLE
from mayfly.config.warnings import warnings
from mayfly.errors import Misconfigured
from mayfly.records.bounds import LONGEST_REASON, cut
from mayfly.records.model import QueueRecord

MOST_PROBLEMS = 40
"""Problems that a queue's record names, the other ones are counted."""
_NAMED: Mapping[str, str] = {RULES: "rules", ROLES: "roles"}
"""By folder: the field of parameters whose last part is a name of the owners' choice."""
_LARGEST: Mapping[str, int] = {RULES: LARGEST_RULES, ROLES: LARGEST_ROLES}
"""By such a folder: bytes of all of its parameters together."""
_FIELDS = {
    description.name: field
    for field, description in DESCRIPTIONS.items()
    if field not in _NAMED.values()
}
_GRANTS = frozenset(DESCRIPTIONS[field].name.partition("/")[0] for field in GRANTED)
"""First parts of the names of parameters that say what a job is given."""


def read_queue(
    queue: str,
    infra: Infra,
    parameters: Mapping[str, Parameter],
    sizes: Collection[str] = EVERY_SIZE,
) -> tuple[QueueConfig | None, tuple[Problem, ...]]:
    """The queue's configuration and its problems. `parameters` are by name below the queue's path.

    `sizes` are the instance sizes that the control plane may launch.

    The configuration is None when a parameter is bad or two parameters contradict each other. An
    unknown name is a problem and changes nothing else, except under `policy/`, where it blocks:
    a misspelt restriction must not read as no restriction.
    """
    config, problems = _read(queue, parameters)
    if config is not None:
        sized = forbidden_sizes(config, sizes)
        problems = (*problems, *contradictions(config, infra), *sized)
    blocking = [each for each in problems if _known(each.parameter) or _is_policy(each.parameter)]
    return (None if blocking else config), problems


def spec(infra: Infra, config: QueueConfig, bundle_sha256: str) -> str:
    """A hash (16 hexadecimal digits) of everything that shapes an instance before its job.

    Equal specs make equal instances. Values that come with an assignment are omitted: they apply
    to instances that are ready, too.
    """
    template = infra.templates[config.architecture]
    made_of: list[object] = [
        infra.protocol,
        bundle_sha256,
        [template.id, template.version],
        [infra.bootstrap_profile, infra.sandbox_profile],
        [infra.bootstrap_role_id, infra.sandbox_role_id],
        config.script and config.script.to_list(),
    ]
    if config.generation:
        made_of.append(config.generation)
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """Values of the control plane's stack, which are the same for all of its queues."""

    stack: str
    bundle_sha256: str
    """SHA-256 of the instances' bundle."""
    sizes: Collection[str] = EVERY_SIZE
    """Instance sizes that `provision` may launch."""


def queue_record(
    old: QueueRecord | None,
    queue: str,
    infra_text: str,
    parameters: Mapping[str, Parameter],
    control: ControlPlane,
) -> QueueRecord:
    """The queue's record after reading `infra_text` and `parameters`; equal to `old` if unchanged.

    Bad values leave the last good configuration in force and show in `problems`. A queue that
    never had a good configuration has an empty `config`, and no function acts for the queue.
    """
    last = _last_good(old)
    problems: list[str] = []
    former = old.infra if old is not None else ""
    for text in dict.fromkeys(each for each in (infra_text, former) if each):
        try:
            infra = Infra.parse(queue, control.stack, text)
        except Misconfigured as error:
            problems.append(str(error))
            continue
        config, found = _in_force(queue, infra, parameters, last, control.sizes)
        problems.extend(str(each) for each in found)
        if config is not None:
            return QueueRecord(
                queue=queue,
                infra=text,
                config=config.to_json(),
                spec=spec(infra, config, control.bundle_sha256),
                problems=_first(problems),
                warnings=tuple(cut(str(each), LONGEST_REASON) for each in warnings(config)),
                paused_at_buildkite=old is not None and old.paused_at_buildkite,
                version=old.version if old is not None else 0,
            )
    kept = old if old is not None else QueueRecord(queue=queue, infra="", config="", spec="")
    return replace(kept, problems=_first(problems), active=True)


def _first(problems: Iterable[str]) -> tuple[str, ...]:
    """The problems without repetitions; of very many the first ones, and how many more there are.

    An account may hold thousands of parameters, and the queue's record has at most 400 KB.
    """
    lines = [cut(line, LONGEST_REASON) for line in dict.fromkeys(problems)]
    more = len(lines) - MOST_PROBLEMS
    if more <= 0:
        return tuple(lines)
    return (*lines[:MOST_PROBLEMS], f"{more} more parameters are not in force")


def _last_good(old: QueueRecord | None) -> QueueConfig | None:
    if old is None or not old.config:
        return None
    try:
        return QueueConfig.from_json(old.config)
    except Misconfigured:
        # Another version of Mayfly wrote the record; the parameters are read anew anyway.
        return None


def _in_force(
    queue: str,
    infra: Infra,
    parameters: Mapping[str, Parameter],
    last: QueueConfig | None,
    sizes: Collection[str],
) -> tuple[QueueConfig | None, tuple[Problem, ...]]:
    """The read configuration if it is good, else the last good one; and all problems.

    The configuration is None when neither fits the infrastructure. Some values apply even while
    other parameters are bad: `paused`, and what other people answer for, the policy and what jobs
    are given. An unreadable policy keeps the last policy and marks it: the last policy still lets
    jobs in, and denies none. A queue without a last policy is closed: the policy's author meant a
    restriction. What cannot be read gives no job more than the last values did.
    """
    config, problems = read_queue(queue, infra, parameters, sizes)
    if config is not None or last is None:
        return config, problems
    stop, _ = _read(queue, {name: each for name, each in parameters.items() if name == "paused"})
    if stop is not None:
        last = replace(last, paused=stop.paused)
    policy, wrong = _read(
        queue, {name: each for name, each in parameters.items() if _is_policy(name)}
    )
    if policy is not None and not wrong:
        last = replace(last, rules=policy.rules, repository_from=policy.repository_from)
    else:
        last = replace(last, rules=(*last.rules_read, UNREADABLE))
    last = _with_grants(last, infra, parameters)
    against = contradictions(last, infra)
    return (None if against else last), (*problems, *against)


def _with_grants(
    last: QueueConfig, infra: Infra, parameters: Mapping[str, Parameter]
) -> QueueConfig:
    """The configuration with what jobs are given at present; marked where that is not good."""
    named = {name: each for name, each in parameters.items() if _group(name) in _GRANTS}
    grants, _ = _read(last.queue, named)
    if grants is not None:
        given = {field: getattr(grants, field) for field in GRANTED}
        found = replace(last, grants_unread=False, **given)
        if not contradictions(found, infra):
            return found
    return replace(last, grants_unread=True)


def _read(
    queue: str, parameters: Mapping[str, Parameter]
) -> tuple[QueueConfig | None, tuple[Problem, ...]]:
    """The configuration before the check for contradictions; None when a known name is bad."""
    given: dict[str, Any] = {}
    named: dict[str, dict[str, tuple[str, str]]] = {}
    strange = []
    no_string = []
    for name, parameter in sorted(parameters.items()):
        text = parameter.value.strip()
        if _known(name) and parameter.kind != "String":
            no_string.append(Problem(name, None, _wrong_kind(parameter.kind)))
        elif name in _FIELDS:
            given[_FIELDS[name]] = text
        elif own := _own_name(name):
            named.setdefault(name.removesuffix(f"/{own}"), {})[own] = (own, text)
        else:
            # The value of an unknown name may be a secret: `agent/confg` has lines of the agent.
            strange.append(Problem(printable(name, 200), None, _unknown_name(name)))
    try:
        folders = {_NAMED[folder]: texts for folder, texts in named.items()}
        parsed = QueueParameters.model_validate({**given, **folders})
    except ValidationError as error:
        return None, (*_validation_problems(error, parameters), *no_string, *strange)
    if no_string:
        return None, (*no_string, *strange)
    large = tuple(filter(None, (_too_large(folder, texts) for folder, texts in named.items())))
    if large:
        return None, (*large, *strange)
    return _config(queue, parsed, parameters), tuple(strange)


def _too_large(folder: str, texts: Mapping[str, tuple[str, str]]) -> Problem | None:
    # The record has the name of a role's parameter with each of its lines.
    size = sum(
        len(name.encode()) * (text.count("\n") + 1 if folder == ROLES else 1) + len(text.encode())
        for name, text in texts.values()
    )
    if size <= _LARGEST[folder]:
        return None
    allowed = f"allowed: at most {_LARGEST[folder]:,} bytes, names included; merge lines by commas"
    return Problem(folder, f"{len(texts)} parameters", allowed)


def _config(
    queue: str, parsed: QueueParameters, parameters: Mapping[str, Parameter]
) -> QueueConfig:
    values = dict(parsed)
    values["instance_types"] = parsed.instance_types or DEFAULT_TYPES[parsed.architecture]
    values["rules"] = tuple(rule for _, rules in sorted(parsed.rules.items()) for rule in rules)
    values["roles"] = all_lines(parsed.roles)
    if parsed.secrets_path is not None:
        values["secrets_path"] = filled(parsed.secrets_path, queue)
    if parsed.script is not None:
        name = DESCRIPTIONS["script"].name
        values["script"] = Script.placed(parsed.script, parameters[name].version)
    return QueueConfig(queue=queue, **values)


def _validation_problems(
    error: ValidationError, parameters: Mapping[str, Parameter]
) -> Iterator[Problem]:
    """One problem for each parameter that could not be read."""
    for each in error.errors(include_url=False):
        field, *rule = each["loc"]
        description = DESCRIPTIONS[str(field)]
        name = f"{description.name.removesuffix('<name>')}{rule[0]}" if rule else description.name
        why = printable(str(each["ctx"]["error"]), 200)
        allowed = f"allowed: {description.allowed.replace('`', '')}"
        value = _printable_value(name, parameters[name].value)
        yield Problem(name, value, f"{why}; {allowed}" if why else allowed)


def _wrong_kind(kind: str) -> str:
    why = ", which Mayfly never decrypts" if kind == "SecureString" else ""
    # Source: API reference of Systems Manager, PutParameter: no write changes a parameter's type.
    return f"a {kind}{why}; allowed: a String. Make it a String: delete it, then write it again"


def _known(name: str) -> bool:
    return name in _FIELDS or bool(_own_name(name))


def _group(name: str) -> str:
    return name.partition("/")[0].casefold()


def _is_policy(name: str) -> bool:
    return _group(name) == "policy"


def _own_name(name: str) -> str:
    """The `<name>` of `policy/rules/<name>` and `role/<name>`; empty for any other parameter."""
    found = re.fullmatch(rf"(?:{'|'.join(_NAMED)})/([A-Za-z0-9_.-]+)", name)
    return found[1] if found else ""


def _unknown_name(name: str) -> str:
    group = name.partition("/")[0]
    near = [
        description.name
        for description in DESCRIPTIONS.values()
        if description.name.partition("/")[0] == group
    ]
    names = ", ".join(near or [description.name for description in DESCRIPTIONS.values()])
    hint = f"; did you mean {meant}?" if (meant := near_name(name)) else ""
    return f"no such parameter{hint or f'; Mayfly knows {names}'}"


def _printable_value(name: str, text: str) -> str:
    """A known parameter's value, safe to show: the agent's settings only by their names."""
    if name == DESCRIPTIONS["agent_config"].name:
        text = "\n".join(map(_setting_name, text.splitlines()))
    elif name == DESCRIPTIONS["script"].name:
        text = re.sub(r"\?.*", "?…", text)  # A signed URL has its secret in the query.
    return printable(text)


def _setting_name(line: str) -> str:
    """The name of a line of the agent's settings; of a line in another form nothing is shown."""
    name, separator, _ = re.sub("[=:]", "\0", line, count=1).partition("\0")
    known = re.fullmatch(r"[a-z0-9 -]{1,80}", name.strip())
    return f"{name.strip()}=…" if separator and known else "…" * bool(line.strip())
