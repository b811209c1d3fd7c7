"""Traces of real jobs, in both forms, and what is none."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import pytest

from mayfly_lab.sim.faults import rates
from mayfly_lab.sim.plan import Plan
from mayfly_lab.sim.run import run
from mayfly_lab.sim.traces import Arrival, read

CSV = b"job_id,run_created_s,duration_s\n2,1005,7\n1,1000,144\n3,1003,-1\n"
PAIRS = struct.pack(">6I", 0, 1500, 250, 2000, 90_000, 10)
SHARED = Path(__file__).parents[4] / "shared/traces"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (CSV, (Arrival(0, 144), Arrival(5, 7))),
        (gzip.compress(CSV), (Arrival(0, 144), Arrival(5, 7))),
        (CSV.replace(b"run_created_s", b"created_s"), (Arrival(0, 144), Arrival(5, 7))),
        (PAIRS, (Arrival(0, 1.5), Arrival(0.25, 2), Arrival(90, 0.01))),
    ],
    ids=["CSV", "gzip", "the other name", "pairs"],
)
def test_arrivals_are_read_and_counted_from_the_first(
    content: bytes, found: tuple[Arrival, ...], tmp_path: Path
) -> None:
    file = tmp_path / "trace"
    file.write_bytes(content)
    assert read(file) == found


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it has 0 jobs, and a trace has 1 to"),
        (b"not a trace", "it is neither of the forms: pairs of big-endian"),
        (b"12345678" * 3 + b"01234567", "its times do not rise"),
        (CSV.replace(b"144", b"long"), "line 3: could not convert string to float: 'long'"),
        (CSV.replace(b"1000", b"-5"), "line 3: a time is not a number of seconds from 0 on"),
        (CSV.replace(b"1000", b"inf"), "line 3: a time is not a number of seconds from 0 on"),
        (CSV.replace(b"1000", b"nan"), "line 3: a time is not a number of seconds from 0 on"),
        (gzip.compress(CSV)[:20], "it is no whole gzip file"),
        (b"name,duration_s\na,5\n", "it is neither of the forms"),
    ],
)
def test_what_is_no_trace_is_refused_with_what_is_allowed(
    content: bytes, words: str, tmp_path: Path
) -> None:
    file = tmp_path / "trace"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=words):
        read(file)


def test_the_jobs_of_a_run_come_and_last_as_in_the_trace() -> None:
    arrivals = tuple(Arrival(number * 2.0, 3.0) for number in range(200))
    result = run(1, Plan(rates(only=True), arrivals))
    assert result.violations == ()
    assert result.jobs > 20


@pytest.mark.skipif(not SHARED.exists(), reason="no captures beside the checkout")
def test_captures_of_real_systems_are_traces() -> None:
    found = {file.name: len(read(file)) for file in SHARED.iterdir() if file.suffix != ".md"}
    assert len(found) >= 3
    assert all(number > 1000 for number in found.values()), found
