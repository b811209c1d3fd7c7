"""Reading of pipelines, and the errors for invalid and unsupported ones.

Source of each expectation: buildkite/docs pages/pipelines/configure/step_types/command_step.md,
wait_step.md and the pages of the attributes. The error for an unsupported attribute is the lab's
own rule.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from buildkite_emulator import PipelineError
from buildkite_emulator.jobs.retry import rule_to_apply
from buildkite_emulator.pipelines.definition import Context, parse
from buildkite_emulator.pipelines.steps import CommandStep, WaitStep

EXAMPLE = Path(__file__).parents[3] / "examples" / "pipeline.yml"


def only(text: str) -> CommandStep:
    [step] = parse(text, Context("default")).steps
    assert isinstance(step, CommandStep)
    return step


@pytest.mark.parametrize(
    ("attributes", "name", "value"),
    [
        ("command: make", "command", "make"),
        ("commands: [a, b]", "command", "a\nb"),
        ("command: [a, b]", "command", "a\nb"),
        ("command: ''", "command", ""),
        ("command: x, name: N", "label", "N"),
        ("command: x, label: ':go: L'", "label", ":go: L"),
        ("command: x, id: k", "key", "k"),
        ("command: x, agents: {queue: deploy, os: linux}", "agents", ("queue=deploy", "os=linux")),
        ("command: x, agents: ['queue=deploy', gpu]", "agents", ("queue=deploy", "gpu")),
        ("command: x, agents: {queue: deploy}", "queue", "deploy"),
        ("command: x", "queue", "default"),
        ("command: x, env: {A: 1, B: true, C: no, D: 2026-11-21}", "env",
         {"A": "1", "B": "true", "C": "no", "D": "2026-11-21T00:00:00Z"}),
        ("command: x, priority: -2", "priority", -2),
        ("command: x, timeout_in_minutes: '5'", "timeout_minutes", 5),
        ("command: x, skip: true", "skip", "skip"),
        ("command: x, skip: false", "skip", None),
        ("command: x, skip: for a reason", "skip", "for a reason"),
    ],
)  # fmt: skip
def test_step_attributes_are_read(attributes: str, name: str, value: object) -> None:
    assert getattr(only(f"steps: [{{{attributes}}}]"), name) == value


@pytest.mark.parametrize("text", ["steps: [wait]", "steps: [{wait: ~}]", "[wait]", "[waiter]"])
def test_wait_steps_are_read(text: str) -> None:
    [step] = parse(text, Context("default")).steps
    assert isinstance(step, WaitStep)


def test_agents_and_env_of_a_pipeline_are_defaults_for_its_steps() -> None:
    steps = "steps: [{command: x}, {command: y, agents: {queue: q}}]"
    text = f"agents: {{queue: deploy}}\nenv: {{A: b}}\n{steps}"
    definition = parse(text, Context("default"))
    assert [step.queue for step in definition.steps if isinstance(step, CommandStep)] == [
        "deploy",
        "q",
    ]
    assert definition.env == {"A": "b"}


def test_yaml_anchors_are_resolved() -> None:
    text = (
        "common: &retry\n  automatic: [{exit_status: 3, limit: 5}]\n"
        "steps:\n  - command: x\n    retry: *retry\n"
    )
    [rule] = only(text).automatic_retry
    assert (rule.exit_statuses, rule.limit) == (frozenset({3}), 5)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("steps:\n- [", 2, "expected the node content, but found '<stream end>'"),
        ("just text", None, "a pipeline is a mapping with a list of `steps`"),
        ("steps: {}", None, "a pipeline is a mapping with a list of `steps`"),
        ("steps: []", None, "the pipeline has no steps"),
        ("steps: [7]", None, "step 1: a step is a mapping, or `wait`, `block` or `input`"),
        ("steps: [stop]", None, "step 1: 'stop' is not a step"),
        ("steps:\n- wait\n- trigger: x\n  build: {pipeline: y}\n", 4,
         ("step 2: build: `pipeline` is not a valid property of `build`. Please check the"
          " documentation to get a full list of supported properties.")),
        ("steps:\n- command: x\n  signature: {value: x}\n", 2,
         "step 1: the emulator does not send signatures of steps to agents"),
        ("steps:\n- label: x\n", 2, 'step 1: Step is missing a type `{"label":"x"}`'),
        ("steps:\n- command: x\n  label: l\n  agent: {}\n", 2,
         ("step 1: `agent` is not a valid property on the `command` step,"
          " perhaps you meant `agents`?")),
        ("steps:\n- {command: x, parallelism: 0}\n", 2,
         "step 1: parallelism must be a whole number, at least 1"),
        ("steps:\n- {command: x, agents: linux}\n", 2,
         "step 1: agents must be a mapping of tags to values, or a list of `tag=value`"),
        ("steps:\n- {command: x, retry: {automatic: {limit: 11}}}\n", 2,
         "step 1: retry.automatic: limit must be at most 10"),
        ("steps:\n- {command: x, retry: {automatic: {exit_status: 256}}}\n", 2,
         'step 1: retry.automatic: exit_status must be "*" or numbers from -1 to 255'),
        ("steps:\n- {command: x, key: k}\n- {command: y, key: k}\n", None,
         'The key "k" has already been used by another step in this build'),
        ("steps:\n- {command: x, key: a, depends_on: b}\n- {command: y, key: b, depends_on: a}\n",
         None, "steps wait for each other: a -> b -> a"),
        ("steps:\n- {command: x, env: {A: [1]}}\n", 2,
         "step 1: env: the value of A must be text, a number or true/false"),
    ],
)  # fmt: skip
def test_an_invalid_pipeline_is_refused_with_line_and_reason(
    text: str, line: int | None, reason: str
) -> None:
    with pytest.raises(PipelineError) as error:
        parse(text, Context("default"))
    assert (error.value.line, error.value.reason) == (line, reason)


def test_the_bundled_example_has_ten_jobs_and_more_over_two_queues() -> None:
    steps = parse(EXAMPLE.read_text(encoding="utf-8"), Context("default")).steps
    commands = [step for step in steps if isinstance(step, CommandStep)]
    assert sum(step.parallelism or 1 for step in commands) >= 10
    assert {step.queue for step in commands} == {"default", "deploy"}
    assert all(step.label and step.key for step in commands)
    [long] = [step for step in commands if step.automatic_retry]
    ends = [(-1, None), (255, "agent_stop"), (-1, "stack_error"), (7, None)]
    retried = [
        rule_to_apply(long.automatic_retry, {}, status, None, reason) is not None
        for status, reason in ends
    ]
    assert retried == [True, True, False, False]
