"""Step attributes with more than one notation.

Source: buildkite/docs pages/pipelines/configure/{depends_on,conditionals}.md,
step_types/command_step.md and workflows/controlling_concurrency.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from . import branches
from .conditions import ConditionError, Facts, holds
from .reader import Reader
from .sections import Section, scalar_text
from .steps import Broken, Concurrency, Dependency

KEYS = ("key", "id", "identifier")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def key(reader: Reader) -> str | None:
    """The step's key, its name in `depends_on`; None without one.

    Raises:
        PipelineError: the key has the form of a UUID.
    """
    given = reader.text(*KEYS)
    if given is not None and _UUID.fullmatch(given):
        raise reader.error(f"the key {given!r} must not have the form of a UUID")
    return given or None


def commands(reader: Reader) -> str:
    """The command, with several commands joined by newlines; empty for a step of plugins only."""
    value = reader.raw("command", "commands")
    if value is None:
        return ""
    lines = [scalar_text(line) for line in (value if isinstance(value, list) else [value])]
    if None in lines:
        raise reader.error("command must be text, or a list of texts")
    return "\n".join(line for line in lines if line is not None)


def rules(reader: Reader, agents: object) -> tuple[str, ...]:
    """Agent query rules as `tag=value`, from a mapping or a list."""
    if agents is None:
        return ()
    if isinstance(agents, Mapping):
        return tuple(f"{tag}={_tag(reader, value)}" for tag, value in agents.items())
    if isinstance(agents, list) and all(isinstance(rule, str) for rule in agents):
        return tuple(agents)
    raise reader.error("agents must be a mapping of tags to values, or a list of `tag=value`")


def _tag(reader: Reader, value: object) -> str:
    text = scalar_text(value)
    if text is None:
        raise reader.error("the value of an agent tag must be text")
    return text


def depends_on(reader: Reader) -> tuple[Dependency, ...] | None:
    """The step's dependencies; None if the attribute is absent.

    An empty attribute frees the step from the waits before it.
    """
    if not reader.has("depends_on"):
        return None
    value = reader.raw("depends_on")
    entries = value if isinstance(value, list) else [] if value is None else [value]
    return tuple(_dependency(reader, entry) for entry in entries)


def _dependency(reader: Reader, entry: object) -> Dependency:
    if isinstance(entry, str):
        return Dependency(entry)
    if isinstance(entry, Section):
        inner = reader.nested("depends_on", entry)
        inner.refuse_unknown({"step", "allow_failure"})
        step = inner.text("step")
        if step:
            return Dependency(step, inner.flag("allow_failure"))
    raise reader.error("depends_on takes the keys of steps")


def broken(reader: Reader, branch: str, facts: Facts) -> Broken | None:
    """The reason why `if` or `branches` omits the step from the build; None for a step that stays.

    Both attributes are evaluated when the steps enter the build, never later.
    """
    condition, pattern = reader.text("if"), _pattern(reader)
    if condition is not None and pattern is not None:
        raise reader.error("`if` and `branches` cannot be used at the same time")
    if condition is not None:
        try:
            return None if holds(condition, facts) else Broken.CONDITION
        except ConditionError as error:
            raise reader.error(f"`if` cannot be evaluated: {error}") from None
    if pattern is not None and not branches.matches(pattern, branch):
        return Broken.BRANCH
    return None


def _pattern(reader: Reader) -> str | None:
    value = reader.raw("branches")
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return " ".join(value)
    return reader.text("branches")


def concurrency(reader: Reader) -> Concurrency | None:
    """The step's concurrency group and limit; None without one.

    Raises:
        PipelineError: only one of the two attributes is set, or the method is unknown.
    """
    limit = reader.integer("concurrency", minimum=1)
    group = reader.text("concurrency_group")
    method = reader.text("concurrency_method")
    if limit is None and not group:
        if method is not None:
            raise reader.error("concurrency_method needs concurrency and concurrency_group")
        return None
    if limit is None or not group:
        missing = "concurrency_group" if limit else "concurrency"
        raise reader.error(f"{missing} is missing: concurrency and concurrency_group go together")
    if method not in {None, "ordered", "eager"}:
        raise reader.error("concurrency_method must be `ordered` or `eager`")
    return Concurrency(group, limit, eager=method == "eager")


def artifact_paths(reader: Reader) -> str:
    """Globs of the files to upload, joined by `;`."""
    return ";".join(reader.texts("artifact_paths", "artifacts") or [])


def secrets(reader: Reader) -> Any:
    """Names of Buildkite secrets, or a mapping of variables to names; None without the attribute.

    Agents from 3.106 on fetch the secrets. Source: buildkite/docs
    pipelines/security/secrets/buildkite_secrets.md.
    """
    value = reader.raw("secrets")
    texts = value.values() if isinstance(value, Mapping) else value
    if value is None:
        return None
    if not isinstance(value, Mapping | list) or not all(isinstance(name, str) for name in texts):
        raise reader.error("secrets must be a list of names, or a mapping of variables to names")
    return dict(value) if isinstance(value, Mapping) else list(value)


def all_secrets(whole: Any, own: Any) -> Any:
    """The secrets of a step's jobs: its pipeline's, and its own, which win over the same variable.

    A mapping as soon as one of the two is a mapping or both are given.
    """
    if not whole or not own:
        return own or whole
    return {**_by_variable(whole), **_by_variable(own)}


def _by_variable(secrets: Any) -> dict[str, str]:
    return dict(secrets) if isinstance(secrets, Mapping) else {name: name for name in secrets}
