"""Reading of a whole pipeline file, or of a `buildkite-agent pipeline upload`, into steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .attributes import rules, secrets
from .checkouts import cache, checkout
from .conditions import Facts
from .interpolation import Variables, interpolate_section
from .keys import read_keys
from .kinds import Defaults, steps
from .order import find_cycle
from .reader import PipelineNotice, Reader
from .sections import PipelineError, Section, scalar_text, sections
from .steps import CommandStep, Step, TriggerStep
from .yaml_source import read


@dataclass(frozen=True, slots=True)
class Context:
    """Everything besides the file that its steps depend on."""

    default_queue: str
    """The queue of jobs that name none: the cluster's default queue."""
    branch: str = ""
    facts: Facts = field(default_factory=lambda: Facts({}, {}))
    variables: Variables | None = None
    """Values for `$NAME`; None for uploaded steps, which the agent has interpolated already."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables that earlier files of the build set for all steps."""
    uploaded_by: str | None = None
    taken_keys: frozenset[str] = frozenset()
    """Keys of the build's existing steps."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A pipeline file: its steps with the file's defaults applied, and its `env`."""

    steps: tuple[Step, ...]
    env: Mapping[str, str]
    notices: tuple[PipelineNotice, ...] = ()
    """Parts of the file that the emulator does not carry out, in order."""


def parse(text: str, context: Context) -> Definition:
    """Read a pipeline's YAML.

    Raises:
        PipelineError: the pipeline is invalid; with line and reason.
    """
    return define(read(text), context)


def parse_upload(content: Any, context: Context) -> Definition:
    """Read the pipeline of an upload: JSON, or YAML as a string from old agents.

    Raises:
        PipelineError: the pipeline is invalid; with the reason.
    """
    return define(read(content) if isinstance(content, str) else sections(content), context)


def define(content: object, context: Context) -> Definition:
    """Read a pipeline from its sections.

    Raises:
        PipelineError: the pipeline is invalid; with line and reason.
    """
    if isinstance(content, list):
        content = Section({"steps": content})
    if not isinstance(content, Section) or not isinstance(content.get("steps"), list):
        raise PipelineError("a pipeline is a mapping with a list of `steps`")
    content = _interpolated(content, context)
    notices: list[PipelineNotice] = []
    whole = Reader(content, "pipeline", notices=notices)
    read_keys(whole, "pipeline")
    env = {**context.env, **whole.variables("env")}
    facts = replace(context.facts, env={**context.facts.env, **env})
    defaults = Defaults(
        default_queue=context.default_queue,
        branch=context.branch,
        facts=facts,
        agents=rules(whole, content.get("agents")),
        env=env,
        priority=whole.integer("priority", minimum=-(2**31)) or 0,
        secrets=secrets(whole),
        image=whole.text("image"),
        checkout=checkout(whole, of_step=False),
        cache=cache(whole),
        notices=notices,
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
    return Definition(found, env, tuple(notices))


def check_order(steps: Sequence[Step]) -> None:
    """Do nothing if every step can begin at some time.

    Raises:
        PipelineError: steps wait for each other in a cycle. Buildkite's own answer is not known.
    """
    circle = find_cycle(steps)
    if circle:
        raise PipelineError(f"steps wait for each other: {' -> '.join(circle)}")


def _interpolated(content: Section, context: Context) -> Section:
    """The content with its variables interpolated once: `env` first, because the rest may use it.

    Source: buildkite/go-pipeline pipeline.go. Values from `env` override existing values.
    """
    if context.variables is None:
        return content
    known = dict(context.variables)
    env = content.get("env")
    if not isinstance(env, Section):
        return interpolate_section(content, known)
    filled_env = Section(line=env.line)
    for name in env:
        # One by one: each variable may use the earlier ones, and its own outer value.
        one = interpolate_section(env.only(name), known)
        filled_env.take(one)
        known |= {key: scalar_text(shown) or "" for key, shown in one.items()}
    # `env` apart: a second interpolation would turn `$PATH:/x` into `...:/x:/x`.
    filled = interpolate_section(content.without("env"), known)
    filled.put("env", filled_env, content.lines.get("env"))
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
    """The number of jobs of a step; a step without jobs counts as one, a trigger for each build."""
    if isinstance(step, CommandStep):
        return len(step.matrix) if step.matrix else step.parallelism or 1
    return step.number if isinstance(step, TriggerStep) else 1
