"""Logs, artifacts, meta-data and annotations of jobs, read after their end."""

from __future__ import annotations

import hashlib
import re

from e2e.repositories import EVERY_BYTE, add_history
from e2e.runs import Run, Runs


def prepare(runs: Runs) -> None:
    runs.commits = add_history(runs.stage.lab)


def test_a_log_of_60000_lines_is_complete_and_in_order(run: Run) -> None:
    assert run.state() == "passed"
    lines = [line for line in run.lines() if line.startswith("line ")]
    assert lines == [
        f"line {number:06} of a log that nobody will ever read" for number in range(1, 60001)
    ]


def test_a_log_keeps_every_byte_of_binary_output(run: Run) -> None:
    assert run.state() == "passed"
    # Each terminal on the way (up to two with an agent) adds a carriage return before a newline.
    assert EVERY_BYTE in re.sub(rb"\r+\n", b"\n", run.raw_log())


def test_a_job_finds_the_artifacts_of_the_job_before_it(run: Run) -> None:
    assert run.state() == "passed"
    report = b"all green\n"
    lines = run.lines(run.job("publish"))
    assert report.decode().strip() in lines
    assert " 00 ff" in lines
    assert hashlib.sha1(report).hexdigest() in lines  # the agent's default format
    shown = run.call("GET", f"/builds/{run.number}/artifacts").json()
    kept = {each["path"]: each for each in shown}
    assert kept.keys() == {"out/report.txt", "out/deep/blob"}
    assert {each["state"] for each in kept.values()} == {"finished"}
    assert run.download(kept["out/report.txt"]) == report
    assert run.download(kept["out/deep/blob"]) == b"\x00\xff"


def test_a_job_that_fails_keeps_its_artifacts(run: Run) -> None:
    assert run.state() == "failed"
    job = run.job()
    assert (job["state"], job["exit_status"]) == ("failed", 4)
    (kept,) = run.call("GET", f"/builds/{run.number}/jobs/{job['id']}/artifacts").json()
    assert run.download(kept) == b"why it failed\n"


def test_a_job_reads_the_meta_data_that_the_job_before_it_has_set(run: Run) -> None:
    assert run.state() == "passed"
    assert run.build()["meta_data"]["release"] == 'v1.2 of the "app"'
    lines = run.lines(run.job("reader"))
    assert 'it is v1.2 of the "app"' in lines
    assert "exists says 100" in lines
    assert "or none" in lines


def test_a_job_annotates_its_build(run: Run) -> None:
    assert run.state() == "passed"
    shown = run.call("GET", f"/builds/{run.number}/annotations").json()
    found = {each["context"]: (each["style"], each["body_html"]) for each in shown}
    assert found.keys() == {"tests", "coverage"}
    style, body = found["tests"]
    assert style == "error"
    assert "of 40 tests failed; one is flaky" in body
    assert found["coverage"][0] == "info"


def test_at_the_end_nothing_is_left_and_every_promise_was_kept(runs: Runs) -> None:
    runs.stage.empty()
    assert runs.stage.broken_promises() == []
