"""A pipeline's YAML read into steps.

Source: buildkite/docs pages/pipelines/configure/step_types/{command_step,wait_step}.md. What the
lab does not support is an error, never ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .graph import find_cycle
from .records import CommandStep, Step, WaitStep
from .step_attributes import automatic, commands, depends_on, manual, rules, skip, soft_fail
from .tokens import new_id
from .yaml_source import PipelineError, Reader, Section, read

_KEYS = ("key", "id", "identifier")
_COMMAND = {
    *_KEYS,
    *("command", "commands", "label", "name", "agents", "env", "priority", "timeout_in_minutes"),
    *("parallelism", "skip", "depends_on", "allow_dependency_failure", "retry", "soft_fail"),
    "type",
}
_WAIT = {*_KEYS, "wait", "waiter", "type", "depends_on", "continue_on_failure"}
_OTHER_STEPS = ("block", "manual", "input", "trigger", "group")


@dataclass(frozen=True, slots=True)
class Definition:
    """A pipeline file: its steps, with the file's own defaults worked in, and its `env`."""

    steps: tuple[Step, ...]
    env: Mapping[str, str]


def parse(text: str, default_queue: str) -> Definition:
    """Read a pipeline.

    Jobs that name no queue go to the default one, as in a cluster that has one.

    Raises:
        PipelineError: with the line and the reason.
    """
    content = read(text)
    if isinstance(content, list):
        content = Section(steps=content)
    if not isinstance(content, Section) or not isinstance(content.get("steps"), list):
        raise PipelineError("a pipeline is a mapping with a list of `steps`")
    whole = Reader(content, "pipeline")
    defaults = rules(whole, content.get("agents"))
    steps = tuple(
        _step(entry, f"step {number}", defaults, default_queue)
        for number, entry in enumerate(content["steps"], start=1)
    )
    if not steps:
        raise PipelineError("the pipeline has no steps")
    _check_keys(steps)
    circle = find_cycle(steps)
    if circle:
        raise PipelineError(f"steps wait for each other: {' -> '.join(circle)}")
    return Definition(steps, whole.variables("env"))


def _step(entry: object, what: str, defaults: tuple[str, ...], default_queue: str) -> Step:
    if entry in ("wait", "waiter"):
        return WaitStep(new_id(), None, None, continue_on_failure=False)
    if isinstance(entry, str):
        raise PipelineError(f"{what}: {entry!r} is not a step that the lab supports")
    if not isinstance(entry, Section):
        raise PipelineError(f"{what}: a step is a mapping, or `wait`")
    reader = Reader(entry, what)
    if "wait" in entry or "waiter" in entry or entry.get("type") in ("wait", "waiter"):
        return _wait(reader)
    other = next((name for name in _OTHER_STEPS if name in entry), None)
    if other:
        raise reader.error(f"the lab does not support {other} steps")
    return _command(reader, defaults, default_queue)


def _wait(reader: Reader) -> WaitStep:
    reader.only(_WAIT)
    return WaitStep(
        id=new_id(),
        key=reader.text(*_KEYS),
        depends_on=depends_on(reader),
        continue_on_failure=reader.flag("continue_on_failure"),
    )


def _command(reader: Reader, defaults: tuple[str, ...], default_queue: str) -> CommandStep:
    reader.only(_COMMAND)
    command = commands(reader)
    agents = rules(reader, reader.raw("agents")) or defaults
    queues = [rule.removeprefix("queue=") for rule in agents if rule.startswith("queue=")]
    return CommandStep(
        id=new_id(),
        key=reader.text(*_KEYS),
        label=reader.text("label", "name") or "",
        command=command,
        agents=agents,
        queue=queues[-1] if queues else default_queue,
        env=reader.variables("env"),
        priority=reader.integer("priority", least=-(2**31)) or 0,
        timeout_minutes=reader.integer("timeout_in_minutes", least=1),
        parallelism=reader.integer("parallelism", least=1),
        skip=skip(reader),
        depends_on=depends_on(reader),
        allow_dependency_failure=reader.flag("allow_dependency_failure"),
        automatic_retry=automatic(reader),
        manual_retry=manual(reader),
        soft_fail=soft_fail(reader),
    )


def _check_keys(steps: tuple[Step, ...]) -> None:
    keys = [step.key for step in steps if step.key is not None]
    doubled = sorted({key for key in keys if keys.count(key) > 1})
    if doubled:
        raise PipelineError(f"the step key {doubled[0]!r} is used more than once")
