"""The report as JSON, for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mayfly_lab.report.phases import spans
from mayfly_lab.report.result import Result


def document(result: Result) -> dict[str, Any]:
    """The report as JSON content.

    Times of jobs are seconds since the job was runnable, times of instances seconds since launch,
    times of alarms seconds since the run's start. `began` of a job and `launched` of an
    instance are seconds since the begin of the first build, whose date is `began` of the report.
    """
    return {
        "command": result.command,
        "verdict": result.verdict,
        "passed": result.passed,
        "seconds": round(result.seconds, 3),
        "began": datetime.fromtimestamp(result.began, UTC).isoformat(timespec="milliseconds"),
        "facts": dict(result.facts),
        "jobs": [
            {
                "id": job.id,
                "label": job.label,
                "queue": job.queue,
                "path": job.path,
                "outcome": job.outcome,
                "exit_status": job.exit_status,
                "signal_reason": job.signal_reason,
                "agent": job.agent,
                "instance": job.instance,
                "attempt": job.attempt,
                "reason": job.reason,
                "began": job.began,
                "seconds": dict(job.seconds),
                "phases": [
                    {"phase": span.phase, "from": span.begin, "to": span.end}
                    for span in spans(job.path, job.seconds)
                ],
                "notes": [{"seconds": at, "text": text} for at, text in job.notes],
                "log_tail": list(job.log_tail),
            }
            for job in result.jobs
        ],
        "instances": [
            {
                "id": instance.id,
                "queue": instance.queue,
                "job": instance.job,
                "launched": instance.launched,
                "ended": instance.ended,
                "profiles": [{"seconds": at, "profile": name} for at, name in instance.profiles],
                "states": [{"seconds": at, "state": name} for at, name in instance.states],
                "off": [{"from": begin, "to": end} for begin, end in instance.off],
                "reason": instance.reason,
            }
            for instance in result.instances
        ],
        "waits": [asdict(wait) for wait in result.waits],
        "checks": [
            {
                "name": check.name,
                "promise": check.promise,
                "held": check.held,
                "broken": list(check.broken),
            }
            for check in result.checks
        ],
        "alarms": [asdict(alarm) for alarm in result.alarms],
        "faults": [asdict(fault) for fault in result.faults],
    }


def write(path: Path, result: Result) -> None:
    """Write the report as indented JSON. Raises OSError where the file cannot be written."""
    path.write_text(json.dumps(document(result), indent=2) + "\n", encoding="utf-8")
