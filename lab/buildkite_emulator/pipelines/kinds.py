"""Readers for each kind of step.

Source: buildkite/docs pages/pipelines/configure/step_types/*.md; the kind is inferred from the
step's keys as in buildkite/go-pipeline steps.go.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from buildkite_emulator.memory.tokens import new_id

from .attributes import (
    all_secrets,
    artifact_paths,
    broken,
    commands,
    concurrency,
    depends_on,
    key,
    rules,
    secrets,
)
from .checkouts import Checkout, cache, checkout
from .conditions import Facts
from .forms import form
from .keys import read_keys
from .matrix import matrix
from .plugins import plugins
from .reader import PipelineNotice, Reader
from .reasons import skip_reason
from .retries import automatic, manual, soft_fail
from .sections import PipelineError, Section
from .steps import BlockStep, Broken, CommandStep, Group, Step, TriggerStep, WaitStep

_INFERRED = {
    "command": "command",
    "commands": "command",
    "plugins": "command",
    "plugin": "command",
    "wait": "wait",
    "waiter": "wait",
    "block": "block",
    "manual": "block",
    "input": "input",
    "trigger": "trigger",
    "group": "group",
}
_TYPES = {**_INFERRED, "script": "command"}
MAX_MINUTES = 60 * 24 * 365
"""The most of a step's time-out; Buildkite's own limit is an organisation's."""
_BLOCKED_STATES = {"passed", "failed", "running"}


@dataclass(frozen=True, slots=True)
class Defaults:
    """A pipeline file's defaults for its steps, and the values for conditions."""

    default_queue: str
    branch: str
    facts: Facts
    agents: tuple[str, ...] = ()
    env: Mapping[str, str] | None = None
    priority: int = 0
    secrets: Any = None
    image: str | None = None
    checkout: Checkout = field(default_factory=Checkout)
    cache: Mapping[str, Any] | None = None
    uploaded_by: str | None = None
    notices: list[PipelineNotice] = field(default_factory=list)
    """Gets the notices of the steps, in order."""


def steps(entry: object, place: str, defaults: Defaults, number: int) -> tuple[Step, ...]:
    """The step of one entry, or all steps of a group.

    Raises:
        PipelineError: the entry is invalid; with line and reason.
    """
    section = _section(entry, place)
    reader = Reader(section, place, notices=defaults.notices)
    kind = _kind(section, reader)
    read_keys(reader, kind)
    if kind == "group":
        return _group(reader, defaults, number)
    return (_single(kind, reader, defaults),)


def _section(entry: object, place: str) -> Section:
    if isinstance(entry, str):
        if _TYPES.get(entry) in {"wait", "block", "input"}:
            return Section({entry: None})
        raise PipelineError(f"{entry!r} is not a step", place=place)
    if not isinstance(entry, Section):
        raise PipelineError("a step is a mapping, or `wait`, `block` or `input`", place=place)
    return entry


def _kind(section: Section, reader: Reader) -> str:
    given = section.get("type")
    if given is not None:
        if not isinstance(given, str) or given not in _TYPES:
            raise reader.error(f"`{given}` is not a type of step")
        return _TYPES[given]
    found = next((kind for name, kind in _INFERRED.items() if name in section), None)
    if found is None:
        written = json.dumps(section, separators=(",", ":"), default=str)
        raise reader.error(f"Step is missing a type `{written}`")
    return found


def _single(kind: str, reader: Reader, defaults: Defaults) -> Step:
    if kind == "command":
        return _command(reader, defaults)
    if kind == "wait":
        return _wait(reader, defaults)
    if kind == "trigger":
        return _trigger(reader, defaults)
    return _block(kind, reader, defaults)


def _base(reader: Reader, defaults: Defaults) -> dict[str, Any]:
    return {
        "id": new_id(),
        "key": key(reader),
        "depends_on": depends_on(reader),
        "allow_dependency_failure": reader.flag("allow_dependency_failure"),
        "broken": broken(reader, defaults.branch, defaults.facts),
        "uploaded_by": defaults.uploaded_by,
    }


def _wait(reader: Reader, defaults: Defaults) -> WaitStep:
    return WaitStep(
        **_base(reader, defaults),
        job_id=new_id(),
        continue_on_failure=reader.flag("continue_on_failure"),
    )


