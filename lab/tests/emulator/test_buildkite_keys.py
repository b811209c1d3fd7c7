"""Every key of a pipeline and its steps: done, passed with a notice, or refused; none ignored.

Source: buildkite/docs pages/pipelines/configure, and buildkite/pipeline-schema schema.json.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from buildkite_emulator import PipelineError
from buildkite_emulator.pipelines.definition import Context, Definition, parse
from buildkite_emulator.pipelines.keys import KINDS
from buildkite_emulator.pipelines.steps import CommandStep
from emulator.buildkite_client import Contract, Run, contract
from mayfly_lab.commands.left_out import LeftOut
from mayfly_lab.lab import Lab

COMMON = "key id identifier label name type depends_on allow_dependency_failure if"
SCHEMA = {
    "pipeline": "env agents notify image secrets priority steps cache checkout",
    "command": f"{COMMON} branches agents artifact_paths cache cancel_on_build_failing command"
    " commands concurrency concurrency_group concurrency_method env if_changed image matrix notify"
    " parallelism plugins priority retry secrets signature skip soft_fail timeout_in_minutes"
    " checkout",
    "wait": f"{COMMON} branches wait waiter continue_on_failure",
    "block": f"{COMMON} branches block allowed_teams blocked_state fields prompt",
    "input": f"{COMMON} branches input allowed_teams blocked_state fields prompt",
    "trigger": f"{COMMON} branches trigger async build if_changed skip soft_fail parallelism",
    "group": f"{COMMON} group if_changed notify skip steps",
    "field of a block or input": "text select key hint required default format multiple options",
}
"""The keys that Buildkite's schema and pages name, by kind of step."""


def read(text: str) -> Definition:
    return parse(text, Context("default"))


def only(text: str) -> CommandStep:
    [step] = read(text).steps
    assert isinstance(step, CommandStep)
    return step


@pytest.mark.parametrize("kind", SCHEMA)
def test_every_documented_key_has_a_place_in_the_table(kind: str) -> None:
    assert set(SCHEMA[kind].split()) <= {key.name for key in KINDS[kind]}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("steps:\n- command: x\nnotify: [{email: a@example.org}]\n", [("notify", 3, "pipeline")]),
        ("steps:\n- command: x\ncache: node_modules\n", [("cache", 3, "pipeline")]),
        ("image: ruby\nsteps:\n- command: x\n", [("image", 1, "pipeline")]),
        ("checkout: {skip: true}\nsteps: [{command: x}]\n", [("checkout", 1, "pipeline")]),
        ("common: &c\n  command: x\nsteps:\n- *c\n", [("common", 1, "pipeline")]),
        (
            "steps:\n- wait\n- command: x\n  label: l\n  notify: [slack]\n  cache: a\n",
            [("notify", 5, "step 2"), ("cache", 6, "step 2")],
        ),
        (
            "steps:\n- command: x\n  image: ruby\n  checkout: {depth: 1}\n  if_changed: '*.go'\n",
            [("image", 3, "step 1"), ("checkout", 4, "step 1"), ("if_changed", 5, "step 1")],
        ),
        ("steps:\n- block: b\n  allowed_teams: [a]\n", [("allowed_teams", 3, "step 1")]),
        (
            "steps:\n- input: b\n  fields:\n  - {text: t, key: k, default: d, format: '[a-z]'}\n",
            [("format", 4, "step 1: fields")],
        ),
        (
            "steps:\n- group: g\n  notify: []\n  steps:\n  - trigger: deploy\n",
            [("notify", 3, "step 1"), ("trigger", 5, "step 1.1")],
        ),
        ("steps: [{command: x, env: {A: b}}, wait]\n", []),
    ],
)
def test_a_key_that_is_not_carried_out_passes_with_a_notice_of_its_line(
    text: str, told: list[tuple[str, int, str]]
) -> None:
    notices = read(text).notices
    assert [(n.words.split("`")[1], n.line, n.place) for n in notices] == told
    assert all(len(n.words) > 20 for n in notices)


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ("{command: x, notfiy: []}", "perhaps you meant `notify`?"),
        ("{command: x, checkout: {shallow: true}}", "`shallow` is not a valid property"),
        ("{command: x, checkout: {depth: 0}}", "depth must be a whole number, at least 1"),
        ("{command: x, checkout: {flags: {push: x}}}", "`push` is not a valid property"),
        ("{command: x, checkout: {sparse: {paths: []}}}", "paths must be text, or a list"),
        ("{command: x, checkout: {ssh_secret: bk_key}}", "ssh_secret must be a name"),
        ("{command: x, cache: {name: n}}", "cache needs `paths`"),
        ("{command: x, cache: {paths: a, size: big}}", "size must be a number of gigabytes"),
        ("{trigger: x, agents: {}}", "`agents` is not a valid property on the `trigger` step"),
        ("{trigger: x, build: {slug: y}}", "`slug` is not a valid property of `build`"),
        ("{trigger: ''}", "trigger takes the slug of a pipeline"),
        ("{block: b, fields: [{text: t, key: k, regex: x}]}", "`regex` is not a valid property"),
    ],
)
def test_an_unknown_key_of_a_step_or_its_parts_is_refused(steps: str, reason: str) -> None:
    with pytest.raises(PipelineError) as refused:
        read(f"steps: [{steps}]")
    assert reason in str(refused.value)
    assert refused.value.line == 1


