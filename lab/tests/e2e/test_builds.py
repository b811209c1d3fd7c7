"""Jobs of one build: uploads, dependencies, and concurrent runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from e2e.repositories import add_pipeline_file
from e2e.runs import Run, Runs


def prepare(runs: Runs) -> None:
    add_pipeline_file(runs.stage.lab)


def test_a_job_uploads_the_steps_that_come_after_it(run: Run) -> None:
    assert run.state() == "passed"
    shown = {job["step_key"]: job["name"] for job in run.jobs()}
    # The agent interpolates one dollar sign, the uploaded job's shell the other.
    assert shown == {"upload": None, "app": "app on main", "docs": "docs on main", "last": None}
    assert {"app by app", "docs by docs"} <= set(run.lines(run.job("last")))


def test_a_job_uploads_the_pipeline_file_of_its_repository(run: Run) -> None:
    assert run.state() == "passed"
    assert {job["step_key"]: job["state"] for job in run.jobs()} == {
        None: "passed",
        "build": "passed",
        "test": "passed",
    }
    assert "tested on main: all green" in run.lines(run.job("test"))


def test_an_upload_of_invalid_yaml_fails_its_job_with_the_line_of_the_error(run: Run) -> None:
    assert run.state() == "failed"
    assert states(run) == {"upload": ("failed", 1), "last": ("waiting_failed", None)}
    words = 'fatal: pipeline parsing of "pipeline.yml" failed: line 3: '
    assert any(line.startswith(words) for line in run.lines(run.job("upload")))


def test_an_upload_that_buildkite_refuses_fails_its_job_with_the_reason(run: Run) -> None:
    assert run.state() == "failed"
    assert states(run) == {"upload": ("failed", 1), "last": ("waiting_failed", None)}
    reason = "`agent` is not a valid property on the `command` step, perhaps you meant `agents`?"
    assert any(line.endswith(reason) for line in run.lines(run.job("upload")))


def test_the_jobs_of_a_parallel_step_run_side_by_side_and_know_their_number(run: Run) -> None:
    assert run.state() == "passed"
    jobs = run.jobs()
    for number, job in enumerate(jobs):
        assert (job["parallel_group_index"], job["parallel_group_total"]) == (number, 3)
        assert f"job {number} of 3" in run.lines(job)
    assert len({job["agent"]["name"] for job in jobs}) == 3


def test_jobs_of_one_concurrency_group_run_one_after_another(run: Run) -> None:
    assert run.state() == "passed"
    first, second = sorted(run.jobs(), key=lambda job: str(job["started_at"]))
    assert first["finished_at"] <= second["started_at"]
    assert {"job 0", "job 1"} <= {*run.lines(first), *run.lines(second)}


def test_a_block_holds_a_job_until_somebody_unblocks_it_with_answers(run: Run) -> None:
    # A blocked build shows the outcome of the jobs before the block.
    run.until("is blocked", lambda: run.build()["blocked"])
    assert run.job()["state"] == "blocked"
    run.unblock(block_of(run), {"release": "v2"})
    run.until("the block is unblocked", lambda: not run.build()["blocked"])
    assert run.state() == "passed"
    assert "release v2" in run.lines()


def test_at_the_end_nothing_is_left_and_every_promise_was_kept(runs: Runs) -> None:
    runs.stage.empty()
    assert runs.stage.broken_promises() == []


def states(run: Run) -> dict[str, tuple[str, int | None]]:
    """State and exit status of every job, by the key of its step."""
    return {job["step_key"]: (job["state"], job["exit_status"]) for job in run.jobs()}


def block_of(run: Run) -> Mapping[str, Any]:
    """The only block step of the build."""
    blocks: list[Mapping[str, Any]]
    blocks = [job for job in run.build()["jobs"] if job["type"] == "manual"]
    (block,) = blocks
    return block
