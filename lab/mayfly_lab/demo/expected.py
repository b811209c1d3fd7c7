"""The demo's settings, its faults, and the expected end of each job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mayfly_lab.demo.stopped import NIGHTLY
from mayfly_lab.report.checks import Check
from mayfly_lab.report.timeline import JobLine

QUEUES = ("default", "deploy", NIGHTLY)
POOL = 9
"""Hot machines when the large build begins: fewer than its jobs."""
HOT, COLD = 4, 2
"""Jobs that must at least run on hot and on cold machines."""
LIMITS: Mapping[str, int] = {"default": 16, "deploy": 4, NIGHTLY: 1}
PARAMETERS: Mapping[str, Mapping[str, str]] = {
    "default": {
        "limits/max-instances": str(LIMITS["default"]),
        # Only spot instances can be interrupted.
        "launch/purchase": "spot-then-on-demand",
        "policy/rules/ours": "pipeline=example branch=* fork=no",
    },
    "deploy": {
        "limits/max-instances": str(LIMITS["deploy"]),
        "policy/rules/releases": "pipeline=release branch=release/* source=api,ui fork=no",
    },
    NIGHTLY: {
        "limits/max-instances": str(LIMITS[NIGHTLY]),
        "pool/stopped": "1",
        # A proven instance that no job needs is stopped at once.
        "pool/grace-minutes": "0",
        "policy/rules/audits": "pipeline=nightly branch=main fork=no",
    },
}

CANCELLED, KILLED, INTERRUPTED = "soak", "manual", "long"
"""Steps with a fault: a job cancelled while it waits, a machine killed after the assignment, a spot
notice while the job runs."""


@dataclass(frozen=True, slots=True)
class ExpectedEnd:
    """The expected end of a step's jobs."""

    outcome: str
    jobs: int = 1
    path: str | None = None
    """`hot`, `stopped`, `cold`, or empty for a job that never had an instance; None accepts any."""
    exit_status: int | None = 0
    attempt: int = 1
    reason: str = ""
    """A word that Mayfly's reason must contain; empty accepts any reason."""


ENDS: Mapping[str, Sequence[ExpectedEnd]] = {
    "lint": [ExpectedEnd("passed")],
    "unit": [ExpectedEnd("passed")],
    "integration": [ExpectedEnd("passed", jobs=2)],
    "build": [ExpectedEnd("passed", path="hot")],
    KILLED: [ExpectedEnd("passed", attempt=2)],
    "benchmarks": [ExpectedEnd("soft_failed", exit_status=3)],
    "broken": [ExpectedEnd("failed", exit_status=7)],
    CANCELLED: [ExpectedEnd("canceled", path="", exit_status=None, reason="cancel")],
    # No exit status: the agent's status for a stopped job depends on a race, the outcome does not.
    INTERRUPTED: [ExpectedEnd("failed", exit_status=None), ExpectedEnd("passed")],
    "package": [ExpectedEnd("passed")],
    "deploy": [ExpectedEnd("failed", path="", exit_status=-1, attempt=1, reason="policy")],
    "staging": [ExpectedEnd("passed", path="cold")],
    "smoke": [ExpectedEnd("passed", path="cold")],
    NIGHTLY: [ExpectedEnd("passed", path="stopped")],
}
"""By step: its jobs in the order of creation; a retry is a job of its own."""


def check_ends(lines: Sequence[tuple[str, JobLine]]) -> Check:
    """Check that every job ended as `ENDS` expects. `lines` are pairs of step key and line."""
    return Check("as-scripted", "every job of the demo ended as expected", tuple(_wrong(lines)))


def _wrong(lines: Sequence[tuple[str, JobLine]]) -> Iterator[str]:
    for step, parts in ENDS.items():
        mine = [line for key, line in lines if key == step]
        wanted = [part for part in parts for _ in range(part.jobs)]
        if len(mine) != len(wanted):
            yield f"{step}: {len(mine)} jobs, {len(wanted)} expected"
        for line, part in zip(mine, wanted, strict=False):
            yield from _differences(step, line, part)
    for path, least in (("hot", HOT), ("cold", COLD)):
        ran = sum(line.path == path for _, line in lines)
        if ran < least:
            yield f"{ran} jobs ran on {path} machines, at least {least} expected"


def _differences(step: str, line: JobLine, part: ExpectedEnd) -> Iterator[str]:
    seen = {"outcome": line.outcome, "attempt": line.attempt}
    wanted = {"outcome": part.outcome, "attempt": part.attempt}
    if part.path is not None:
        seen["path"], wanted["path"] = line.path, part.path
    if part.exit_status is not None:
        seen["exit status"], wanted["exit status"] = str(line.exit_status), str(part.exit_status)
    for what, value in wanted.items():
        if seen[what] != value:
            yield f"{step}: {what} is {seen[what]!r}, {value!r} expected"
    if part.reason not in line.reason:
        yield f"{step}: the reason {line.reason!r} does not contain {part.reason!r}"