def test_a_checkout_is_sent_as_variables_and_a_step_overrides_its_pipeline_key_by_key() -> None:
    """buildkite/docs pages/pipelines/configure/git_checkout.md."""
    whole = "checkout: {submodules: false, flags: {clone: --bare, fetch: -v}, sparse: {paths: a}}\n"
    step = "command: x, checkout: {skip: 'true', depth: 5, flags: {clone: -q}, lfs: true}"
    env = only(f"{whole}steps: [{{{step}}}]").env
    assert env == {
        "BUILDKITE_SKIP_CHECKOUT": "true",
        "BUILDKITE_GIT_SUBMODULES": "false",
        "BUILDKITE_GIT_LFS_ENABLED": "true",
        "BUILDKITE_GIT_CLONE_FLAGS": "-q --depth=5",
        "BUILDKITE_GIT_FETCH_FLAGS": "-v --depth=5",
        "BUILDKITE_GIT_SPARSE_CHECKOUT_PATHS": "a",
    }


def test_the_env_of_a_step_overrides_the_flags_of_a_checkout_and_not_its_switches() -> None:
    step = (
        "command: x, checkout: {skip: false, flags: {clean: -a}, commit_verification: strict},"
        " env: {BUILDKITE_SKIP_CHECKOUT: 'true', BUILDKITE_GIT_CLEAN_FLAGS: -b}"
    )
    whole = "env: {BUILDKITE_GIT_COMMIT_VERIFICATION: warn}\n"
    assert only(f"{whole}steps: [{{{step}}}]").env == {
        "BUILDKITE_SKIP_CHECKOUT": "false",
        "BUILDKITE_GIT_CLEAN_FLAGS": "-b",
        "BUILDKITE_GIT_COMMIT_VERIFICATION": "strict",
    }


def test_the_key_for_git_is_among_the_secrets_of_its_own_step_alone() -> None:
    given = "steps: [{command: x, secrets: [A], checkout: {ssh_secret: KEY}}]"
    assert only(given).secrets == {"A": "A", "BUILDKITE_GIT_SSH_KEY": "KEY"}
    definition = read("checkout: {ssh_secret: KEY}\nsteps: [{command: x}]")
    assert "no step inherits it" in definition.notices[-1].words
    [step] = definition.steps
    assert isinstance(step, CommandStep)
    assert step.secrets is None


@pytest.mark.parametrize(
    ("whole", "own", "secrets"),
    [
        ("[A]", "~", ["A"]),
        ("~", "{B: C}", {"B": "C"}),
        ("[A, B]", "{B: C}", {"A": "A", "B": "C"}),
        ("{A: X}", "[B]", {"A": "X", "B": "B"}),
    ],
)
def test_the_secrets_of_a_pipeline_reach_the_steps_that_have_their_own(
    whole: str, own: str, secrets: object
) -> None:
    """buildkite/go-pipeline secrets.go; buildkite/docs: secrets "for all steps in a build"."""
    assert only(f"secrets: {whole}\nsteps: [{{command: x, secrets: {own}}}]").secrets == secrets


@pytest.mark.parametrize(
    ("given", "sent"),
    [("[A]", ["A"]), ("{B: C}", [{"key": "C", "environment_variable": "B"}]), ("[]", None)],
)
def test_secrets_reach_the_agent_as_a_list_for_agents_refuse_a_mapping(
    given: str, sent: object
) -> None:
    """buildkite/go-pipeline secrets.go."""
    with contract("default") as bk:
        session = bk.agent()
        job_id = bk.one_job(f"steps: [{{command: x, secrets: {given}}}]")
        assert session.acquire(job_id).json()["step"].get("secrets") == sent


