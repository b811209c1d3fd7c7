"""A whole pipeline file: text, or what `buildkite-agent pipeline upload` sends, read into steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .attributes import rules, secrets
from .conditions import Facts
from .interpolation import Variables, interpolate_all
from .kinds import Defaults, steps
from .order import find_cycle
from .steps import CommandStep, Step
from .yaml_source import PipelineError, Reader, Section, read, sections, written


@dataclass(frozen=True, slots=True)
class Context:
    """What the steps of a file depend on besides the file."""

    default_queue: str
    """Where jobs go that name no queue, as in a cluster that has a default queue."""
    branch: str = ""
    facts: Facts = field(default_factory=lambda: Facts({}, {}))
    variables: Variables | None = None
    """What is filled in for `$NAME`; None for steps that an agent has filled in already."""
    env: Mapping[str, str] = field(default_factory=dict)
    """What earlier files of the build set for all steps."""
    uploaded_by: str | None = None
    taken_keys: frozenset[str] = frozenset()
    """Keys of the steps that the build has already."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A pipeline file: its steps, with the file's own defaults worked in, and its `env`."""

    steps: tuple[Step, ...]
    env: Mapping[str, str]


def parse(text: str, context: Context) -> Definition:
    """Read a pipeline's YAML.

    Raises:
        PipelineError: with the line and the reason.
    """
    return define(read(text), context)


def parse_upload(content: Any, context: Context) -> Definition:
    """Read what an agent uploads: JSON, or in old agents YAML as a string.

    Raises:
        PipelineError: with the reason.
    """
    return define(read(content) if isinstance(content, str) else sections(content), context)


def define(content: object, context: Context) -> Definition:
    """Read a pipeline from its sections.

    Raises:
        PipelineError: with the line and the reason.
    """
    if isinstance(content, list):
        content = Section(steps=content)
    if not isinstance(content, Section) or not isinstance(content.get("steps"), list):
        raise PipelineError("a pipeline is a mapping with a list of `steps`")
    content = _filled(content, context)
    whole = Reader(content, "pipeline")
    env = {**context.env, **whole.variables("env")}
    facts = replace(context.facts, env={**context.facts.env, **env})
    defaults = Defaults(
        default_queue=context.default_queue,
        branch=context.branch,
        facts=facts,
        agents=rules(whole, content.get("agents")),
        env=env,
        priority=whole.integer("priority", least=-(2**31)) or 0,
        secrets=secrets(whole),
        image=whole.text("image"),
        uploaded_by=context.uploaded_by,
    )
    found = tuple(
        step
        for number, entry in enumerate(content["steps"], start=1)
        for step in steps(entry, f"step {number}", defaults, number)
    )
    if not found:
        raise PipelineError("the pipeline has no steps")
    _check_keys(found, context.taken_keys)
    check_order(found)
    return Definition(found, env)


def check_order(steps: Sequence[Step]) -> None:
    """See that every step can begin some time.

    Raises:
        PipelineError: some wait for each other, as Buildkite's own answer to that is not known.
    """
    circle = find_cycle(steps)
    if circle:
        raise PipelineError(f"steps wait for each other: {' -> '.join(circle)}")


def _filled(content: Section, context: Context) -> Section:
    """Variables filled in: first within `env`, whose values the rest may use.

    As buildkite/go-pipeline pipeline.go does it: what `env` sets wins over what was there.
    """
    if context.variables is None:
        return content
    known = dict(context.variables)
    env = content.get("env")
    if isinstance(env, Mapping):
        for name, value in env.items():
            shown = interpolate_all(value, known)
            known[name] = written(shown) or ""
    filled: Section = interpolate_all(content, known)
    return filled


def _check_keys(found: Sequence[Step], taken: frozenset[str]) -> None:
    groups = {step.group.id: step.group for step in found if step.group is not None}
    keys = [owner.key for owner in (*found, *groups.values()) if owner.key is not None]
    seen = set(taken)
    for name in keys:
        if name in seen:
            # In Buildkite's words: buildkite/docs agent/cli/reference/pipeline.md, "Common errors".
            raise PipelineError(
                f'The key "{name}" has already been used by another step in this build'
            )
        seen.add(name)


def jobs_of(step: Step) -> int:
    """How many jobs a step becomes; waits and blocks count as one."""
    if isinstance(step, CommandStep):
        return len(step.matrix) if step.matrix else step.parallelism or 1
    return 1
