"""Dependencies between the jobs of a build, and the state of the build.

Source of each expectation, unless the test says otherwise: buildkite/docs
pages/pipelines/configure/{depends_on,soft_fail}.md and step_types/wait_step.md.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from buildkite_emulator import BuildRequest, PullRequest, RefusedError
from emulator.buildkite_client import Contract, Run, contract


@pytest.fixture
def bk() -> Iterator[Contract]:
    with contract() as made:
        yield made


WAIT = "steps: [{command: a}, {command: b}, wait, {command: c}]"
CONTINUE = "steps: [{command: a}, {wait: ~, continue_on_failure: true}, {command: c}]"


@pytest.mark.parametrize(
    ("steps", "ends", "expected"),
    [
        pytest.param(WAIT, {"a": "0"}, "waiting", id="a wait waits for all before it"),
        pytest.param(WAIT, {"a": "0", "b": "0"}, "scheduled", id="and lets go when all passed"),
        pytest.param(WAIT, {"a": "1"}, "waiting", id="also when one has failed already"),
        pytest.param(WAIT, {"a": "1", "b": "0"}, "waiting_failed", id="then nothing runs"),
        pytest.param(WAIT, {"a": "cancel", "b": "0"}, "waiting_failed", id="a cancel counts"),
        pytest.param(CONTINUE, {"a": "1"}, "scheduled", id="a wait may forgive a failure"),
        pytest.param(CONTINUE, {"a": "cancel"}, "waiting_failed", id="but not a cancel"),
        pytest.param(
            "steps: [{command: a}, wait, {command: b},"
            " {wait: ~, continue_on_failure: true}, {command: c}]",
            {"a": "1"},
            "waiting_failed",
            id="nor an earlier wait that gave up",
        ),
        pytest.param(
            "steps: [{command: a}, {wait: ~, continue_on_failure: true}, {command: b},"
            " {wait: ~, continue_on_failure: true}, {command: c}]",
            {"a": "1", "b": "0"},
            "scheduled",
            id="two forgiving waits in a row",
        ),
        pytest.param(
            "steps: [{command: a}, {wait: ~, continue_on_failure: true}, {command: b}, wait,"
            " {command: c}]",
            {"a": "1", "b": "0"},
            "waiting_failed",
            id="a plain wait after a forgiving one",
        ),
        pytest.param(
            "steps: [{command: a, key: a}, wait, {command: c, depends_on: a}]",
            {"a": "0"},
            "scheduled",
            id="a step may depend on a key",
        ),
        pytest.param(
            "steps: [{command: a, key: a}, {command: b}, wait, {command: c, depends_on: a}]",
            {"a": "0"},
            "scheduled",
            id="and is then free of the waits",
        ),
        pytest.param(
            "steps: [{command: a}, wait, {command: c, depends_on: ~}]",
            {},
            "scheduled",
            id="nothing to depend on frees it too",
        ),
        pytest.param(
            "steps: [{command: a, key: a}, {command: c, depends_on: a}]",
            {"a": "1"},
            "waiting_failed",
            id="a failed dependency",
        ),
        pytest.param(
            "steps: [{command: a, key: a},"
            " {command: c, depends_on: a, allow_dependency_failure: true}]",
            {"a": "1"},
            "scheduled",
            id="which the step may allow",
        ),
        pytest.param(
            "steps: [{command: a, key: a},"
            " {command: c, depends_on: [{step: a, allow_failure: true}]}]",
            {"a": "1"},
            "scheduled",
            id="or for one dependency",
        ),
        pytest.param(
            "steps: [{command: a, key: a},"
            " {command: c, depends_on: a, allow_dependency_failure: true}]",
            {"a": "cancel"},
            "waiting_failed",
            id="but not for a cancel",
        ),
        pytest.param(
            "steps: [{command: a, key: a}, {command: b, key: b, depends_on: a},"
            " {command: c, depends_on: [{step: b, allow_failure: true}]}]",
            {"a": "1"},
            "scheduled",
            id="a step that did not run counts as a failure that may be allowed",
        ),
        pytest.param(
            "steps: [{command: c, depends_on: nothing}]",
            {},
            "waiting_failed",
            id="a dependency that does not exist",
        ),
        pytest.param(
            "steps: [{command: a, key: a, skip: not today}, {command: c, depends_on: a}]",
            {},
            "scheduled",
            id="a skipped dependency is satisfied",
        ),
        pytest.param(
            "steps: [{command: a, key: a, soft_fail: [{exit_status: 4}]},"
            " {command: c, depends_on: a}]",
            {"a": "4"},
            "scheduled",
            id="so is a soft failure",
        ),
        pytest.param(
            "steps: [{command: a, key: a, soft_fail: [{exit_status: 4}]},"
            " {command: c, depends_on: a}]",
            {"a": "5"},
            "waiting_failed",
            id="of that status only",
        ),
    ],
)
def test_a_waiting_job_follows_the_ends_of_its_dependencies(
    bk: Contract, steps: str, ends: dict[str, str], expected: str
) -> None:
    run = Run(bk, steps)
    for command, how in ends.items():
        run.end(command, how)
    assert run.states()["c"] == expected


@pytest.mark.parametrize(
    ("steps", "ends", "states"),
    [
        (WAIT, {}, ["scheduled"]),
        (WAIT, {"a": "0", "b": "0", "c": "0"}, ["running", "running", "passed"]),
        (WAIT, {"a": "1", "b": "0"}, ["failing", "failed"]),
        (CONTINUE, {"a": "1", "c": "0"}, ["failing", "failed"]),
        ("steps: [{command: a, soft_fail: true}]", {"a": "1"}, ["passed"]),
        ("steps: [{command: a}]", {"a": "cancel"}, ["failed"]),
        ("steps: [{command: a, soft_fail: true}]", {"a": "cancel"}, ["passed"]),
        ("steps: [{command: a, skip: true}]", {}, ["not_run"]),
    ],
)
def test_a_builds_state_follows_from_its_jobs(
    bk: Contract, steps: str, ends: dict[str, str], states: list[str]
) -> None:
    """buildkite/docs pages/pipelines/configure/_build_states.md and canceling_builds.md."""
    run = Run(bk, steps)
    seen = [] if ends else [run.state]
    for command, how in ends.items():
        run.end(command, how)
        seen.append(run.state)
    assert seen == states


def test_a_canceled_build_cancels_every_job_that_has_no_agent(bk: Contract) -> None:
    run = Run(bk, WAIT)
    session = bk.running(run.job_id("a"))
    bk.buildkite.cancel_build(run.id)
    assert run.states() == {"a": "canceling", "b": "canceled", "c": "canceled"}
    session.finish("255", signal_reason="cancel")
    assert run.state == "canceled"
    with pytest.raises(RefusedError):
        bk.buildkite.cancel_build(run.id)


def test_parallel_jobs_have_their_index_and_count_in_the_environment(bk: Contract) -> None:
    jobs = bk.jobs("steps: [{command: a, parallelism: 3}, wait, {command: b}]")
    shown = [bk.stack("GET", f"/jobs/{job.id}").json()["env"] for job in jobs[:3]]
    assert [env["BUILDKITE_PARALLEL_JOB"] for env in shown] == ["0", "1", "2"]
    assert {env["BUILDKITE_PARALLEL_JOB_COUNT"] for env in shown} == {"3"}
    for job in jobs[:3]:
        assert bk.state(jobs[3].id) == "waiting"
        bk.running(job.id).finish("0")
    assert bk.state(jobs[3].id) == "scheduled"


def test_a_pull_requests_environment_shows_its_fork(bk: Contract) -> None:
    """buildkite/docs data/content/environment_variables.yaml."""
    fork = "https://git.example.org/fork.git"
    request = BuildRequest(
        branch="topic", source="webhook", pull_request=PullRequest(7, fork, "main")
    )
    [job] = bk.jobs(request=request)
    env = bk.stack("GET", f"/jobs/{job.id}").json()["env"]
    assert env["BUILDKITE_PULL_REQUEST"] == "7"
    assert env["BUILDKITE_PULL_REQUEST_REPO"] == fork
    assert env["BUILDKITE_PULL_REQUEST_BASE_BRANCH"] == "main"
    assert (env["BUILDKITE_SOURCE"], env["BUILDKITE_BRANCH"]) == ("webhook", "topic")


def test_labels_of_parallel_jobs_contain_their_numbers(bk: Contract) -> None:
    """buildkite/docs pages/pipelines/best_practices/parallel_builds.md: `%n`, `%N` and `%t`."""
    steps = "steps: [{command: a, label: 'Test %n (%N of %t) 100%', parallelism: 2}]"
    jobs = bk.jobs(steps)
    labels = ["Test 0 (1 of 2) 100%", "Test 1 (2 of 2) 100%"]
    assert [job.label for job in jobs] == labels
    shown = [bk.stack("GET", f"/jobs/{job.id}").json()["env"] for job in jobs]
    assert [env["BUILDKITE_LABEL"] for env in shown] == labels


def test_a_label_without_parallel_jobs_is_unchanged(bk: Contract) -> None:
    """The same page: only labels of parallel jobs contain numbers."""
    assert [job.label for job in bk.jobs("steps: [{command: a, label: 'Up 5 %n'}]")] == ["Up 5 %n"]


@pytest.mark.parametrize(
    ("step", "name"),
    [
        ("{label: L, command: a, key: k}", "L"),
        ("{command: [first, second], key: k}", "first"),
        ("{command: '', plugins: [p#v1], key: k}", "k"),
    ],
)
def test_a_job_without_a_label_is_named_by_its_command(bk: Contract, step: str, name: str) -> None:
    """The lab's own rule, for readers of its output."""
    assert [job.name for job in bk.jobs(f"steps: [{step}]")] == [name]


@pytest.mark.parametrize(
    ("steps", "missing"),
    [
        ("{command: a, depends_on: [none, b]}, {command: b, key: b}", ("none",)),
        ("{group: G, depends_on: none, steps: [{command: a}]}", ("none",)),
        ("{command: a, depends_on: g}, {group: G, key: g, steps: [{command: b}]}", ()),
        ("{command: a, depends_on: w}, {wait: ~, key: w, depends_on: ~}", ()),
    ],
)
def test_a_job_view_names_dependencies_that_no_step_has(
    bk: Contract, steps: str, missing: tuple[str, ...]
) -> None:
    """buildkite/docs depends_on.md, "Order of operations": this build fails without the job."""
    job = bk.jobs(f"steps: [{steps}]")[0]
    assert job.missing == missing
    assert (job.state == "waiting_failed") is bool(missing)