@pytest.mark.parametrize(
    ("whole", "step", "cache"),
    [
        ("~", "a", {"paths": ["a"]}),
        ("[a, b]", "~", {"paths": ["a", "b"]}),
        ("{paths: [a], size: 100g}", "[a, b]", {"paths": ["a", "b"], "size": "100g"}),
        ("a", "{paths: b, name: other}", {"paths": ["b"], "name": "other"}),
        ("a", "false", None),
    ],
)
def test_a_cache_reaches_the_agent_in_its_long_form(whole: str, step: str, cache: object) -> None:
    """buildkite/docs pages/agent/buildkite_hosted/cache_volumes.md."""
    with contract("default") as bk:
        session = bk.agent()
        job_id = bk.one_job(f"cache: {whole}\nsteps: [{{command: x, cache: {step}}}]")
        assert session.acquire(job_id).json()["step"].get("cache") == cache


@pytest.fixture
def bk() -> Any:
    with contract("default") as made:
        yield made


def test_a_trigger_passes_after_its_dependencies_and_lets_its_dependents_run(bk: Contract) -> None:
    run = Run(bk, "steps: [{command: a}, wait, {trigger: t, key: t}, {command: b, depends_on: t}]")
    assert run.states() == {"a": "scheduled", "b": "waiting"}
    run.end("a", "0")
    assert run.states() == {"a": "passed", "b": "scheduled"}
    run.end("b", "0")
    assert run.state == "passed"
    shown = bk.rest("GET", "/pipelines/demo/builds/1").json()["jobs"][2]
    assert (shown["type"], shown["state"], shown["triggered_build"]) == (
        "trigger",
        "finished",
        None,
    )


def test_a_trigger_after_a_failure_gives_its_dependents_up(bk: Contract) -> None:
    run = Run(bk, "steps: [{command: a}, wait, {trigger: t, key: t}, {command: b, depends_on: t}]")
    run.end("a", "1")
    assert run.states() == {"a": "failed", "b": "waiting_failed"}
    assert run.state == "failed"


def test_a_build_of_triggers_alone_passes(bk: Contract) -> None:
    assert Run(bk, "steps: [{trigger: t}, wait, {trigger: u}]").state == "passed"


def test_notices_are_told_once_with_file_and_lines_and_those_of_uploads_by_their_job(
    bk: Contract,
) -> None:
    steps = "steps:\n" + "- {command: x, notify: []}\n" * 7 + "- {command: up}\n"
    run = Run(bk, steps)
    lab = cast("Lab", SimpleNamespace(buildkite=bk.buildkite))
    left_out = LeftOut(lab)
    assert list(left_out.new_lines()) == [
        "notice: pipeline demo:2,3,4,5,6 and 2 more: `notify`: the emulator notifies nobody"
    ]
    session = bk.running(run.job_id("up"))
    uuid = "00000000-0000-4000-8000-000000000001"
    body = {"uuid": uuid, "pipeline": {"steps": [{"trigger": "t"}]}}
    assert session.job("POST", "/pipelines", body).status_code == 200
    assert list(left_out.new_lines()) == [
        (
            "notice: upload of up: step 1: `trigger`: no build is triggered; the step passes once"
            " its dependencies have passed"
        )
    ]
    assert list(left_out.new_lines()) == []


def test_a_required_field_without_default_is_told_before_the_build_blocks(bk: Contract) -> None:
    block = {
        "block": "Release?",
        "fields": [
            {"text": "Why", "key": "why"},
            {"text": "Notes", "key": "notes", "required": False},
            {"text": "Name", "key": "name", "default": "main"},
            {"select": "Where", "key": "where", "options": [{"label": "A", "value": "a"}]},
        ],
    }
    run = Run(bk, json.dumps({"steps": [{"command": "x"}, "wait", block]}))
    assert run.state == "scheduled", "a job is to run before the block step"
    lab = cast("Lab", SimpleNamespace(buildkite=bk.buildkite))
    words = "`key`: unblocking needs an answer to the required field"
    assert list(LeftOut(lab).new_lines()) == [
        f"notice: pipeline demo:1: {words} why",
        f"notice: pipeline demo:1: {words} where",
    ]
    of_command = LeftOut(lab, {"demo": Path("p.yml")}, {"where": "a"})
    assert list(of_command.new_lines()) == [f"notice: p.yml:1: {words} why (--answer why=VALUE)"]
