"""What waits for what in a build, and what is tried again.

Source of each expectation, unless the test says otherwise: buildkite/docs
pages/pipelines/configure/{depends_on,retry,soft_fail}.md and step_types/wait_step.md.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mayfly_lab.buildkite import BuildRequest, PullRequest, RefusedError
from tests.contract.buildkite_client import Contract, contract


@pytest.fixture
def bk() -> Iterator[Contract]:
    with contract() as made:
        yield made


class Run:
    """A build whose jobs are told by the letter that is their command."""

    def __init__(self, bk: Contract, steps: str) -> None:
        self.bk = bk
        bk.buildkite.add_pipeline("demo", steps, "https://git.example.org/demo.git")
        self.id = bk.buildkite.create_build("demo").id

    def job_id(self, command: str) -> str:
        jobs = self.bk.buildkite.build(self.id).jobs
        return [job for job in jobs if job.command == command][-1].id

    def end(self, command: str, how: str) -> None:
        job_id = self.job_id(command)
        if how == "cancel":
            self.bk.buildkite.cancel_job(job_id)
        else:
            self.bk.running(job_id).finish(how)

    def states(self) -> dict[str, str]:
        jobs = self.bk.buildkite.build(self.id).jobs
        return {job.command: job.outcome or str(job.state) for job in jobs}

    @property
    def state(self) -> str:
        return self.bk.buildkite.build(self.id).state


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
def test_what_becomes_of_a_job_that_waits(
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


@pytest.mark.parametrize(
    ("rule", "end", "retried"),
    [
        ("true", ("1", None, None), True),
        ("true", ("0", None, None), False),
        ("false", ("1", None, None), False),
        ("[{exit_status: [3, 5]}]", ("5", None, None), True),
        ("[{exit_status: [3, 5]}]", ("4", None, None), False),
        ("[{exit_status: '*'}]", ("255", None, None), True),
        ("[{exit_status: '*'}]", ("-1", None, None), False),
        ("[{exit_status: -1}]", ("-1", "SIGTERM", "agent_stop"), True),
        ("[{signal_reason: agent_stop}]", ("255", None, "agent_stop"), True),
        ("[{signal_reason: agent_stop}]", ("255", None, "cancel"), False),
        ("[{exit_status: -1, signal_reason: none}]", ("-1", None, None), True),
        ("[{exit_status: -1, signal_reason: none}]", ("-1", None, "agent_refused"), False),
        ("[{exit_status: -1, signal: kill}]", ("-1", "SIGKILL", None), True),
        ("[{exit_status: -1, signal: SigTerm}]", ("-1", "SIGKILL", None), False),
        ("[{exit_status: 1, signal: none}]", ("1", None, None), True),
        ("[{exit_status: 1, limit: 0}, {exit_status: '*'}]", ("1", None, None), False),
        ("{exit_status: 1, limit: 1}", ("1", None, None), True),
    ],
)
def test_which_ends_are_retried(
    bk: Contract, rule: str, end: tuple[str, str | None, str | None], retried: bool
) -> None:
    status, signal, reason = end
    run = Run(bk, f"steps: [{{command: a, retry: {{automatic: {rule}}}}}]")
    job_id = run.job_id("a")
    given = {"signal": signal, "signal_reason": reason}
    bk.running(job_id).finish(status, **{k: v for k, v in given.items() if v})
    assert (bk.buildkite.job(job_id).retried_in is not None) is retried


def test_a_retry_is_a_new_job_linked_both_ways(bk: Contract) -> None:
    run = Run(bk, "steps: [{command: a, retry: {automatic: true}}, wait, {command: b}]")
    first = run.job_id("a")
    run.end("a", "1")
    second = run.job_id("a")
    assert second != first
    assert bk.buildkite.job(first).retried_in == second
    again = bk.buildkite.job(second)
    assert (again.retry_of, again.retry_count, str(again.state)) == (first, 1, "scheduled")
    assert run.state == "running"
    env = bk.stack("GET", f"/jobs/{second}").json()["env"]
    assert (env["BUILDKITE_RETRY_COUNT"], env["BUILDKITE_RETRY_TYPE"]) == ("1", "automatic")
    run.end("a", "0")
    assert run.states()["b"] == "scheduled"


def test_each_rule_keeps_its_own_count(bk: Contract) -> None:
    rules = "[{exit_status: 1, limit: 1}, {exit_status: 2, limit: 2}]"
    run = Run(bk, f"steps: [{{command: a, retry: {{automatic: {rules}}}}}]")
    for status in ("2", "1", "2"):
        run.end("a", status)
        assert run.state == "running"
    run.end("a", "1")
    assert run.state == "failed"
    assert len(bk.buildkite.jobs()) == 4


def test_canceled_jobs_and_canceled_builds_are_not_retried(bk: Contract) -> None:
    steps = "steps: [{command: a, retry: {automatic: [{exit_status: '*'}, {exit_status: -1}]}}]"
    for whole in (False, True):
        run = Run(bk, steps)
        session = bk.running(run.job_id("a"))
        if whole:
            bk.buildkite.cancel_build(run.id)
            assert run.state == "canceling"
        else:
            bk.buildkite.cancel_job(session.job_id)
        session.finish("-1", signal_reason="cancel")
        assert bk.buildkite.job(session.job_id).retried_in is None
        assert run.state == ("canceled" if whole else "failed")


def test_a_lost_agents_job_is_retried_when_a_rule_names_minus_one(bk: Contract) -> None:
    run = Run(bk, "steps: [{command: a, retry: {automatic: [{exit_status: -1, limit: 1}]}}]")
    lost = bk.running(run.job_id("a")).job_id
    bk.clock.advance(minutes=3)
    assert bk.buildkite.job(lost).retried_in == run.job_id("a")
    assert run.state == "running"


def test_a_job_that_timed_out_is_retried_by_the_cancel_reason(bk: Contract) -> None:
    steps = (
        "steps: [{command: a, timeout_in_minutes: 1, retry: {automatic: {signal_reason: cancel}}}]"
    )
    run = Run(bk, steps)
    session = bk.running(run.job_id("a"))
    bk.clock.advance(minutes=1)
    session.finish("255", signal_reason="cancel")
    assert bk.buildkite.job(session.job_id).outcome == "timed_out"
    assert bk.buildkite.job(session.job_id).retried_in is not None


def test_a_canceled_build_cancels_every_job_that_has_no_agent(bk: Contract) -> None:
    run = Run(bk, WAIT)
    session = bk.running(run.job_id("a"))
    bk.buildkite.cancel_build(run.id)
    assert run.states() == {"a": "canceling", "b": "canceled", "c": "canceled"}
    session.finish("255", signal_reason="cancel")
    assert run.state == "canceled"
    with pytest.raises(RefusedError):
        bk.buildkite.cancel_build(run.id)


def test_a_manual_retry_lets_the_build_go_on(bk: Contract) -> None:
    """buildkite/docs apis/rest_api/jobs.md."""
    run = Run(bk, "steps: [{command: a}, wait, {command: b}]")
    run.end("a", "1")
    first = run.job_id("a")
    assert (run.state, run.states()["b"]) == ("failed", "waiting_failed")
    again = bk.buildkite.retry_job(first)
    assert (str(again.state), again.retry_of) == ("scheduled", first)
    assert (run.state, run.states()["b"]) == ("running", "waiting")
    run.end("a", "0")
    assert run.states()["b"] == "scheduled"
    with pytest.raises(RefusedError):
        bk.buildkite.retry_job(first)


@pytest.mark.parametrize(
    ("manual", "status", "refused"),
    [
        ("true", "1", None),
        ("true", "0", 400),
        ("{permit_on_passed: true}", "0", None),
        ("{allowed: false, reason: no}", "1", 403),
        ("false", "1", 403),
    ],
)
def test_who_may_be_retried_by_hand(
    bk: Contract, manual: str, status: str, refused: int | None
) -> None:
    """buildkite/docs apis/rest_api/jobs.md; 403 for a step that forbids it is an assumption."""
    run = Run(bk, f"steps: [{{command: a, retry: {{manual: {manual}}}}}]")
    run.end("a", status)
    answer = bk.rest("PUT", f"/jobs/{run.job_id('a')}/retry")
    assert answer.status_code == (refused or 200)


def test_parallel_jobs_know_their_place(bk: Contract) -> None:
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
