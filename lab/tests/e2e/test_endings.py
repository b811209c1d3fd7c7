"""The ends of jobs, as their authors see them."""

from __future__ import annotations

import re
from pathlib import Path

from e2e.runs import Run, Runs

GRACE = 4
"""Seconds from the request to stop until the agent kills the job."""

PARAMETERS = {"jobs": {"agent/config": f"cancel-grace-period={GRACE}"}}


def test_a_job_whose_command_exits_with_0_passes(run: Run) -> None:
    assert run.state() == "passed"
    job = run.job()
    assert (job["state"], job["exit_status"]) == ("passed", 0)
    assert job["agent"]["name"].startswith("jobs-i-")
    assert any(re.match(f"it ran as .+ in {run.kind.slug}", line) for line in run.lines())


def test_the_exit_code_of_a_command_is_the_exit_status_of_its_job(run: Run) -> None:
    assert run.state() == "failed"
    assert {job["step_key"]: (job["state"], job["exit_status"]) for job in run.jobs()} == {
        "one": ("failed", 1),
        "seven": ("failed", 7),
        "unknown": ("failed", 127),
        "all": ("failed", 255),
    }
    assert "mvn-that-nobody-installed: command not found" in run.log(run.job("unknown"))


def test_a_job_whose_command_kills_itself_fails(run: Run) -> None:
    assert run.state() == "failed"
    job = run.job()
    assert job["state"] == "failed"
    # The agent reports a killed shell as 255 with 3.83.1; later versions may name the signal.
    assert (job["exit_status"], job["signal"]) in {(255, None), (-1, "SIGKILL")}
    assert "before" in run.lines()
    assert "after" not in run.lines()


def test_a_job_that_is_cancelled_while_it_runs_is_stopped(run: Run) -> None:
    run.cancel(run.running("started"))
    # Exit status and signal are a race within the agent; the reason is reliable.
    run.ended()
    job = run.job()
    assert (job["state"], job["signal_reason"]) == ("canceled", "cancel")
    assert "finished" not in run.lines()


def test_a_job_that_ignores_the_request_to_stop_is_killed_after_its_grace(run: Run) -> None:
    run.cancel(run.running("started"))
    run.ended()
    job = run.job()
    assert (job["state"], job["signal_reason"]) == ("canceled", "cancel")
    lines = run.lines()
    after = lines[lines.index("asked to stop") :]
    # Four lines a second; the agent kills one second before the end of its own grace.
    assert GRACE <= after.count("still here") <= 4 * GRACE


def test_a_step_that_may_fail_does_not_fail_its_build(run: Run) -> None:
    assert run.state() == "passed"
    job = run.job()
    assert (job["state"], job["soft_failed"], job["exit_status"]) == ("failed", True, 3)


def test_a_job_that_fails_is_retried_on_another_machine_as_its_step_says(run: Run) -> None:
    assert run.state() == "passed"
    first, second = run.jobs()
    assert (first["state"], first["exit_status"], first["retried"]) == ("failed", 1, True)
    assert first["retried_in_job_id"] == second["id"]
    assert (second["state"], second["retries_count"]) == ("passed", 1)
    assert first["agent"]["name"] != second["agent"]["name"]


def test_a_job_that_failed_runs_again_when_somebody_retries_it(run: Run) -> None:
    assert run.state() == "failed"
    run.retry(run.job())
    run.until("passes", lambda: run.build()["state"] == "passed")
    first, second = run.jobs()
    assert (first["state"], second["state"]) == ("failed", "passed")
    assert second["retry_source"] == {"job_id": first["id"], "retry_type": "manual"}


def test_a_process_left_by_a_job_neither_delays_nor_outlives_its_machine(
    run: Run,
) -> None:
    assert run.state() == "passed"
    job = run.job()
    instance = run.stage.gone(job["agent"]["name"].partition("-")[2])
    assert instance.reason == "the agent ended with exit code 0"
    left = [path for path in Path("/proc").glob("[0-9]*/cmdline") if b"86399.25" in _read(path)]
    assert left == []


def test_a_job_that_takes_longer_than_its_step_allows_is_timed_out(run: Run) -> None:
    # Last in this file, because the job needs a real minute.
    run.ended()
    job = run.job()
    assert (job["state"], job["signal_reason"]) == ("timed_out", "cancel")
    assert "started" in run.lines()


def test_at_the_end_nothing_is_left_and_every_promise_was_kept(runs: Runs) -> None:
    runs.stage.empty()
    assert runs.stage.broken_promises() == []


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
