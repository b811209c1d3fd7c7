"""`if` and `branches`: the steps that a build omits.

Source of each expectation, unless the test says otherwise: buildkite/docs
pages/pipelines/configure/conditionals.md and workflows/branch_configuration.md.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from buildkite_emulator import BuildRequest, PipelineError, PullRequest
from buildkite_emulator.pipelines.branches import matches
from buildkite_emulator.pipelines.conditions import ConditionError, Facts, holds
from emulator.buildkite_client import Contract, contract

FACTS = Facts(
    variables={
        "build.branch": "features/a",
        "build.message": "fix it [skip tests]\nsecond line",
        "build.number": 7,
        "build.tag": None,
        "build.creator.teams": ("deploy", "web"),
        "build.pull_request.draft": None,
        "build.pull_request.repository.fork": False,
        "pipeline.default_branch": "main",
    },
    env={"BUILDKITE_TAG": "v1.0", "OWN": "yes"},
)


@pytest.fixture
def bk() -> Iterator[Contract]:
    with contract() as made:
        yield made


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('build.branch == "features/a"', True),
        ("build.branch == 'main' || build.branch == 'features/a'", True),
        ('build.branch != "production"', True),
        (r"build.branch =~ /^features\//", True),
        (r"build.branch =~ /\/a$/", True),
        ("build.branch !~ /^main$/", True),
        ("build.tag != null", False),
        ("build.tag == null", True),
        ("build.tag =~ /^v/", False),
        (r'build.env("BUILDKITE_TAG") =~ /^v[0-9]+\.0$/', True),
        ('build.env("NONE") == null', True),
        ("build.env('OWN') == 'yes'", True),
        (r"build.message !~ /\[SKIP tests\]/i", False),
        (r"build.message =~ /\[SKIP tests\]/", False),
        ("build.message =~ /^second/", True),
        ('build.creator.teams includes "deploy"', True),
        ('build.creator.teams includes "ops"', False),
        ("!build.pull_request.draft", True),
        ("build.pull_request.draft", False),
        ("build.number == 7", True),
        ("build.number == '7'", False),
        ("true && !(false || false)", True),
        ("true || false && false", True),
        ("// why\nbuild.number == 7 // because\n", True),
        ("build.branch == pipeline.default_branch", False),
        ("!build.pull_request.repository.fork && build.number != 8", True),
    ],
)
def test_a_condition_is_evaluated(expression: str, expected: bool) -> None:
    assert holds(expression, FACTS) is expected


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("build.brunch == 'a'", "unknown variable build.brunch at 1"),
        ("true && meta('a')", "unknown function meta() at 9"),
        ("build.branch ==", "the expression ends too early"),
        ("build.branch = 'a'", "unexpected = at 14"),
        ("(true", "the expression ends too early"),
        ("true true", "unexpected true at 6"),
        ("build.branch =~ 'a'", "expected a regular expression at 17"),
        ("build.branch =~ /(/", "bad regular expression: missing ), unterminated subpattern"),
        ("build.branch && true", "'features/a' is neither true nor false"),
        ("build.branch", "the condition is 'features/a', neither true nor false"),
        ("", "the expression ends too early"),
    ],
)
def test_the_error_of_an_invalid_condition_names_the_position(expression: str, reason: str) -> None:
    """The lab's own rule: no document says that an invalid condition refuses the whole pipeline."""
    with pytest.raises(ConditionError) as error:
        holds(expression, FACTS)
    assert reason in str(error.value)


@pytest.mark.parametrize(
    ("pattern", "branch", "expected"),
    [
        ("main", "main", True),
        ("main", "maintenance", False),
        ("!production", "main", True),
        ("!production", "production", False),
        ("main features/*", "features/a/b", True),
        ("*-test", "rails-update-test", True),
        ("stages/* !stages/production", "stages/demo", True),
        ("stages/* !stages/production", "stages/production", False),
        ("v*.0", "v1.0", True),
        ("v*.0", "v1x0", False),
        ("v* !v1.*", "v2.3", True),
        ("v* !v1.*", "v1.1", False),
        ("", "anything", True),
    ],
)
def test_a_branch_pattern_matches(pattern: str, branch: str, expected: bool) -> None:
    assert matches(pattern, branch) is expected


STEPS = """
steps:
  - {command: a, key: a, if: build.branch == "main"}
  - {command: b, branches: "release/*"}
  - {wait: ~, if: build.source == "schedule"}
  - {command: c, depends_on: a}
  - {command: d, if: build.pull_request.id == "7" && build.env("OWN") == "1"}
"""


def test_an_omitted_step_is_broken_and_its_dependents_run(bk: Contract) -> None:
    """Further sources: buildkite/docs depends_on.md and defining_steps.md."""
    bk.buildkite.add_pipeline("demo", STEPS, "r")
    request = BuildRequest(
        branch="topic", env={"OWN": "1"}, pull_request=PullRequest(7, "r", "main")
    )
    build = bk.buildkite.create_build("demo", request)
    states = {job.command: str(job.state) for job in build.jobs}
    assert states == {"a": "broken", "b": "broken", "c": "scheduled", "d": "scheduled"}
    jobs = bk.rest("GET", "/pipelines/demo/builds/1").json()["jobs"]
    reasons = [job.get("broken_reason") for job in jobs]
    assert reasons == ["conditional_failed", "branch_mismatch", None, None, None]
    assert [job["state"] for job in jobs][2] == "broken"


def test_a_build_with_only_omitted_steps_is_not_run(bk: Contract) -> None:
    """buildkite/docs `_build_states.md`."""
    bk.buildkite.add_pipeline("demo", "steps: [{command: a, if: 'false'}]", "r")
    assert bk.buildkite.create_build("demo").state == "not_run"


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ("if: true && x", "`if` cannot be evaluated: unknown variable x at 9"),
        ("if: 'true', branches: main", "`if` and `branches` cannot be used at the same time"),
    ],
)
def test_a_step_with_a_bad_condition_is_refused(bk: Contract, attributes: str, reason: str) -> None:
    bk.buildkite.add_pipeline("demo", f"steps:\n  - {{command: a, {attributes}}}\n", "r")
    with pytest.raises(PipelineError) as error:
        bk.buildkite.create_build("demo")
    assert str(error.value) == f"line 2: step 1: {reason}"


def test_a_pipeline_builds_only_branches_of_its_pattern_unless_the_build_ignores_it(
    bk: Contract,
) -> None:
    """buildkite/docs apis/rest_api/builds.md: ignore_pipeline_branch_filters."""
    bk.buildkite.add_pipeline("demo", "steps: [{command: a}]", "r", branch_pattern="main")
    path, topic = "/pipelines/demo/builds", {"commit": "HEAD", "branch": "topic"}
    assert bk.rest("POST", path, topic).status_code == 422
    ignored = {**topic, "ignore_pipeline_branch_filters": True}
    assert bk.rest("POST", path, ignored).status_code == 201
    assert bk.rest("POST", path, {**topic, "pull_request_id": 3}).status_code == 201
