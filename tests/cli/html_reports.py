"""Reports for tests: of one job, of every kind of end, and of hundreds of jobs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import accumulate, pairwise

from mayfly_cli.html_report.model import (
    Alarm,
    Alarms,
    Band,
    Chart,
    Check,
    Checks,
    Fact,
    Fault,
    Faults,
    Instance,
    Instances,
    Job,
    Jobs,
    Note,
    Path,
    Phase,
    Report,
    Section,
    Span,
    Tone,
    Wait,
    Waits,
)
from mayfly_cli.html_report.operators import (
    HOUR,
    Cause,
    Change,
    Changes,
    Cost,
    Costs,
    Hour,
    Hours,
    Launches,
    QueueHours,
)

LONG = "integration-tests-of-the-whole-platform-with-every-database-and-a-name-without-any-blank"
WAYS = {
    Path.HOT: {Phase.RESERVE: 0.4, Phase.ASSIGN: 0.9, Phase.CHECKOUT: 0.6},
    Path.STOPPED: {Phase.RESERVE: 0.4, Phase.START: 4.1, Phase.ASSIGN: 0.9, Phase.CHECKOUT: 0.6},
    Path.COLD: {
        Phase.RESERVE: 0.4,
        Phase.LAUNCH: 5.99,
        Phase.BOOT: 1.85,
        Phase.SWAP: 0.91,
        Phase.PROOF: 1.51,
        Phase.ASSIGN: 1.49,
        Phase.CHECKOUT: 1.57,
    },
}
"""Seconds by phase until the command begins."""


def spans(begin: float, way: Iterable[tuple[Phase, float]]) -> tuple[Span, ...]:
    steps = list(way)
    at = accumulate((seconds for _, seconds in steps), initial=begin)
    return tuple(
        Span(phase, round(first, 3), round(last, 3))
        for (phase, _), (first, last) in zip(steps, pairwise(at), strict=True)
    )


def bands(begin: float, swap: float, end: float) -> tuple[Band, ...]:
    return (Band("bootstrap", begin, swap), Band("sandbox", swap, end))


def a_job(number: int, path: Path, begin: float, seconds: float, label: str = "") -> Job:
    """A job that passed after this many seconds of its command."""
    way = [*WAYS[path].items(), (Phase.COMMAND, seconds), (Phase.END, 2.0)]
    mine = spans(begin, way)
    swap = next((s.end for s in mine if s.phase is Phase.SWAP), begin - 6.0)
    instance = Instance(
        f"i-{number:017x}",
        "default",
        bands(min(begin + 0.3, swap - 6.0), swap, mine[-1].end),
        "the agent ended with exit code 0",
        number,
        "m7i.large spot eu-central-1a",
    )
    return Job(
        number=number,
        id=f"0190a1b2-0000-4000-8000-{number:012x}",
        label=label or f"unit tests {number}",
        queue="default",
        path=path,
        outcome="passed",
        tone=Tone.GOOD,
        exit_status=0,
        instance=instance,
        attempt=1,
        agent="buildkite-agent 3.83.1",
        spans=mine,
        log_tail=("+++ make test", f"{number} passed in {seconds} s"),
    )


def a_denied_job(number: int) -> Job:
    return Job(
        number=number,
        id=f"0190a1b2-0000-4000-8000-{number:012x}",
        label="deploy",
        queue="deploy",
        path=Path.NONE,
        outcome="failed",
        tone=Tone.BAD,
        exit_status=-1,
        signal_reason="stack_error",
        reason="Mayfly did not run the job: no policy line allows pipeline example, branch main, "
        "source ui, on queue deploy. <script>alert(1)</script> Its operators can add one below "
        "/mayfly/mayfly/queues/deploy/policy/rules/.",
        spans=(Span(Phase.RESERVE, 2.0, 2.6),),
        notes=(Note(1.25, "Waiting: queue deploy is at its limit of 2 instances. 1st in line."),),
    )


def a_report(jobs: tuple[Job, ...], further: tuple[Section, ...] = ()) -> Report:
    instances = tuple(job.instance for job in jobs if job.instance is not None)
    idle = Instance(f"i-{0xFADE:017x}", "default", bands(-9.5, -1.2, 14.0), "idle for too long")
    return Report(
        title="mayfly-lab run · pipeline.yml",
        verdict="The build failed; 1 check is BROKEN",
        tone=Tone.BAD,
        facts=(
            Fact("Made", "2026-11-30 01:05 UTC"),
            Fact("Took", "34 s"),
            Fact("Agent", "buildkite-agent 3.83.1"),
            Fact("Machines", "own namespaces, real users, 169.254.169.254, nftables"),
        ),
        sections=(
            Checks(
                (
                    Check("one-assignment", "an instance gets at most one job in its life", ()),
                    Check(
                        "nothing-leaks",
                        "every instance is terminated and every record closed",
                        ("i-0fade is still running", "the ledger of queue default counts 1 slot"),
                    ),
                    Check("order", "every instance is bootstrapped, replaced, proven", ()),
                )
            ),
            Chart("seconds since the build began", jobs, (idle,)),
            Jobs(jobs),
            Waits(
                (
                    Wait(Path.HOT, Phase.RESERVE, 3, 0.4, 0.41),
                    Wait(Path.HOT, None, 3, 1.9, 2.04),
                    Wait(Path.COLD, Phase.LAUNCH, 2, 5.99, 6.2),
                    Wait(Path.COLD, None, 2, 13.72, 15.0),
                )
            ),
            Instances((*instances, idle)),
            *further,
        ),
    )


def every_end() -> Report:
    """A report with each path, a denied job, a long name, alarms and faults."""
    jobs = (
        a_job(1, Path.HOT, 0.1, 3.2, "lint"),
        a_job(2, Path.HOT, 0.1, 12.6, LONG),
        a_job(3, Path.STOPPED, 0.2, 7.0, "Integration 1/2"),
        a_job(4, Path.COLD, 0.2, 9.4, "Integration 2/2 (späte Prüfung)"),
        a_denied_job(5),
        a_job(6, Path.COLD, 6.0, 0.02, "echo"),
    )
    return a_report(
        jobs,
        (
            Alarms((Alarm("mayfly-NoCapacity", 3.2, None, "EC2 has no capacity.", "1 >= 1"),)),
            Faults((Fault("machine-dies=*,value=3s", "the machine loses power", 0),)),
        ),
    )


def of_operators() -> Report:
    """A report over a day, with everything that is no single job."""
    begin = datetime(2026, 11, 29, 8, tzinfo=UTC)
    hours = tuple(
        Hour(begin + n * HOUR, (n * 7) % 11, max(0, 10 - n % 5), 10 if n < 10 else 2)
        for n in range(24)
    )
    changes = (
        Change(begin + 2.5 * HOUR, "alice", "default pool/hot", "3", "10"),
        Change(begin + 10 * HOUR, "", "deploy paused", "true", ""),
    )
    return Report(
        title="mayfly report · stack mayfly, eu-central-1",
        verdict="24 hours, 3 queues, 2 need a person",
        tone=Tone.MIXED,
        facts=(),
        sections=(
            Hours((QueueHours("default", hours), QueueHours("gpu", hours[3:9])), changes),
            Launches((Cause("setup.sh exited with 3", "default", 7), Cause("<b>", "gpu", 1))),
            Costs(
                (
                    Cost("app", 212, 31.4, Decimal("3.92"), 0.71),
                    Cost(LONG, 4, 0.2, Decimal("0.04"), 0.0),
                ),
                Decimal("9.80"),
                "List prices of 2026-11, EC2 alone.",
            ),
            Changes(changes),
        ),
    )


def many(count: int) -> Report:
    """A report of so many jobs, on all paths."""
    paths = (Path.HOT, Path.STOPPED, Path.COLD)
    return a_report(
        tuple(a_job(n, paths[n % 3], n * 0.7, 2.0 + n % 17) for n in range(1, count + 1))
    )
