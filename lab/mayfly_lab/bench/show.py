"""Runs the bench in a lab of its own, and prints and writes the figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from mayfly_lab.bench import figures, idle
from mayfly_lab.bench.hot import QUEUE, BenchError, Run, Workload, run
from mayfly_lab.bench.phases import durations, marks_of
from mayfly_lab.lab import Lab, LabChoices
from mayfly_lab.latency import Latency
from mayfly_lab.report.live import LiveReport
from mayfly_lab.report.screen import folded
from mayfly_lab.report.timeline import job_lines


def bench(
    workload: Workload,
    choices: LabChoices,
    json_file: Path | None,
    wait: Callable[[float], None],
) -> None:
    """Run the workload in a lab, and print the figures; `json_file` gets the figures as JSON.

    `choices` are those of the lab, but for the pool.

    Raises:
        BenchError: the run got stuck, a job failed, or a job did not run on a hot machine.
    """
    most = {"limits/max-instances": str(workload.pool)}
    latency = choices.latency
    own = {**choices.parameters.get(QUEUE, {}), **most}
    with Lab(replace(choices, parameters={QUEUE: own})) as lab:
        live = LiveReport()
        told = f"agent: {lab.agent_name}; latency: {latency}; machines: {lab.machines}"
        live.say(told)
        for line in lab.notice:
            live.say(line)
        seen = run(lab, workload, wait, live.say)
        agent_name = lab.agent_name
    ways = phase_seconds(seen)
    found = figures.summary(list(ways.values()))
    title = f"{found.jobs} jobs on hot machines, {agent_name}, latency {latency}"
    live.table(["", *folded(title, 4, ""), *figures.table(found), "", *idle.lines(seen.idle)])
    if json_file is not None:
        content = document(agent_name, latency, found, seen, ways)
        json_file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def phase_seconds(seen: Run) -> Mapping[str, Mapping[str, float]]:
    """Seconds by phase, by job id.

    Raises:
        BenchError: a job did not run on a hot machine, or one of its moments is missing.
    """
    cold = [line.id for line in job_lines(seen.evidence) if line.path != "hot"]
    if cold:
        raise BenchError(f"{len(cold)} jobs did not run on a hot machine, the first is {cold[0]}")
    marks = marks_of(seen.evidence)
    missing = [job.id for job in seen.evidence.jobs if job.id not in marks]
    if missing:
        raise BenchError(f"{len(missing)} jobs lack a moment, the first is {missing[0]}")
    return {job: durations(each) for job, each in marks.items()}


def document(
    agent: str,
    latency: Latency,
    found: figures.Summary,
    seen: Run,
    ways: Mapping[str, Mapping[str, float]],
) -> Mapping[str, Any]:
    """The figures as JSON content, with each job's phases. Seconds, and USD per month."""
    return {
        "agent": agent,
        "latency": str(latency),
        "figures": asdict(found),
        "goals": [
            {"percentile": percent, "seconds": goal, "met": met}
            for percent, goal, met in found.goals()
        ],
        "jobs": {job: dict(way) for job, way in ways.items()},
        "idle": {
            "seconds": seen.idle.seconds,
            "hosts": seen.idle.hosts,
            "host_calls_per_second": seen.idle.per_host,
            "functions_calls_per_second": seen.idle.per_functions,
            "host_usd_per_month": seen.idle.host_month,
            "functions_usd_per_month": seen.idle.functions_month,
            "buildkite_calls": dict(seen.idle.buildkite),
        },
    }