def _trigger(reader: Reader, defaults: Defaults) -> TriggerStep:
    slug = reader.text("trigger")
    if not slug:
        raise reader.error("trigger takes the slug of a pipeline")
    build = reader.section("build")
    if build is not None:
        inner = reader.nested("build", build)
        inner.refuse_unknown({"branch", "commit", "env", "message", "meta_data"})
        for name in ("branch", "commit", "message"):
            inner.text(name)
        for name in ("env", "meta_data"):
            inner.variables(name)
    reader.flag("async")
    soft_fail(reader)
    skip_reason(reader)
    return TriggerStep(
        **_base(reader, defaults),
        job_id=new_id(),
        label=reader.text("label", "name") or "",
        slug=slug,
        number=reader.integer("parallelism", minimum=1) or 1,
    )


def _block(kind: str, reader: Reader, defaults: Defaults) -> BlockStep:
    state = reader.text("blocked_state") or "passed"
    if state not in _BLOCKED_STATES:
        raise reader.error("blocked_state must be passed, failed or running")
    return BlockStep(
        **_base(reader, defaults),
        job_id=new_id(),
        label=reader.text("block", "input", "manual") or reader.text("label", "name") or "",
        holds=kind == "block",
        prompt=reader.text("prompt"),
        fields=form(reader),
        blocked_state=state,
        allowed_teams=tuple(reader.texts("allowed_teams") or []),
    )


def _command(reader: Reader, defaults: Defaults) -> CommandStep:
    given = rules(reader, reader.raw("agents", "agent_query_rules")) or defaults.agents
    queues = [rule.removeprefix("queue=") for rule in given if rule.startswith("queue=")]
    priority = reader.integer("priority", minimum=-(2**31))
    permutations, parallelism = matrix(reader), reader.integer("parallelism", minimum=1)
    if permutations is not None and parallelism is not None:
        raise reader.error("matrix and parallelism cannot be used on the same step")
    own = checkout(reader, of_step=True).over(defaults.checkout)
    return CommandStep(
        **_base(reader, defaults),
        label=reader.text("label", "name") or "",
        command=commands(reader),
        agents=given,
        queue=queues[-1] if queues else defaults.default_queue,
        env=own.env(defaults.env or {}, reader.variables("env")),
        priority=defaults.priority if priority is None else priority,
        timeout_minutes=reader.integer("timeout_in_minutes", minimum=1, maximum=MAX_MINUTES)
        or reader.integer("timeout", minimum=1, maximum=MAX_MINUTES),
        parallelism=parallelism,
        skip=skip_reason(reader),
        automatic_retry=automatic(reader),
        manual_retry=manual(reader),
        soft_fail=soft_fail(reader),
        artifact_paths=artifact_paths(reader),
        plugins=plugins(reader),
        matrix=permutations,
        concurrency=concurrency(reader),
        secrets=own.secrets(all_secrets(defaults.secrets, secrets(reader))),
        cache=cache(reader, defaults.cache),
        image=reader.text("image") or defaults.image,
        cancel_on_build_failing=reader.flag("cancel_on_build_failing"),
    )


def _group(reader: Reader, defaults: Defaults, number: int) -> tuple[Step, ...]:
    base = _base(reader, defaults)
    group = Group(
        id=base["id"],
        key=base["key"],
        label=reader.text("group") or reader.text("label", "name") or "",
        depends_on=base["depends_on"],
        allow_dependency_failure=base["allow_dependency_failure"],
        position=number,
    )
    entries = reader.raw("steps")
    if not isinstance(entries, list) or not entries:
        raise reader.error("There must be at least 1 step in a group")
    skipped = skip_reason(reader)
    found: list[Step] = []
    for place, entry in enumerate(entries, start=1):
        where = f"step {number}.{place}"
        if isinstance(entry, Section) and _TYPES.get(str(entry.get("type"))) == "group":
            raise reader.error("a group cannot hold another group")
        if isinstance(entry, Section) and "group" in entry:
            raise reader.error("a group cannot hold another group")
        found += [
            _in_group(step, group, base["broken"], skipped)
            for step in steps(entry, where, defaults, number)
        ]
    return tuple(found)


def _in_group(step: Step, group: Group, omitted: Broken | None, skipped: str | None) -> Step:
    placed = replace(step, group=group, broken=omitted or step.broken)
    if isinstance(placed, CommandStep) and skipped:
        return replace(placed, skip=placed.skip or skipped)
    return placed
