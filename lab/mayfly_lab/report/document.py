"""The report as JSON, for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mayfly_lab.report.alarms import AlarmLine
from mayfly_lab.report.checks import Check
from mayfly_lab.report.timeline import InstanceLine, JobLine


def document(
    jobs: Sequence[JobLine],
    instances: Sequence[InstanceLine],
    checks: Sequence[Check],
    alarms: Sequence[AlarmLine],
) -> dict[str, Any]:
    """The report as JSON content.

    Times of jobs are seconds since the job was runnable, times of instances seconds since launch,
    times of alarms seconds since the run's start.
    """
    return {
        "jobs": [
            {
                "id": job.id,
                "label": job.label,
                "queue": job.queue,
                "path": job.path,
                "outcome": job.outcome,
                "exit_status": job.exit_status,
                "agent": job.agent,
                "instance": job.instance,
                "attempt": job.attempt,
                "reason": job.reason,
                "seconds": dict(job.seconds),
                "notes": [{"seconds": at, "text": text} for at, text in job.notes],
            }
            for job in jobs
        ],
        "instances": [
            {
                "id": instance.id,
                "queue": instance.queue,
                "job": instance.job,
                "profiles": [{"seconds": at, "profile": name} for at, name in instance.profiles],
                "states": [{"seconds": at, "state": name} for at, name in instance.states],
                "reason": instance.reason,
            }
            for instance in instances
        ],
        "checks": [
            {"name": check.name, "held": check.held, "broken": list(check.broken)}
            for check in checks
        ],
        "alarms": [asdict(alarm) for alarm in alarms],
    }


def write(path: Path, content: dict[str, Any]) -> None:
    """Write the document as indented JSON. Raises OSError where the file cannot be written."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
